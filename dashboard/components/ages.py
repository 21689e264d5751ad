"""How old a figure is: the age to read, the moment on hover."""

from datetime import datetime

import streamlit as st

from dashboard import state
from dashboard.numbers import age, moment
from dashboard.text import plain


def caption(what: str, at: datetime | None) -> None:
    """Draw ``what`` with its age, e.g. "Mirror as of 2 s ago"."""
    st.caption(f"{plain(what)} as of {age(at)}", help=exact(at))


def exact(at: datetime | None) -> str:
    """Return the moment in the browser's time zone."""
    return moment(at, state.zone()) if at is not None else "It has not been read yet."

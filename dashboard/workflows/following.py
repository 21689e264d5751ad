"""What a page drew once is drawn anew when it is no longer so, unless a dialog is open over it.

Parts that move are fragments. Buttons, failures and logs are not: they change when a run or a task
begins or ends, and then the whole page is drawn again. That would close a dialog, so it waits.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

_SHAPE, _OPEN = "workflows-shape", "workflows-dialog"


@contextmanager
def buttons() -> Iterator[None]:
    """Notice whether one of the buttons that are drawn within opened its dialog."""
    before = _dialog()
    yield
    st.session_state[_OPEN] = _dialog() != before


def _dialog() -> object:
    held = st.session_state.get("acting")
    return held.get("key") if isinstance(held, dict) else None


def drawn(shape: object) -> None:
    """Remember what the page was drawn from."""
    st.session_state[_SHAPE] = shape


def check(shape: object) -> None:
    """Draw the page anew when it was drawn from something else; for fragments."""
    if st.session_state.get(_SHAPE) != shape and not st.session_state.get(_OPEN):
        drawn(shape)
        st.rerun(scope="app")

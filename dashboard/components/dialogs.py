"""Dialogs, and pages that are drawn anew by themselves without closing the one that is open.

Streamlit closes a dialog when the page is drawn as a whole and does not open it again, and what was
typed into it is lost. So what follows the platform while a page is open asks for that here.
"""

from collections.abc import Callable
from functools import wraps
from typing import Literal, ParamSpec

import streamlit as st

P = ParamSpec("P")
_OPEN = "dialog-open"


def dialog(
    title: str, *, icon: str, width: Literal["small", "medium"] = "small"
) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Return what makes a dialog of the function that draws it; called, the dialog opens.

    However it is closed, the page is drawn anew: what it waited to show is there then.
    """

    def made(draw: Callable[P, None]) -> Callable[P, None]:
        shown = st.dialog(title, icon=icon, width=width, on_dismiss="rerun")(draw)

        @wraps(draw)
        def opened(*args: P.args, **kwargs: P.kwargs) -> None:
            st.session_state[_OPEN] = True
            shown(*args, **kwargs)

        return opened

    return made


def page_begins() -> None:
    """Note that the page is drawn as a whole, which closes what dialog was open."""
    st.session_state[_OPEN] = False


def is_open() -> bool:
    """Return whether a dialog was opened since the page was last drawn as a whole."""
    return bool(st.session_state.get(_OPEN))


def redraw() -> None:
    """Draw the page anew, for a fragment that saw a change; not while a dialog is open over it."""
    if not is_open():
        st.rerun(scope="app")

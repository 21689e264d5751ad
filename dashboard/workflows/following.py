"""What a page drew once is drawn anew when it is no longer so.

Parts that move are fragments. Buttons, failures and logs are not: they change when a run or a task
begins or ends, and then the whole page is drawn again.
"""

import streamlit as st

from dashboard.components import dialogs

_SHAPE = "workflows-shape"


def drawn(shape: object) -> None:
    """Remember what the page was drawn from."""
    st.session_state[_SHAPE] = shape


def check(shape: object) -> None:
    """Draw the page anew when it was drawn from something else; for fragments."""
    if st.session_state.get(_SHAPE) != shape:
        dialogs.redraw()

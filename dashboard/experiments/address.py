"""The view and the address: one truth, read at the start of a run, written by callbacks.

The widgets follow it: their state is set from the view before they are drawn, so a reload, the back
button and a pasted address all show the same. A change is one entry in the browser's history.
"""

import streamlit as st

from dashboard.experiments.view import KEYS, View, read_view

BAR, BOARD = "experiments-bar", "experiments-board"
"""The two fragments of the page: what is done with chosen runs, and the table."""
_LAST = "experiments:last"
_HERE = "experiments:q"
"""Key of the filter box: Streamlit forgets it when another page is drawn."""


def current() -> tuple[View, tuple[str, ...]]:
    """Return the view the address names, and a sentence for each malformed part of it."""
    params = {key: st.query_params[key] for key in KEYS if key in st.query_params}
    return read_view(params)


def arrive() -> tuple[View, tuple[str, ...]]:
    """Return the view of this run; who comes back to a bare address finds the last view again."""
    view, notices = current()
    if _HERE not in st.session_state and view == View() and not notices:
        last = st.session_state.get(_LAST)
        if isinstance(last, View) and last != view:
            show(last)
            view = last
    st.session_state[_LAST] = view
    return view, notices


def show(view: View) -> None:
    """Write the view into the address, as one entry of its history."""
    params = view.to_params()
    # An empty list takes a parameter out: all in one message, one step of the back button.
    st.query_params.update({key: params.get(key) or [] for key in KEYS})
    st.session_state[_LAST] = view


def show_below(view: View) -> None:
    """Write the view from a callback of the table or the bar, and draw only those two again."""
    show(view)
    st.rerun([BAR, BOARD])

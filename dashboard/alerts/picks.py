"""Which alerts of a list are chosen: by their numbers, so that no row that moves changes it."""

from collections.abc import Sequence

import streamlit as st

_TURN = "alerts:turn"


def box(alert_id: int) -> None:
    """Draw the box that chooses an alert."""
    st.checkbox(f"Choose alert {alert_id}", key=_key(alert_id), label_visibility="collapsed")


def chosen(ids: Sequence[int]) -> list[int]:
    """Return which of these are chosen."""
    return [one for one in ids if st.session_state.get(_key(one))]


def all_of(ids: Sequence[int]) -> None:
    """Choose all of these; when all are chosen, none. Before the boxes are drawn."""
    every = len(chosen(ids)) < len(ids)
    for one in ids:
        st.session_state[_key(one)] = every


def clear() -> None:
    """Choose none any more: the boxes are others from now on."""
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1


def _key(alert_id: int) -> str:
    return f"alert-pick-{st.session_state.get(_TURN, 0)}-{alert_id}"

"""Dialogs by themselves, as scripts draw them: AppTest reruns no dialog alone."""

import streamlit as st

from dashboard.components import actions, several
from services.actions.alerts import AcknowledgeAlert
from services.errors import JournalError


def of_several() -> None:
    """How far the actions of the session are."""
    wish: several.Wish[int] = several.Wish("Acknowledge", "Do", "It is looked after.", lambda: None)
    several.dialog(wish, several.Those((1, 2), "alert", str, int))


def of_one() -> None:
    """How far the action of the session is, and what belongs to its end."""
    actions._dialog(actions.Proposal("Acknowledge", _nothing, after=_after, during=_after))


def _nothing() -> AcknowledgeAlert | None:
    return None


def _after() -> None:
    if st.session_state.get("busy"):
        raise JournalError("The journal could not be used (database is locked).", "Try again.")
    st.caption("To what came of it")

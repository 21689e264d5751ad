"""Counts over all projects, and following the mirror while the page is open."""

from collections import Counter
from collections.abc import Iterable

import streamlit as st

from dashboard import state
from services.mirror.models import ProjectSummary

_LOOK_S = 3
_DRAWN = "overview:drawn"


def states(projects: Iterable[ProjectSummary]) -> dict[str, int]:
    """Return how many projects are in which state, in the order they come."""
    return dict(Counter(project.state for project in projects))


def running(projects: Iterable[ProjectSummary]) -> int:
    """Return how many runs run now."""
    return sum(project.running for project in projects)


def follow() -> None:
    """Draw the page again when the mirror has moved on; otherwise nothing is sent."""
    st.session_state[_DRAWN] = state.mirror().change()
    _look()


@st.fragment(run_every=_LOOK_S)
def _look() -> None:
    if state.mirror().change() != st.session_state.get(_DRAWN):
        st.rerun(scope="app")

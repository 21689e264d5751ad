"""Following the mirror while the page is open, and counts over all projects."""

from collections import Counter
from collections.abc import Callable, Iterable

import streamlit as st

from dashboard.components import notices
from services.errors import MlopsError
from services.mirror.models import ProjectSummary

_LOOK_S = 3


def live(draw: Callable[[], None]) -> None:
    """Draw, and again every few seconds: a fragment, so that it closes no dialog doing so."""
    st.fragment(_told, run_every=_LOOK_S)(draw)


def _told(draw: Callable[[], None]) -> None:
    try:
        draw()
    except MlopsError as error:  # out of a fragment no error reaches the frame that tells them
        notices.problem(error)


def states(projects: Iterable[ProjectSummary]) -> dict[str, int]:
    """Return how many projects are in which state, in the order they come."""
    return dict(Counter(project.state for project in projects))


def running(projects: Iterable[ProjectSummary]) -> int:
    """Return how many runs run now."""
    return sum(project.running for project in projects)

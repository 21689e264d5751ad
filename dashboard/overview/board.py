"""Counts over all projects, and how often they are drawn again."""

from collections import Counter
from collections.abc import Iterable

from services.mirror.models import ProjectSummary

LOOK_S = 3


def states(projects: Iterable[ProjectSummary]) -> dict[str, int]:
    """Return how many projects are in which state, in the order they come."""
    return dict(Counter(project.state for project in projects))


def running(projects: Iterable[ProjectSummary]) -> int:
    """Return how many runs run now."""
    return sum(project.running for project in projects)

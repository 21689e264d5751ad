"""How a budget went down over its window; pure."""

from dataclasses import dataclass

import numpy as np

from services.objectives.counting import MINUTE_S, Minutes
from services.objectives.models import Objective

POINTS = 240


@dataclass(frozen=True, slots=True)
class Course:
    """What was left of a budget at each time: 1 at the begin, what is left now at the end."""

    at: tuple[float, ...]
    """Seconds since 1970."""
    left: tuple[float, ...]
    """Below 0: more was spent than there was."""


def course(minutes: Minutes, objective: Objective, now: float) -> Course | None:
    """Return how the budget of the last ``objective.days`` went down; None: nobody asked.

    The budget is that of all requests of the window, so the last point is what is left of it.
    """
    since = now - objective.window_s
    mine = minutes.between(since, now)
    requests, bad = mine.counted(objective.kind)
    total = int(requests.sum())
    if not total:
        return None
    times = np.linspace(since, now, POINTS + 1)
    # The minute that is not over counts at the last point alone.
    places = np.searchsorted((mine.minute + 1) * MINUTE_S, times, "right")
    places[-1] = len(bad)
    spent = np.concatenate(([0], np.cumsum(bad)))[places] / ((1.0 - objective.target) * total)
    return Course(tuple(times.tolist()), tuple((1.0 - spent).tolist()))

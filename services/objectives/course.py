"""How a budget went down over its window; pure."""

from dataclasses import dataclass

import numpy as np

from services.objectives.counting import MINUTE_S, Minutes
from services.objectives.models import Objective
from services.objectives.watched import Watched

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


def of_time(found: Watched, objective: Objective, now: float) -> Course | None:
    """Return the same of an objective of availability; None: nobody watched."""
    times = np.linspace(now - objective.window_s, now, POINTS + 1)
    seen_s, down_s = found.until(times)
    total_s = float(seen_s[-1] - seen_s[0])
    if not total_s:
        return None
    spent = (down_s - down_s[0]) / ((1.0 - objective.target) * total_s)
    return Course(tuple(times.tolist()), tuple((1.0 - spent).tolist()))

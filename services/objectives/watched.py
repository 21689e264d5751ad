"""How long a deployment was in service, as far as somebody looked; pure.

Sums of seconds over time are lines with corners where a state began or ended, so any stretch of
time is the difference of two of their points: nothing is counted by the minute.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.objectives.budget import Counts
from services.serving.in_service import Run

STEP_S = 10.0
"""A budget of time is spent in tens of seconds: controllers look every three."""
PER_MINUTE = 60.0 / STEP_S
Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Watched:
    """Of one deployment."""

    runs: tuple[Run, ...]
    at: Times
    """Corners, seconds since 1970."""
    seen_s: Times
    """Up to each: seconds in which somebody looked and it was to be in service."""
    down_s: Times
    """Of them it was not."""

    @property
    def first_at(self) -> float | None:
        """Return since when somebody looks; None: nobody did."""
        return self.runs[0].since if self.runs else None

    def within(self, since: float, until: float) -> Counts:
        """Return tens of seconds that were watched, and those out of service."""
        seen, down = (float(one[1] - one[0]) for one in self.until(np.array([since, until])))
        return Counts(round(seen / STEP_S), round(down / STEP_S))

    def until(self, times: Times) -> tuple[Times, Times]:
        """Return seconds that were watched up to each time, and seconds out of service."""
        if not len(self.at):
            return np.zeros(len(times)), np.zeros(len(times))
        return np.interp(times, self.at, self.seen_s), np.interp(times, self.at, self.down_s)

    def unwatched_s(self, since: float, until: float) -> float:
        """Return seconds of which nothing is known, since somebody looked first."""
        if self.first_at is None:
            return 0.0
        begin = max(since, self.first_at)
        spans = (min(one.until, until) - max(one.since, begin) for one in self.runs)
        return max(0.0, until - begin - sum(one for one in spans if one > 0))

    def outages(self, since: float) -> tuple[Run, ...]:
        """Return when it was out of service, the newest first."""
        found = (one for one in reversed(self.runs) if one.state == "down")
        return tuple(one for one in found if one.until > max(since, one.since))


def watched(runs: Sequence[Run]) -> Watched:
    """Return runs, in order of time, as sums."""
    corners = np.array([at for one in runs for at in (one.since, one.until)])

    def sums(*states: str) -> Times:
        lengths = [one.until - one.since if one.state in states else 0.0 for one in runs]
        ends = np.cumsum(lengths)
        return np.column_stack((ends - lengths, ends)).ravel() if lengths else np.empty(0)

    return Watched(tuple(runs), corners, sums("up", "down"), sums("down"))

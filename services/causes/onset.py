"""Since when something is worse: the one step up that explains most of a course. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 30
"""Events on each side of a step."""
SURE = 4.5
"""Standard errors from which on a step is none of chance: the best of hundreds has three by it."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where a course steps up."""

    at: float
    """The begin of the first point after it, in seconds since 1970."""
    before: float
    """Mean of the values before it, as ``after`` of those since."""
    after: float
    n_before: float
    """Events, as ``n_after``."""
    n_after: float

    @property
    def rise(self) -> float:
        """Return by how much it is higher since."""
        return self.after - self.before


def step_up(points: Sequence[tuple[float, float, float]]) -> Step | None:
    """Return where a course steps up; None: nowhere.

    The split into two parts with the largest sum of squares between them, of those after which the
    mean is higher (least squares for one change of the mean; Hinkley 1970). Whether the step is
    more than chance is for who compares the two sides.

    Args:
        points: Begin (seconds since 1970), weight (how many events), value; oldest first.
    """
    whole = sum(weight for _, weight, _ in points)
    total = sum(weight * value for _, weight, value in points)
    best, found = 0.0, None
    seen = summed = 0.0
    for place in range(1, len(points)):
        _, weight, value = points[place - 1]
        seen, summed = seen + weight, summed + weight * value
        left = whole - seen
        if seen < LEAST or left < LEAST:
            continue
        step = Step(points[place][0], summed / seen, (total - summed) / left, seen, left)
        between = seen * left / whole * step.rise * step.rise
        if step.rise > 0 and between > best and not math.isclose(between, best, rel_tol=1e-12):
            best, found = between, step
    return found

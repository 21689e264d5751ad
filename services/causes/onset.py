"""Since when something is worse: the one step up that explains most of a course. Pure."""

import math
from collections.abc import Sequence

LEAST = 30
"""Events on each side of a step."""


def step_up(points: Sequence[tuple[float, float, float]]) -> float | None:
    """Return where a course steps up: the begin of the first point after the step.

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
        rise = (total - summed) / left - summed / seen
        between = seen * left / whole * rise * rise
        if rise > 0 and between > best and not math.isclose(between, best, rel_tol=1e-12):
            best, found = between, points[place][0]
    return found

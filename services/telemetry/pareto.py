"""The Pareto front: what nothing else beats in every respect."""

import math
from collections.abc import Sequence
from typing import Literal

Goal = Literal["max", "min"]


def pareto(points: Sequence[Sequence[float | None]], goals: Sequence[Goal]) -> tuple[int, ...]:
    """Return the positions of the points on the front, in the order given.

    A point is beaten by one that is as good in every respect and better in one; of equal points
    none is. A point with a figure that is missing, NaN or infinite is compared with nothing: it is
    on no front, and keeps nobody else off it.

    Raises:
        ValueError: A point has not as many figures as there are goals.
    """
    if any(len(point) != len(goals) for point in points):
        raise ValueError(f"Each point needs {len(goals)} figures, one a goal.")
    costs = {
        place: tuple(
            -value if goal == "max" else value
            for value, goal in zip(_figures(point), goals, strict=True)
        )
        for place, point in enumerate(points)
        if all(value is not None and math.isfinite(value) for value in point)
    }
    front: dict[tuple[float, ...], list[int]] = {}
    # By cost, one that beats another comes before it: one look at the front so far is enough.
    for place in sorted(costs, key=lambda one: (costs[one], one)):
        cost = costs[place]
        if cost in front:
            front[cost].append(place)
        elif not any(_no_worse(other, cost) for other in front):
            front[cost] = [place]
    return tuple(sorted(place for places in front.values() for place in places))


def _figures(point: Sequence[float | None]) -> tuple[float, ...]:
    return tuple(0.0 if value is None else float(value) for value in point)


def _no_worse(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True))

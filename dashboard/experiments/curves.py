"""Curves for drawing: smoothed on all points, then thinned to what a screen can show."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dashboard.smoothing import debiased_average
from services.mirror.models import Curve

XAxis = Literal["step", "time"]
BUDGET = 4_000
"""Points of all lines of one rerun together: about 100 kB."""
FULL = 2_000
_FEWEST = 40


@dataclass(frozen=True, slots=True)
class Line:
    """One drawn line; None where the value is not finite, so that the line has a gap."""

    xs: tuple[float, ...]
    ys: tuple[float | None, ...]


def points_each(lines: int) -> int:
    """Return how many points each of so many lines may have."""
    return max(_FEWEST, min(FULL, BUDGET // max(lines, 1)))


def line_of(curve: Curve, axis: XAxis, smoothing: float, most: int) -> Line:
    """Return a curve as a line: by step, or by seconds since its first point."""
    values = debiased_average(curve.values, smoothing) if smoothing else curve.values
    xs = _xs(curve, axis)
    keep = _kept(values, most)
    return Line(
        tuple(xs[place] for place in keep),
        tuple(_drawn(values[place]) for place in keep),
    )


def _xs(curve: Curve, axis: XAxis) -> Sequence[float]:
    if axis == "step" or not curve.times:
        return curve.steps
    start = curve.times[0]
    return [round((at - start).total_seconds(), 3) for at in curve.times]


def _kept(values: Sequence[float], most: int) -> list[int]:
    size = len(values)
    if size <= most:
        return list(range(size))
    stride = (size - 1) / (most - 1)
    kept, start = [], 0
    for end in sorted({round(place * stride) for place in range(most)}):
        # A gap stays one: of the points up to here the one that has no finite value stands.
        odd = (place for place in range(start, end) if not math.isfinite(values[place]))
        kept.append(next(odd, end))
        start = end + 1
    return kept if kept[-1] == size - 1 else [*kept, size - 1]


def _drawn(value: float) -> float | None:
    # Six significant digits: no screen shows more, and the wire carries less.
    return float(f"{value:.6g}") if math.isfinite(value) else None


def main_metrics(points: dict[str, int], primary: str | None, most: int = 4) -> tuple[str, ...]:
    """Return the metrics worth drawing first: the primary one, losses, then what has most steps."""
    stepped = [name for name, step in points.items() if step > 0]
    stepped.sort(
        key=lambda name: (name != primary, "loss" not in name.lower(), -points[name], name)
    )
    return tuple(stepped[:most])


_BY_STEP = ("step_time_ms", "loss")


def steps_key(points: dict[str, int]) -> str | None:
    """Return the metric whose curve tells a run's speed best; None when nothing has steps."""
    stepped = {name: step for name, step in points.items() if step > 0}
    known = [name for name in _BY_STEP if name in stepped]
    return known[0] if known else max(stepped, key=lambda n: (stepped[n], n), default=None)

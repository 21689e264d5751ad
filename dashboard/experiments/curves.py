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
    keep = _kept(len(values), most)
    return Line(
        tuple(xs[place] for place in keep),
        tuple(_drawn(values[place]) for place in keep),
    )


def _xs(curve: Curve, axis: XAxis) -> Sequence[float]:
    if axis == "step" or not curve.times:
        return curve.steps
    start = curve.times[0]
    return [round((at - start).total_seconds(), 3) for at in curve.times]


def _kept(size: int, most: int) -> list[int]:
    if size <= most:
        return list(range(size))
    stride = (size - 1) / (most - 1)
    return sorted({round(place * stride) for place in range(most)})


def _drawn(value: float) -> float | None:
    # Six significant digits: no screen shows more, and the wire carries less.
    return float(f"{value:.6g}") if math.isfinite(value) else None


def unfinite(curve: Curve) -> int:
    """Return how many points are NaN or infinite: gaps a reader must be told of."""
    return sum(not math.isfinite(value) for value in curve.values)


def main_metrics(points: dict[str, int], primary: str | None, most: int = 4) -> tuple[str, ...]:
    """Return the metrics worth drawing first: the primary one, losses, then what has most steps."""
    stepped = [name for name, step in points.items() if step > 0]
    stepped.sort(
        key=lambda name: (name != primary, "loss" not in name.lower(), -points[name], name)
    )
    return tuple(stepped[:most])

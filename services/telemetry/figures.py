"""A figure that was worked out of readings: its value, or why there is none."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from services.engines.silicon.models import Quality, Reading

NOT_SAMPLED = "nothing was sampled at that time"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure; its unit is told where the field is."""

    value: float | None
    """None exactly when it is unavailable."""
    quality: Quality
    reason: str = ""
    """Why it is unavailable, or what an estimate rests on."""


def measured(value: float) -> Figure:
    """Return a figure that was measured; of one that is no number, an unavailable one."""
    if not math.isfinite(value):
        return unavailable("it came out as no number")
    return Figure(value, "measured")


def estimated(value: float, reason: str) -> Figure:
    """Return a figure that rests on an assumption, which the reason names."""
    found = measured(value)
    return found if found.value is None else Figure(value, "estimated", reason)


def unavailable(reason: str) -> Figure:
    """Return that there is no figure."""
    return Figure(None, "unavailable", reason)


def why_missing(readings: Iterable[Reading | None], metric: str) -> str:
    """Return the most frequent reason why a metric has no value; the first of equals."""
    reasons: Counter[str] = Counter()
    for reading in readings:
        if reading is None:
            reasons[f"the machine was not asked for {metric}"] += 1
        elif reading.value is None:
            reasons[reading.reason or f"{metric} was not reported"] += 1
    return reasons.most_common(1)[0][0] if reasons else NOT_SAMPLED


def share(part: float, whole: float) -> float:
    """Return ``part / whole``, 0 of nothing."""
    return part / whole if whole > 0 else 0.0


def percent(ratio: float) -> str:
    """Return a ratio as a person reads it; what is not all is never said to be all."""
    if 0 < ratio < 0.01:
        return "under 1 %"
    if 0.99 < ratio < 1:
        return "over 99 %"
    return f"{ratio * 100:.0f} %"


def gigabytes(count: float) -> str:
    """Return bytes as decimal gigabytes, smaller amounts as megabytes."""
    return f"{count / 1e9:.1f} GB" if abs(count) >= 1e9 else f"{count / 1e6:.0f} MB"

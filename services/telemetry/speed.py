"""How fast a run went by its own steps: in some stretches of time against others."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.telemetry.figures import percent, share

Time = tuple[float, float]
"""Begin and end in seconds since 1970."""

LEAST_S = 20.0
LEAST_STEPS = 3.0
"""A speed is that of at least twenty seconds and three steps: less is chance."""

NOTICEABLE = 0.05
"""Undisturbed repeats of the harness in FACTS.md differ by 3.6 % either way."""


@dataclass(frozen=True, slots=True)
class Point:
    """A step, and when it was logged."""

    at: datetime
    step: int


@dataclass(frozen=True, slots=True)
class Slowdown:
    """The speed of a run against what it is without the disturbance."""

    reference_per_s: float
    """Steps per second undisturbed."""
    reference: str
    """Where that is from."""
    per_s: float
    lost: float
    """1 − per_s / reference, 0–1; 0 when it was not slower."""
    said: str


def speed(points: Sequence[Point], times: Iterable[Time]) -> float | None:
    """Return steps per second within some stretches; None when they hold too few.

    The way from one logged step to the next is taken as even. Steps that go back (another epoch
    that counts from 0, a resumed run) are left out with the time they took.
    """
    ordered = sorted(points, key=lambda point: (point.at, point.step))
    moments = [point.at.timestamp() for point in ordered]
    steps = seconds = 0.0
    for begin, end in _merged(times):
        first = max(0, bisect_right(moments, begin) - 1)
        for place in range(first, len(ordered) - 1):
            low, high = moments[place], moments[place + 1]
            if low >= end:
                break
            within = min(high, end) - max(low, begin)
            made = ordered[place + 1].step - ordered[place].step
            if within > 0 and made >= 0:
                seconds += within
                steps += made * within / (high - low)
    if seconds < LEAST_S or steps < LEAST_STEPS:
        return None
    return steps / seconds


def slowdown(
    points: Sequence[Point],
    disturbed: Sequence[Time],
    within: Sequence[Time],
    earlier: tuple[str, Sequence[Point], datetime, datetime] | None = None,
) -> Slowdown | None:
    """Return the speed in the disturbed stretches against the rest of ``within``.

    Where nothing undisturbed is left in it, an earlier run is taken: its name, steps, begin and
    end. None when either speed cannot be told.
    """
    during = speed(points, disturbed)
    reference, name = speed(points, _left(within, disturbed)), "when nothing disturbed it"
    if reference is None and earlier is not None:
        title, before, start, end = earlier
        reference = speed(before, [(start.timestamp(), end.timestamp())])
        name = f"in {title}"
    if during is None or reference is None:
        return None
    return _told(during, reference, name, "Its steps meanwhile ran")


def by_halves(points: Sequence[Point], start: datetime, end: datetime) -> Slowdown | None:
    """Return the speed of the second half against the first, if it was noticeably slower."""
    begin, last = start.timestamp(), end.timestamp()
    middle = (begin + last) / 2
    first, second = speed(points, [(begin, middle)]), speed(points, [(middle, last)])
    if first is None or second is None or second > first * (1 - NOTICEABLE):
        return None
    found = _told(second, first, "in its first half", "Its steps in the second half ran")
    return Slowdown(
        found.reference_per_s,
        found.reference,
        found.per_s,
        found.lost,
        f"{found.said} Look at the run itself: longer inputs, more evaluation, data that grows.",
    )


def lost_in(
    points: Sequence[Point], times: Sequence[Time], against: Slowdown, length_s: float
) -> float | None:
    """Return the share of the speed lost over ``length_s`` by what was at work in ``times``."""
    during = speed(points, times)
    if during is None:
        return None
    part = min(1.0, share(sum(end - begin for begin, end in times), length_s))
    return part * max(0.0, 1 - during / against.reference_per_s)


def _told(during: float, reference: float, name: str, who: str) -> Slowdown:
    lost = max(0.0, 1 - during / reference)
    if lost < NOTICEABLE:
        said = f"{who} no slower than {name} ({during:.3g} steps/s)."
    else:
        said = f"{who} {percent(lost)} slower than {name} ({during:.3g}, not {reference:.3g}/s)."
    return Slowdown(reference, name, during, lost, said)


def _merged(times: Iterable[Time]) -> list[Time]:
    out: list[Time] = []
    for begin, end in sorted(times):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((begin, end))
    return out


def _left(within: Iterable[Time], without: Iterable[Time]) -> list[Time]:
    """Return what is left of some stretches without others."""
    left = _merged(within)
    for begin, end in _merged(without):
        left = [
            (low, high)
            for first, last in left
            for low, high in ((first, min(last, begin)), (max(first, end), last))
            if high > low
        ]
    return left

"""Parallel coordinates: one axis a parameter that varies, the last one the metric."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from services.mirror.models import Run

_MOST_AXES = 8
_MOST_WORDS = 12


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: a position for each run, and words at positions when they are no numbers."""

    title: str
    values: tuple[float, ...]
    ticks: tuple[tuple[float, str], ...] = ()


def axes_of(runs: Sequence[Run], metric: str) -> tuple[tuple[Axis, ...], tuple[int, ...]]:
    """Return the axes (metric last) and which of the runs they hold: those with a finite value."""
    kept = tuple(i for i, run in enumerate(runs) if _finite(run.metrics.get(metric)))
    chosen = [runs[i] for i in kept]
    found = (_axis(name, [run.params.get(name) for run in chosen]) for name in varying(chosen))
    axes = islice((axis for axis in found if axis is not None), _MOST_AXES - 1)
    if len(chosen) < 2:
        return (), kept
    return (*axes, Axis(metric, tuple(run.metrics[metric] for run in chosen))), kept


def varying(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return the parameters in which runs differ."""
    names = sorted({name for run in runs for name in run.params})
    return tuple(name for name in names if len({run.params.get(name) for run in runs}) > 1)


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _axis(name: str, values: Sequence[str | None]) -> Axis | None:
    numbers = [_number(value) for value in values]
    if None not in numbers:
        return Axis(name, tuple(n for n in numbers if n is not None))
    words = sorted({_word(value) for value in values})
    if len(words) > _MOST_WORDS:
        return None
    places = {word: float(place) for place, word in enumerate(words)}
    ticks = tuple((place, word) for word, place in places.items())
    return Axis(name, tuple(places[_word(value)] for value in values), ticks)


def _word(value: str | None) -> str:
    return "not set" if value is None else value[:24]


def _number(value: str | None) -> float | None:
    try:
        found = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return found if math.isfinite(found) else None

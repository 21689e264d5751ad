"""Whether many runs ran under like conditions, by the bounds of ``comparable``; cheap at any size.

What a run ran under is read off its tag once a process: the figures of all runs are one table then,
and some pair of runs differs exactly where the largest and the least value do.
"""

import math
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.mirror.frame import FrameWords
from services.mirror.text import NOT_LOGGED, Floats, Mask, Text
from services.telemetry import comparable
from services.telemetry.conditions import Conditions, from_json
from services.telemetry.figures import percent

_AT_ONCE, _GIVE_WAY_S = 2_000, 0.005
TAG = "mlops.conditions"
Table = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Aspect:
    """One figure of what runs ran under; NaN where it is not known."""

    of: Callable[[Conditions], float | None]
    bound: float
    """Figures this far apart are a difference."""
    sentence: str
    """What is said of many, with the least and the largest figure, ``{0}`` and ``{1}``."""
    told: Callable[[float], str]


def _swap(one: Conditions) -> float | None:
    known_s = one.seconds * one.coverage
    return one.swap_in_bytes / known_s if one.swap_in_bytes is not None and known_s else None


_TIME = "of their time"
ASPECTS = (
    Aspect(
        lambda one: one.throttled,
        comparable.THROTTLED,
        f"throttled (thermal level 1 or more) for {{0}} to {{1}} {_TIME}",
        percent,
    ),
    Aspect(
        lambda one: one.thermal_mean,
        comparable.LEVELS,
        "at a mean thermal level of {0} to {1}",
        lambda level: f"{level:.1f}",
    ),
    Aspect(
        lambda one: one.low_power,
        comparable.LOW_POWER,
        f"in Low Power Mode for {{0}} to {{1}} {_TIME}",
        percent,
    ),
    Aspect(
        lambda one: one.pressure,
        comparable.PRESSURE,
        f"short of memory (pressure 2 or more) for {{0}} to {{1}} {_TIME}",
        percent,
    ),
    Aspect(
        lambda one: one.battery,
        comparable.BATTERY,
        f"on battery for {{0}} to {{1}} {_TIME}",
        percent,
    ),
    Aspect(
        _swap,
        comparable.SWAP_BYTES_S,
        "reading {0} to {1} back from swap",
        lambda rate: f"{rate / 1e6:.0f} MB/s",
    ),
    Aspect(
        lambda one: one.beside("gpu"),
        comparable.GPU_BESIDE,
        "beside others that had {0} to {1} of the GPU",
        percent,
    ),
    Aspect(
        lambda one: one.beside("cpu"),
        comparable.CPU_BESIDE,
        "beside others that had {0} to {1} of the CPU",
        percent,
    ),
    Aspect(
        lambda one: None if one.fallback is None else float(one.fallback),
        1.0,
        "partly on the CPU though they were meant for the GPU",
        str,
    ),
    Aspect(
        lambda one: one.gpu_cores,
        1.0,
        "on GPUs of {0} to {1} cores",
        lambda cores: f"{cores:.0f}",
    ),
)


_THROTTLED, _LEVEL = ASPECTS[0], ASPECTS[1]


def table(tags: FrameWords) -> Table:
    """Return a row a run with a figure an aspect; a row of NaN where its conditions are unknown."""
    known = _digest(tags.column)
    rows = np.full((len(tags.codes), len(ASPECTS)), np.nan)
    told = tags.codes != NOT_LOGGED
    rows[told] = known[tags.codes[told]]
    return rows


def known(rows: Table) -> Mask:
    """Return which rows tell anything."""
    found: Mask = np.asarray(~np.isnan(rows).all(axis=1))
    return found


def differences(rows: Table) -> tuple[str, ...]:
    """Return a phrase for each way in which some two of these runs differ noticeably."""
    rows = rows[known(rows)]
    if len(rows) < 2:
        return ()
    # fmin and fmax pass over NaN, and are NaN only where no run knows.
    least, most = np.fmin.reduce(rows), np.fmax.reduce(rows)
    apart = _apart(most - least)
    return tuple(
        aspect.sentence.format(aspect.told(low), aspect.told(high))
        for aspect, low, high in zip(ASPECTS, least.tolist(), most.tolist(), strict=True)
        if aspect in apart
    )


def _apart(gaps: Floats) -> tuple[Aspect, ...]:
    """Return in which aspects a gap matters; the level goes without saying where the time does."""
    found = [a for a, gap in zip(ASPECTS, gaps.tolist(), strict=True) if gap >= a.bound]
    return tuple(a for a in found if a is not _LEVEL or _THROTTLED not in found)


def typical(rows: Table) -> Floats:
    """Return the median of each aspect over the rows that know it, NaN where none does."""
    found = np.full(len(ASPECTS), np.nan)
    for place in range(len(ASPECTS)):
        told = rows[:, place][~np.isnan(rows[:, place])]
        if len(told):
            found[place] = np.median(told)
    return found


def between(named: Mapping[str, Table]) -> tuple[str, ...]:
    """Return a sentence for each way in which groups of runs differ by their medians."""
    names = list(named)
    medians = np.array([typical(rows) for rows in named.values()]).reshape(-1, len(ASPECTS))
    if len(names) < 2:
        return ()
    apart = _apart(np.fmax.reduce(medians) - np.fmin.reduce(medians))
    return tuple(
        _between(names, aspect, medians[:, place])
        for place, aspect in enumerate(ASPECTS)
        if aspect in apart
    )


def _between(names: Sequence[str], aspect: Aspect, medians: Floats) -> str:
    told = [one for one in zip(medians.tolist(), names, strict=True) if not math.isnan(one[0])]
    (low, least), (high, most) = min(told), max(told)
    phrase = aspect.sentence.format(aspect.told(low), aspect.told(high))
    return f"Runs were {phrase}: “{least}” at the one end, “{most}” at the other (medians)."


# What each distinct tag says, as long as the mirror's column of it lives

_lock = threading.Lock()
_read: weakref.WeakKeyDictionary[Text, Table] = weakref.WeakKeyDictionary()


def read_ahead(column: Text) -> None:
    """Read all words of a column, and let others go first between some and some."""
    while len(_digest(column, _AT_ONCE)) < len(column.words):
        time.sleep(_GIVE_WAY_S)


def _digest(column: Text, most: int | None = None) -> Table:
    """Return a row for each word of the column; those read before are not read again."""
    with _lock:
        held = _read.get(column)
        before = 0 if held is None else len(held)
        words = column.words[before:] if most is None else column.words[before : before + most]
        if held is None or words:
            more = np.array([_figures(word) for word in words]).reshape(-1, len(ASPECTS))
            held = more if held is None else np.concatenate([held, more])
            _read[column] = held
        return held


def _figures(word: str) -> list[float]:
    said = from_json(word)
    if said is None or said.coverage < comparable.COVERED:
        return [math.nan] * len(ASPECTS)
    values = [aspect.of(said) for aspect in ASPECTS]
    return [math.nan if value is None else float(value) for value in values]

"""What happened to a machine, read off its samples: throttling, power, pressure, battery, absence.

Events are a function of the samples alone, so that a late sample, a crash or a second look changes
nothing: a closed hour keeps the changes of the four states and when the machine was there, and
whoever asks walks over these.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.telemetry.models import Event, EventKind
from services.telemetry.rows import UNAVAILABLE, Rows
from services.telemetry.shapes import moment


@dataclass(frozen=True, slots=True)
class _Watched:
    """A metric whose rise over a bound is an event, and its fall another."""

    bound: int
    began: EventKind
    began_title: str
    ended: EventKind
    ended_title: str


WATCHED: dict[str, _Watched] = {
    # Level 1 and 2 made a recorded harness lose a third of its speed.
    "thermal_level": _Watched(
        1, "throttling.began", "Throttling began (thermal level {})",
        "throttling.ended", "Throttling ended",
    ),
    "low_power_mode": _Watched(
        1, "low_power.on", "Low Power Mode on", "low_power.off", "Low Power Mode off"
    ),
    "memory_pressure": _Watched(
        2, "pressure.rose", "Memory pressure rose to {}",
        "pressure.fell", "Memory pressure is normal again",
    ),
    "on_battery": _Watched(
        1, "battery.on", "On battery", "battery.off", "On mains power again"
    ),
}  # fmt: skip

Changes = Mapping[str, Any]
"""Of one hour: ``changes`` ``[µs, metric, level]`` in order, ``spans`` ``[first µs, last µs]``."""


def changes_of(rows: Rows, lost_after_s: float) -> dict[str, Any]:
    """Return the changes within some samples, which must be in order of time."""
    changes: list[tuple[int, str, int]] = []
    for name in WATCHED:
        if name not in rows.values:
            continue
        code = rows.code(name)
        known = np.flatnonzero((code > 0) & (code < UNAVAILABLE))
        levels = rows.values[name][known]
        new = np.ones(len(known), dtype=bool)
        new[1:] = levels[1:] != levels[:-1]
        changes += zip(
            rows.times[known[new]].tolist(), [name] * int(new.sum()), levels[new].tolist(),
            strict=True,
        )  # fmt: skip
    return {"changes": sorted(changes), "spans": _spans(rows, lost_after_s)}


def _spans(rows: Rows, lost_after_s: float) -> list[list[int]]:
    if not len(rows):
        return []
    gaps = np.flatnonzero(np.diff(rows.times) > lost_after_s * 1_000_000)
    firsts = rows.times[np.concatenate(([0], gaps + 1))]
    lasts = rows.times[np.concatenate((gaps, [len(rows) - 1]))]
    return [list(span) for span in zip(firsts.tolist(), lasts.tolist(), strict=True)]


def events_of(
    host: str, hours: Iterable[Changes], lost_after_s: float, now_us: int
) -> Iterator[Event]:
    """Yield what happened.

    Args:
        host: Whose hours these are.
        hours: In order of time; the first ones say only how things stood.
        lost_after_s: A machine silent for longer was lost.
        now_us: One silent until now is lost as well.
    """
    above: dict[str, bool] = {}
    last_us: int | None = None
    for hour in hours:
        for at_us, name, level in hour["changes"]:
            yield from _crossed(host, above, at_us, name, level)
        for first, last in hour["spans"]:
            yield from _joined(host, last_us, first, lost_after_s)
            last_us = last
    if last_us is not None and now_us - last_us > lost_after_s * 1_000_000:
        yield _lost(host, last_us)


def _crossed(
    host: str, above: dict[str, bool], at_us: int, name: str, level: int
) -> Iterator[Event]:
    watched = WATCHED[name]
    is_above = level >= watched.bound
    if is_above == above.get(name, False):
        return
    above[name] = is_above
    if is_above:
        yield Event(moment(at_us), host, watched.began, watched.began_title.format(level))
    else:
        yield Event(moment(at_us), host, watched.ended, watched.ended_title)


def _joined(host: str, last_us: int | None, first_us: int, lost_after_s: float) -> Iterator[Event]:
    if last_us is None:
        yield Event(moment(first_us), host, "host.joined", f"{host} reports")
    elif first_us - last_us > lost_after_s * 1_000_000:
        yield _lost(host, last_us)
        yield Event(moment(first_us), host, "host.joined", f"{host} reports again")


def _lost(host: str, last_us: int) -> Event:
    return Event(moment(last_us), host, "host.lost", f"{host} went silent")

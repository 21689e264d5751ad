"""Samples for the tests of the store, and what a plain loop says of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.engines.silicon.models import METRICS, Reading, Sample
from services.telemetry.shapes import STEPS, microseconds
from services.telemetry.store import Store

BEGIN = datetime(2026, 11, 3, 10, tzinfo=UTC)
HOST = "mac-a"


class Clock:
    """A clock that is set."""

    def __init__(self, at: datetime = BEGIN + timedelta(days=1)) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def measured(metric: str, value: float) -> Reading:
    return Reading(metric, value, "measured", "macmon 0.8.2")


def unavailable(metric: str, reason: str) -> Reading:
    return Reading(metric, None, "unavailable", "macmon 0.8.2", reason)


def sample(seconds: float, *readings: Reading, host: str = HOST, **fields: Any) -> Sample:
    return Sample(host, at(seconds), fields.pop("window_s", 2.0), readings, **fields)


def watts(seconds: float, value: float) -> Sample:
    return sample(seconds, measured("cpu_w", value))


def store(folder: Path, clock: Clock | None = None, **given: Any) -> Store:
    return Store(folder, now=clock or Clock(), merge_in_background=False, **given)


def kept(one: Sample) -> Sample:
    """Return a sample as the store keeps it: figures in the steps of their units."""
    readings = tuple(
        r if r.value is None else replace(r, value=round(r.value * per(r.metric)) / per(r.metric))
        for r in one.readings
    )
    return replace(one, readings=readings)


def per(metric: str) -> int:
    return STEPS[METRICS[metric].unit]


@dataclass
class Bucket:
    """What a plain loop makes of the samples between two times."""

    mean: float | None
    low: float | None
    high: float | None


def plain(samples: Iterable[Sample], metric: str, begin: datetime, end: datetime) -> Bucket:
    newest = {one.at: one for one in samples}
    values = []
    for one in newest.values():
        reading = one.reading(metric)
        if begin <= one.at < end and reading is not None and reading.value is not None:
            values.append(round(reading.value * per(metric)) / per(metric))
    if not values:
        return Bucket(None, None, None)
    return Bucket(sum(values) / len(values), min(values), max(values))


def plain_reasons(
    samples: Sequence[Sample], metric: str, times: Sequence[datetime], width: timedelta
) -> tuple[str, ...]:
    newest = sorted({one.at: one for one in samples}.values(), key=lambda one: one.at)
    found: list[str] = []
    for begin in reversed(times):
        for one in reversed(newest):
            reading = one.reading(metric)
            if begin <= one.at < begin + width and reading and reading.quality == "unavailable":
                if reading.reason and reading.reason not in found:
                    found.append(reading.reason)
                break
    return tuple(found)


def floor(moment: datetime, width_s: float) -> datetime:
    us = int(width_s * 1_000_000)
    return moment - timedelta(microseconds=microseconds(moment) % us)

"""How a sample is put on disk: whole numbers of a small step, and once a shape what never changes.

A figure is kept as a whole number of its unit's step (``STEPS``), from the first byte written to
the last downsampled one: what is read is the same before and after its segment was closed. What a
sample says beside the figures (which metrics, quality, source, reason) is its *shape*; a host has
a handful of them, and each is written once a segment. Standard library only, for the sampler.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from services.engines.silicon.models import METRICS, ProcessUse, Quality, Reading, Sample, Unit

STEPS: dict[Unit, int] = {
    "ratio": 10_000, "MHz": 1, "W": 1_000, "°C": 10, "rpm": 1, "bytes": 1, "bytes/s": 1,
    "level": 1, "flag": 1, "W·h": 1_000, "count": 1,
}  # fmt: skip
"""Steps in one unit: a watt is kept in milliwatts. Finer than any of these is measured."""

_UNKNOWN_STEPS = 1_000_000
"""Of a metric this version does not know, sent by a newer agent."""

LARGEST = 2**50
"""In steps. A sum over the widest bucket still fits 64 bits; a petabyte fits this."""

QUALITIES: tuple[Quality, ...] = ("measured", "estimated", "unavailable")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Said(NamedTuple):
    """What a reading says beside its figure."""

    metric: str
    quality: Quality
    source: str
    reason: str
    window_s: float | None
    """To 0.1 s; -1.0: the same as the sample's own."""


class Shape:
    """What all samples of one kind say beside their figures."""

    __slots__ = ("index", "said")

    def __init__(self, said: Iterable[Said]) -> None:
        self.said = tuple(said)
        self.index = {one.metric: place for place, one in enumerate(self.said)}


class Who(NamedTuple):
    """A process, and whose it is."""

    pid: int
    started_at: float
    name: str
    owner: str
    project: str


class Use(NamedTuple):
    """What a process used: thousandths of a second and bytes; -1 is not known."""

    cpu_ms: int
    gpu_ms: int
    memory_bytes: int
    mlx_active_bytes: int
    mlx_peak_bytes: int
    mlx_cache_bytes: int


def steps(metric: str) -> int:
    """Return how many steps make one unit of a metric."""
    known = METRICS.get(metric)
    return STEPS[known.unit] if known else _UNKNOWN_STEPS


_STEPS = {name: steps(name) for name in METRICS}


def microseconds(at: datetime) -> int:
    """Return whole microseconds since 1970 (float seconds would lose some)."""
    return (at - EPOCH) // _MICROSECOND


def moment(at_us: int) -> datetime:
    """Return the aware UTC time of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=at_us)


def split(sample: Sample) -> tuple[tuple[Said, ...], list[int]]:
    """Return what a sample says beside its figures, and the figures in steps (0 where none).

    A metric said twice counts once, as first said (that is what ``Sample.reading`` returns).
    """
    own = sample.window_s
    said: list[Said] = []
    figures: list[int] = []
    seen = set()
    for reading in sample.readings:
        metric = reading.metric
        if metric in seen:
            continue
        seen.add(metric)
        window = reading.window_s
        if window is not None:
            window = -1.0 if abs(window - own) < 0.0005 else round(window, 1)
        quality, value, reason = reading.quality, reading.value, reading.reason
        figure = 0
        if quality != "unavailable":
            kept = (
                None if value is None else _in_steps(value * (_STEPS.get(metric) or steps(metric)))
            )
            if kept is None:
                quality, reason = "unavailable", _no_figure(value)
            else:
                figure = kept
        said.append(Said(metric, quality, reading.source, reason, window))
        figures.append(figure)
    return tuple(said), figures


def _in_steps(scaled: float) -> int | None:
    # A comparison with NaN is false, so it is caught with the infinities.
    return round(scaled) if -LARGEST < scaled < LARGEST else None


def _no_figure(value: float | None) -> str:
    if value is None:
        return "The source called it known and gave no figure."
    return f"The source gave {value}, which is no possible figure."


def restored(said: Said, figure: int, window_s: float) -> Reading:
    """Return the reading that was split."""
    value = None if said.quality == "unavailable" else figure / steps(said.metric)
    window = window_s if said.window_s == -1.0 else said.window_s
    return Reading(said.metric, value, said.quality, said.source, said.reason, window)


def who_and_use(process: ProcessUse) -> tuple[Who, Use]:
    """Split a process into who it is and what it used."""
    who = Who(process.pid, process.started_at, process.name, process.owner, process.project)
    return who, Use(
        _thousandths(process.cpu_s),
        _thousandths(process.gpu_s),
        _whole(process.memory_bytes),
        _whole(process.mlx_active_bytes),
        _whole(process.mlx_peak_bytes),
        _whole(process.mlx_cache_bytes),
    )


def _thousandths(seconds: float | None) -> int:
    kept = None if seconds is None else _in_steps(seconds * 1000)
    return -1 if kept is None or kept < 0 else kept


def _whole(number: int | None) -> int:
    return -1 if number is None or not 0 <= number < LARGEST else int(number)


def process_use(who: Who, use: Iterable[int]) -> ProcessUse:
    """Return the process that was split."""
    known = [None if number < 0 else number for number in use]
    cpu, gpu, memory, active, peak, cache = known
    return ProcessUse(
        *who,
        None if cpu is None else cpu / 1000,
        None if gpu is None else gpu / 1000,
        memory,
        active,
        peak,
        cache,
    )

"""What is asked of the telemetry store and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from services.engines.silicon.models import Machine, ProcessUse, ProviderState, Reading, Sample


@dataclass(frozen=True, slots=True)
class HostState:
    """One machine as it is now."""

    machine: Machine
    last_at: datetime | None
    """Of its newest sample; None: it never sent one."""
    readings: tuple[Reading, ...]
    """The newest of each metric."""
    processes: tuple[ProcessUse, ...] = ()
    providers: tuple[ProviderState, ...] = ()
    interval_s: float = 2.0

    def reading(self, metric: str) -> Reading | None:
        """Return the newest reading of a metric, None when the machine was never asked for it."""
        return next((r for r in self.readings if r.metric == metric), None)


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one host over time: one point a bucket, a gap where nothing was sampled."""

    host: str
    metric: str
    bucket_s: float
    """Width of a bucket; the sampling interval when nothing was put together."""
    times: tuple[datetime, ...]
    """Begin of each bucket."""
    mean: tuple[float | None, ...]
    """None: no sample, or only unavailable ones."""
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    qualities: frozenset[str] = frozenset()
    reasons: tuple[str, ...] = ()
    """Why values are missing, where a reason is known; newest first, no repeats."""


@dataclass(frozen=True, slots=True)
class OwnerUse:
    """What the processes of one owner used in one stretch of time."""

    host: str
    owner: str
    """See ``ProcessUse.owner``; empty: all that belong to nobody here."""
    project: str
    at: datetime
    """Begin of the stretch."""
    bucket_s: float
    cpu_s: float | None
    """Seconds of CPU over all cores; None: not known of any sample."""
    gpu_s: float | None
    memory_bytes: int | None
    """The most that all its processes together had at one time; so are those below."""
    mlx_active_bytes: int | None = None
    mlx_peak_bytes: int | None = None
    mlx_cache_bytes: int | None = None


EventKind = Literal[
    "run.started", "run.ended", "deploy", "throttling.began", "throttling.ended",
    "low_power.on", "low_power.off", "pressure.rose", "pressure.fell", "battery.on", "battery.off",
    "host.joined", "host.lost",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth a mark on a chart."""

    at: datetime
    host: str
    kind: EventKind
    title: str
    subject: str = ""
    """A run id, a deployment; empty when it is about the machine."""


class Writer(Protocol):
    """Who takes samples: the store here, or the other end of a connection."""

    def introduce(self, machine: Machine, providers: Sequence[ProviderState], /) -> None:
        """Say what the machine is; again when something changed."""

    def append(self, sample: Sample, /) -> None:
        """Keep one sample."""


class Telemetry(Protocol):
    """What pages, commands and other services ask. Times are aware UTC, an interval half open."""

    def hosts(self) -> tuple[HostState, ...]:
        """Return all machines, by name."""

    def series(
        self,
        host: str,
        metrics: Sequence[str],
        start: datetime,
        end: datetime,
        /,
        points: int = 600,
    ) -> tuple[Series, ...]:
        """Return one series a metric with at most ``points`` buckets, all on one time axis."""

    def samples(self, host: str, start: datetime, end: datetime, /) -> tuple[Sample, ...]:
        """Return the samples as they were taken, processes included, while they are kept so."""

    def owners(
        self, host: str, start: datetime, end: datetime, /, points: int = 600
    ) -> tuple[OwnerUse, ...]:
        """Return what each owner's processes used, by the minute or wider, oldest first."""

    def events(
        self, start: datetime, end: datetime, /, host: str | None = None
    ) -> tuple[Event, ...]:
        """Return what happened, oldest first."""

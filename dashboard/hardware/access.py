"""What the page asks: machines, curves, and what runs there, within the person's projects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dashboard import state
from dashboard.scope import Scope
from services.engines.silicon.models import ProcessUse
from services.telemetry.models import Event, HostState, Series

LOST_AFTER_S = 20.0
_LONGEST = timedelta(days=730)
_SHORTEST = timedelta(minutes=5)
POINTS = 360


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch of time that is drawn."""

    start: datetime
    end: datetime

    @property
    def refresh_s(self) -> float | None:
        """How often it is drawn again: a week does not move in seconds."""
        hours = (self.end - self.start).total_seconds() / 3600
        return 4.0 if hours <= 1 else 15.0 if hours <= 6 else 60.0


@dataclass(frozen=True, slots=True)
class Work:
    """What the processes of one owner use now."""

    owner: str
    project: str
    processes: int
    cpu_cores: float | None
    gpu_share: float | None
    memory_bytes: float | None
    mlx_bytes: float | None
    mine: bool
    """Whether the person may see whose it is."""


def hosts() -> tuple[HostState, ...]:
    """Return all machines, those that report first."""
    found = state.telemetry().hosts()
    return tuple(sorted(found, key=lambda host: (standing(host) != "live", host.machine.host)))


def standing(host: HostState, now: datetime | None = None) -> str:
    """Return live, stale (silent for a while) or never."""
    if host.last_at is None:
        return "never"
    silent_s = ((now or datetime.now(UTC)) - host.last_at).total_seconds()
    return "live" if silent_s <= max(LOST_AFTER_S, 5 * host.interval_s) else "stale"


def window(where: Scope, host: HostState, now: datetime | None = None) -> Window:
    """Return the range that the scope names; all time begins with the host's first sample."""
    end = (now or datetime.now(UTC)).replace(microsecond=0)
    if where.since is not None:
        return Window(where.since, end)
    events = state.telemetry().events(end - _LONGEST, end, host.machine.host)
    begun = next((event.at for event in events if event.kind == "host.joined"), end)
    return Window(min(begun, end - _SHORTEST), end)


def series(host: str, metrics: Sequence[str], drawn: Window) -> dict[str, Series]:
    """Return curves by metric."""
    found = state.telemetry().series(host, metrics, drawn.start, drawn.end, POINTS)
    return {one.metric: one for one in found}


def events(host: str, drawn: Window) -> tuple[Event, ...]:
    """Return what happened on a machine in that time."""
    return state.telemetry().events(drawn.start, drawn.end, host)


def work(host: HostState) -> tuple[Work, ...]:
    """Return what runs there, the busiest first; strangers are put together by their name."""
    visible = state.visible_projects()
    grouped: dict[tuple[str, str], list[ProcessUse]] = {}
    for use in host.processes:
        grouped.setdefault((use.owner or f"other:{use.name}", use.project), []).append(use)
    out = []
    for (owner, project), uses in grouped.items():
        mine = visible is None or not project or project in visible
        out.append(
            Work(
                owner if mine else "",
                project if mine else "",
                len(uses),
                _share(uses, "cpu_s", host.interval_s),
                _share(uses, "gpu_s", host.interval_s),
                _total(uses, "memory_bytes"),
                _total(uses, "mlx_active_bytes"),
                mine,
            )
        )
    return tuple(
        sorted(out, key=lambda w: (w.cpu_cores or 0.0) + (w.gpu_share or 0.0), reverse=True)
    )


def run_name(run_id: str) -> str:
    """Return a run's name, its id while the mirror does not know it yet."""
    return state.run_name(run_id) or run_id[:8]


def _total(uses: Sequence[ProcessUse], field: str) -> float | None:
    values = [value for use in uses if (value := getattr(use, field)) is not None]
    return sum(values) if values else None


def _share(uses: Sequence[ProcessUse], field: str, interval_s: float) -> float | None:
    total = _total(uses, field)
    return None if total is None or interval_s <= 0 else total / interval_s

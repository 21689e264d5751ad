"""What jobs waited for over a stretch of time, worked out for the chart and its totals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.scope import RANGES, WHOLE, Scope
from services.mirror.workflow_models import PolicyDecision, Wait
from services.workflows.queue import KINDS

LONGEST = timedelta(days=7)
"""Of "all": what is kept goes back some weeks, and nobody sees minutes in them."""
_RUNS = frozenset({"running", "starting"})
_METRICS: Mapping[str, str] = {
    "thermal_level": "thermal level",
    "memory_pressure": "memory pressure",
    "low_power_mode": "Low Power Mode",
    "on_battery": "on battery",
    "battery_ratio": "battery",
}
_FLAGS = frozenset({"low_power_mode", "on_battery"})


@dataclass(frozen=True, slots=True)
class Window:
    """``[start, end]``."""

    start: datetime
    end: datetime
    sentence: str
    """As it reads at the end of a sentence."""

    @property
    def length_s(self) -> float:
        """How long it is."""
        return (self.end - self.start).total_seconds()


def window(where: Scope, now: datetime) -> Window:
    """Return the time that is looked at: the scope's range, of "all" the last week."""
    back = RANGES[where.span]
    if where.span == WHOLE or back is None:
        return Window(now - LONGEST, now, "in the last 7 days")
    return Window(now - back, now, where.sentence)


@dataclass(frozen=True, slots=True)
class Lane:
    """One job of the chart."""

    job: str
    project: str
    stretches: tuple[Wait, ...]
    waited_s: float
    """In the window, what it ran left out."""
    begin: datetime


def clipped_s(one: Wait, shown: Window) -> float:
    """Return how long a stretch lasted in the window."""
    end = min(one.end or shown.end, shown.end)
    return max(0.0, (end - max(one.begin, shown.start)).total_seconds())


def lanes(waits: Iterable[Wait], shown: Window) -> tuple[Lane, ...]:
    """Return the jobs, those that waited longest first."""
    found: dict[str, list[Wait]] = {}
    for one in waits:
        if clipped_s(one, shown) > 0:
            found.setdefault(one.job, []).append(one)
    made = [
        Lane(
            job,
            rows[0].project,
            tuple(rows),
            sum(clipped_s(one, shown) for one in rows if one.kind not in _RUNS),
            min(one.begin for one in rows),
        )
        for job, rows in found.items()
    ]
    return tuple(sorted(made, key=lambda one: (-one.waited_s, one.begin, one.job)))


def hours(waits: Iterable[Wait], shown: Window) -> dict[str, dict[str, float]]:
    """Return the hours waited in the window, by project and reason; the most first."""
    found: dict[str, dict[str, float]] = {}
    for one in waits:
        lasted = clipped_s(one, shown) / 3600
        if one.kind not in _RUNS and lasted > 0:
            row = found.setdefault(one.project, {})
            row[one.kind] = row.get(one.kind, 0.0) + lasted
    return dict(sorted(found.items(), key=lambda item: (-sum(item[1].values()), item[0])))


def kinds(found: Iterable[str]) -> list[str]:
    """Return reasons in the order they are shown, unknown ones last."""
    there = set(found)
    return [kind for kind in KINDS if kind in there] + sorted(there - set(KINDS))


def readings(decision: PolicyDecision) -> str:
    """Return the readings a decision rests on, as a person reads them."""
    return ", ".join(_reading(one) for one in decision.figures) or "no reading was kept"


def _reading(figure: Mapping[str, object]) -> str:
    metric = str(figure.get("metric"))
    name, value = _METRICS.get(metric, metric), figure.get("value")
    if not isinstance(value, int | float):
        return f"{name} not known ({figure.get('reason') or 'nobody says why'})"
    if metric in _FLAGS:
        said = "yes" if value else "no"
    elif metric == "battery_ratio":
        said = f"{value:.0%}".replace("%", " %")
    else:
        said = f"{value:g}"
    source = f" from {figure['source']}" if figure.get("source") else ""
    return f"{name} {said}{source}"


def page(made: Sequence[Lane], first: int, size: int) -> tuple[Lane, ...]:
    """Return the lanes of a page, in the order in which the jobs came."""
    return tuple(sorted(made[first : first + size], key=lambda one: (one.begin, one.job)))

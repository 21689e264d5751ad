"""What a deployment promises, as a cell of the matrix: how it stands, and how that came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.deployments.looks import Look
from dashboard.monitoring import looks
from dashboard.numbers import counted, number, percent
from services.monitoring.courses import Degree
from services.monitoring.metrics import NAMES
from services.objectives.levels import Level, Stretch
from services.objectives.models import OF_REQUESTS, Standing, State

MISSED, AT_RISK = "missed", "at risk"
"""The words that filters know them by."""
_LOOKS: Mapping[State, Look] = {
    "met": Look("check_circle", "✓", "green", "met"),
    "at risk": Look("warning", "▲", "orange", "at risk"),
    "missed": Look("cancel", "✕", "red", "missed"),
    "unknown": Look("help", "?", "gray", "unknown"),
}
_UNASKED = Look("bedtime", "☾", "gray", "not asked")
_FEW = Look("hourglass_empty", "◔", "violet", "too few requests")
_RATES: tuple[tuple[float, Degree], ...] = ((14.4, "high"), (6.0, "medium"), (1.0, "low"))
"""Burn rates from which on alerts are raised, over an hour, six hours and three days; see
``services.objectives.budget``."""


@dataclass(frozen=True, slots=True)
class Promise:
    """How a deployment stands with its objectives: with that which fares worst."""

    look: Look
    state: State
    figure: str
    """What is left of the budget, in a few words."""
    said: str
    """A sentence an objective."""
    strip: tuple[Degree | None, ...]
    """How fast budgets were spent over time; None: nobody asked."""
    requests: tuple[int, ...]
    """Over the same time."""

    @property
    def word(self) -> str | None:
        """Return what filters know it by; None: it needs nobody."""
        return {"missed": MISSED, "at risk": AT_RISK}.get(self.state)


def promise(level: Level) -> Promise:
    """Return a service level as a cell."""
    worst = level.worst
    return Promise(
        _look(level, worst), level.state, "" if worst is None else _figure(worst),
        " ".join(f"{one.objective.kind.capitalize()}: {one.said}" for one in level.standings),
        tuple(_degree(one) for one in level.stretches),
        tuple(one.requests for one in level.stretches),
    )  # fmt: skip


def told(strip: Sequence[Degree | None], stretch: str) -> str:
    """Return a strip in words."""
    known = [one for one in strip if one is not None]
    if not known:
        return f"Nobody asked it {stretch}"
    fast = sum(one in ("low", "medium", "high") for one in known)
    stretches = counted(len(known), "stretch", "stretches")
    return f"{_capital(stretch)}: its budget was spent too fast in {fast:,} of {stretches}"


def asked(requests: Sequence[int], stretch: str) -> str:
    """Return requests over time in words."""
    if not sum(requests):
        return f"Nobody asked it {stretch}"
    return (
        f"{_capital(stretch)}: {counted(sum(requests), 'request')} of the deployment, "
        f"{max(requests):,} in the busiest stretch"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _look(level: Level, worst: Standing | None) -> Look:
    if worst is None:
        return looks.AWAY
    if worst.state == "unknown" and worst.objective.kind in OF_REQUESTS:
        if not level.stretches:
            return looks.AWAY
        return _FEW if worst.requests else _UNASKED
    return _LOOKS[worst.state]


def _figure(worst: Standing) -> str:
    kind = worst.objective.kind
    if kind == "accuracy":
        if worst.achieved is None:
            return kind
        return f"{NAMES[worst.objective.metric]} {number(worst.achieved, 3)}"
    if worst.spent is not None and worst.spent > 1:
        return f"{kind}, {worst.spent:.3g} × spent"
    if worst.budget_left is not None:
        return f"{kind}, {percent(worst.budget_left)} left"
    what = "minute" if kind == "availability" else "request"
    return f"{kind}, {counted(worst.requests, what)}" if worst.requests else ""


def _degree(one: Stretch) -> Degree | None:
    rate = one.rate
    if rate is None:
        return None
    if one.few:
        return "too few"
    return next((degree for least, degree in _RATES if rate > least), "steady")

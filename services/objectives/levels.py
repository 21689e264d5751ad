"""The service levels of all deployments beside each other: how they stand, and how it came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from services.objectives import budget
from services.objectives.budget import Counts
from services.objectives.counting import MINUTE_S, Minutes
from services.objectives.models import OF_REQUESTS, Standing, State
from services.objectives.watched import STEP_S, Watched

if TYPE_CHECKING:
    from services.objectives.asking import Told

STATES: tuple[State, ...] = ("met", "unknown", "at risk", "missed")
"""From what needs nobody to what is worst: what nobody can tell is not well."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Requests of one stretch of time."""

    requests: int
    rate: float | None
    """How many times faster than allowed budgets were spent in it, that of the objective which
    fares worst; None: nobody asked."""
    few: bool
    """Whether there are too few requests to say that a budget was kept."""


@dataclass(frozen=True, slots=True)
class Level:
    """The service level of one deployment."""

    standings: tuple[Standing, ...]
    stretches: tuple[Stretch, ...]
    """Oldest first; (): the log cannot be read."""
    asked_at: float | None
    """Begin of the newest minute in which it was asked, seconds since 1970; None: none is known."""

    @property
    def worst(self) -> Standing | None:
        """Return the objective that fares worst."""
        return worst(self.standings)

    @property
    def state(self) -> State:
        """Return its state."""
        return "unknown" if self.worst is None else self.worst.state


def levels(
    told: Sequence["Told"], since: float, step_s: float, count: int
) -> Mapping[tuple[str, str], Level]:
    """Return service levels by (project, model); pure.

    Args:
        told: How deployments stand, and their minutes from ``since`` on.
        since: Begin of the first stretch, seconds since 1970.
        step_s: Length of each; whole minutes, as ``since``.
        count: How many there are.
    """
    return {
        (one.project, one.model): Level(
            one.standings,
            () if one.minutes is None
            else stretches(one.minutes, one.standings, since, step_s, count, one.watched),
            asked_at(one.minutes),
        )
        for one in told
    }  # fmt: skip


def worst(standings: Sequence[Standing]) -> Standing | None:
    """Return the objective that fares worst; of equal ones that with the least budget left."""
    return max(standings, key=_badness, default=None)


def asked_at(minutes: Minutes | None) -> float | None:
    """Return the begin of the newest minute with a request, seconds since 1970; None: none is."""
    if minutes is None or not len(minutes.minute):
        return None
    return float(minutes.minute[-1]) * MINUTE_S


def stretches(
    minutes: Minutes,
    standings: Sequence[Standing],
    since: float,
    step_s: float,
    count: int,
    watched: Watched | None = None,
) -> tuple[Stretch, ...]:
    """Return what was asked, and how fast budgets were spent, in each stretch of time; pure."""
    times = since + step_s * np.arange(count + 1, dtype=np.float64)
    edges = np.round(times / MINUTE_S).astype(np.int64)
    places = np.searchsorted(minutes.minute, edges, "left")

    def parts(column: np.ndarray) -> list[int]:
        sums = np.concatenate(([0], np.cumsum(column)))
        return [int(one) for one in np.diff(sums[places])]

    asked = parts(minutes.requests)
    of_requests = [one.objective for one in standings if one.objective.kind in OF_REQUESTS]
    by_kind = [
        (one.target, [*zip(*map(parts, minutes.counted(one.kind)), strict=True)])
        for one in of_requests
    ]
    if watched is not None:
        of_time = [
            tuple(np.round(np.diff(one) / STEP_S).astype(int).tolist())
            for one in watched.until(times)
        ]
        by_kind += [
            (one.objective.target, [*zip(*of_time, strict=True)])
            for one in standings
            if one.objective.kind == "availability"
        ]
    found = []
    for place, requests in enumerate(asked):
        counts = [(Counts(*column[place]), target) for target, column in by_kind]
        rates = [rate for each in counts if (rate := budget.rate(*each)) is not None]
        few = any(budget.is_few(*each) for each in counts)
        found.append(Stretch(requests, max(rates, default=None), few))
    return tuple(found)


def _badness(one: Standing) -> tuple[int, float]:
    return STATES.index(one.state), -(1.0 if one.budget_left is None else one.budget_left)

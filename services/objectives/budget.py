"""The arithmetic of error budgets; pure.

Of N requests in the window, (1 − target) · N may be bad: that is the budget. The *burn rate* of any
window is how many times faster than allowed the budget is spent in it: share of bad requests ÷
(1 − target). Over the whole window it is the part of the budget that is spent.

Alerts follow Google, *The Site Reliability Workbook*, chapter 5, "Multiwindow, Multi-Burn-Rate
Alerts" (table 5-8): a long window, so that it is no blip, and a twelfth of it, so that it lasts
still. Over 30 days 2 % of the budget in 1 h are a rate of 14.4, 5 % in 6 h one of 6, 10 % in 3 days
one of 1. Other windows keep these parts of the budget, but no rate that a service may well have.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from services.objectives.models import Burn, Speed, State

FEWEST_BAD = 5
"""Bad requests in the long window from which on a rate is one: one request is no trend."""
FEWEST = 20
"""Requests from which on a window without trouble says that there is none."""
LITTLE = 0.25
"""A budget of which so little is left is at risk."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of a stretch of time that count, and how many of them were bad."""

    requests: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two windows that must agree."""

    long_s: float
    short_s: float
    known_s: float
    """So much of the long one must have passed since the first request."""
    part: float
    """Of the budget, spent in the long window."""
    least: float
    """No rate below fires, however short the objective's window is."""
    severity: Speed


PAIRS = (
    Pair(3600.0, 300.0, 300.0, 0.02, 2.0, "critical"),
    Pair(21_600.0, 1800.0, 7200.0, 0.05, 1.0, "warning"),
    Pair(259_200.0, 21_600.0, 86_400.0, 0.10, 1.0, "warning"),
)
Within = Callable[[float], Counts]
"""Seconds back from now → what was counted."""


def rate(counts: Counts, target: float) -> float | None:
    """Return how many times faster than allowed the budget is spent; None: no request."""
    if not counts.requests:
        return None
    return counts.bad / counts.requests / (1.0 - target)


def bound(pair: Pair, window_s: float) -> float:
    """Return the rate from which on a pair fires, for an objective over ``window_s``."""
    return max(pair.least, pair.part * window_s / pair.long_s)


def burns(within: Within, target: float, window_s: float, known_s: float) -> tuple[Burn, ...]:
    """Return how fast the budget is spent, by pairs of windows that fit into the objective's.

    Args:
        within: What was counted.
        target: Share of requests that must be good.
        window_s: Of the objective.
        known_s: Since the first request.
    """
    pairs = (pair for pair in PAIRS if pair.long_s <= window_s)
    return tuple(_burn(pair, within, target, window_s, known_s) for pair in pairs)


def _burn(pair: Pair, within: Within, target: float, window_s: float, known_s: float) -> Burn:
    over, lately = within(pair.long_s), within(pair.short_s)
    limit = bound(pair, window_s)
    rates = rate(over, target), rate(lately, target)
    state: Literal["firing", "quiet", "unknown"] = "unknown"
    low = [
        one.requests >= FEWEST and (found is None or found < limit)
        for one, found in zip((over, lately), rates, strict=True)
    ]
    if all(found is not None and found >= limit for found in rates):
        # Early in a deployment's life all windows are the same minutes.
        if over.bad >= FEWEST_BAD and known_s >= pair.known_s:
            state = "firing"
    elif any(low):
        state = "quiet"
    return Burn(
        pair.long_s, pair.short_s, limit, pair.severity, *rates, state,
        over.requests, over.bad, lately.bad,
    )  # fmt: skip


def least_requests(target: float) -> int:
    """Return how many requests a window needs, so that its budget is one bad request at least."""
    return max(FEWEST, math.ceil(round(1.0 / (1.0 - target), 6)))


def is_few(counts: Counts, target: float) -> bool:
    """Return whether there are too few requests to say how an objective stands.

    Bad ones may be enough when requests are not: five failed requests of ten are no accident.
    """
    return counts.requests < least_requests(target) and (
        counts.bad < FEWEST_BAD or (rate(counts, target) or 0.0) <= 1.0
    )


def left(counts: Counts, target: float) -> float | None:
    """Return the part of the budget that is left, 0 to 1; None: no request."""
    spent = rate(counts, target)
    return None if spent is None else max(0.0, 1.0 - spent)


def state(counts: Counts, target: float, found: tuple[Burn, ...]) -> State:
    """Return the one word for an objective."""
    if is_few(counts, target):
        return "unknown"
    spent = rate(counts, target) or 0.0
    if spent > 1.0:
        return "missed"
    burning = any(one.state == "firing" for one in found)
    return "at risk" if burning or 1.0 - spent < LITTLE else "met"

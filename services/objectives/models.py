"""What objectives are made of. Times: seconds since 1970; shares: 0 to 1; None: not known."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from services.errors import InputError
from services.monitoring import metrics
from services.monitoring.metrics import METRICS, Metric

Kind = Literal["errors", "availability", "latency", "accuracy"]
State = Literal["met", "at risk", "missed", "unknown"]
Source = Literal["default", "project", "model"]
Speed = Literal["critical", "warning"]

KINDS: tuple[Kind, ...] = get_args(Kind)
OF_REQUESTS: tuple[Kind, ...] = ("errors", "latency")
"""Counted from the requests of the prediction log."""
DAY_S = 86_400.0
DAYS = 30
"""The longest window, and the one that is taken where none is said."""
ANSWERED_SHARE = 0.99
QUANTILE = 0.95
LEAST_SHARE, MOST_SHARE = 0.5, 0.9999
LEAST_MS, MOST_MS = 0.1, 600_000.0


@dataclass(frozen=True, slots=True)
class Objective:
    """What a deployment promises over the last ``days``."""

    kind: Kind
    target: float
    """Share of requests that are answered without an error of ours (errors), of the minutes that
    were watched in which it is in service (availability), or of answers that come within
    ``bound_ms`` (latency); the least share, or the greatest error in the label's unit, of
    ``metric`` (accuracy)."""
    days: int = DAYS
    bound_ms: float | None = None
    """Of latency alone."""
    metric: Metric = "accuracy"
    """Of accuracy alone."""
    source: Source = "default"
    """Who it is said of: this model, all of its project, or nobody said anything."""
    set_by: str = ""
    set_at: float = 0.0

    @property
    def window_s(self) -> float:
        """Return its window."""
        return self.days * DAY_S

    @property
    def said(self) -> str:
        """Return it as a phrase."""
        over = "a day" if self.days == 1 else f"{self.days} days"
        if self.kind == "errors":
            return f"{share(self.target)} of requests answered, over {over}"
        if self.kind == "availability":
            return f"{share(self.target)} of minutes in service, over {over}"
        if self.kind == "latency":
            return f"{share(self.target)} of answers within {self.bound_ms or 0:g} ms, over {over}"
        word = "of at least" if metrics.is_share(self.metric) else "up to"
        ways = " either way" if self.metric == "bias" else ""
        return f"{metrics.NAMES[self.metric]} {word} {self.target:g}{ways}, over {over}"


ANSWERED = Objective("errors", ANSWERED_SHARE)
"""What counts where nothing was said."""


@dataclass(frozen=True, slots=True)
class Burn:
    """How fast a budget is spent, in a long window (it is no blip) and a short one (it lasts)."""

    long_s: float
    short_s: float
    bound: float
    """From this rate on, in both windows, it fires; 1 spends the budget in the whole window."""
    severity: Speed
    long: float | None
    short: float | None
    """Rates; None: no request."""
    state: Literal["firing", "quiet", "unknown"]
    """``unknown``: there were too few requests to say that it does not fire."""
    requests: int = 0
    """In the long window; of availability tens of seconds, as those below."""
    bad: int = 0
    short_bad: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a deployment stands with one objective."""

    project: str
    model: str
    objective: Objective
    state: State
    said: str
    requests: int = 0
    """That count, in the window; of accuracy: rows with a label, of availability: minutes."""
    bad: int = 0
    achieved: float | None = None
    """As ``objective.target`` is meant."""
    low: float | None = None
    high: float | None = None
    """Between what ``achieved`` lies with 95 %; of accuracy alone."""
    budget_left: float | None = None
    """0 to 1; None of accuracy, and while there are too few requests."""
    spent: float | None = None
    """Of the budget; above 1 the objective is missed."""
    burns: tuple[Burn, ...] = ()
    """The fastest first."""
    since: float | None = None
    """The first request of the window, or the first look."""
    unwatched: int | None = None
    """Of availability alone: minutes of the window of which nothing is known."""
    version: int | None = None
    """Of accuracy: the one it is of, which answers now; None: all, for none is in service."""
    over: str = ""
    """Of an accuracy that is missed over the window: why it is not missed any more, as a sentence;
    empty where it is."""

    @property
    def name(self) -> str:
        """Return the name of the deployment."""
        return f"{self.project}.{self.model}"

    @property
    def firing(self) -> Burn | None:
        """Return the burn that an alert is about, the worst; None: none."""
        found = [one for one in self.burns if one.state == "firing"]
        return min(found, key=lambda one: (one.severity != "critical", one.long_s), default=None)


def share(value: float) -> str:
    """Return a share as per cent, with as many digits as tell it from others: ``99.95 %``."""
    return f"{value * 100:.6g} %"


def span(seconds: float) -> str:
    """Return a length of time in one unit: ``5 min``, ``6 h``, ``3 d``."""
    for unit, length in (("d", DAY_S), ("h", 3600.0)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds / 60:.0f} min"


def check(one: Objective) -> None:
    """Refuse an objective that means nothing.

    Raises:
        InputError: It does not; the message says which part.
    """
    if one.kind not in KINDS:
        raise InputError(f"{str(one.kind)[:40]!r} is no objective.", f"There are {_listed(KINDS)}.")
    if not (isinstance(one.days, int) and 1 <= one.days <= DAYS):
        raise InputError(f"An objective counts over 1 to {DAYS} whole days.")
    if one.kind == "accuracy":
        _check_accuracy(one)
    elif not LEAST_SHARE <= one.target <= MOST_SHARE:  # NaN is in no range
        raise InputError(
            f"A share of requests or minutes is {share(LEAST_SHARE)} to {share(MOST_SHARE)}.",
            "With 100 % there is no budget: one that fails would be an alert for ever.",
        )
    if one.kind == "latency" and not (one.bound_ms and LEAST_MS <= one.bound_ms <= MOST_MS):
        raise InputError(f"A bound of latency is {LEAST_MS:g} to {MOST_MS:,.0f} ms.")
    if one.kind != "latency" and one.bound_ms is not None:
        raise InputError("A bound in ms goes with latency alone.")


def _check_accuracy(one: Objective) -> None:
    if one.metric not in METRICS:
        raise InputError(
            f"{str(one.metric)[:40]!r} is no measure.", f"There are {_listed(METRICS)}."
        )
    share = metrics.is_share(one.metric)
    if not (0 < one.target <= (1.0 if share else math.inf) and math.isfinite(one.target)):
        known = "more than 0 and up to 1" if share else "more than 0"
        raise InputError(f"A bound of {one.metric} is {known}.")


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)

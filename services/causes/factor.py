"""One circumstance as all checks hand it to the weighing, and the figures that several need."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from services.causes.case import Case, Numbers
from services.causes.comparing import LEAST, Codes, Strata
from services.causes.models import Kind
from services.monitoring.models import ColumnVerdict

Part = Literal["queue", "work", "whole"]
WHOLE: tuple[Part, ...] = ("queue", "work", "whole")
QUEUE: tuple[Part, ...] = ("queue", "whole")
"""What only makes requests wait acts on the time before a model server takes them."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the rows, as it is drawn over time."""

    name: str
    unit: str
    then: Numbers
    now: Numbers


@dataclass(frozen=True, slots=True)
class Factor:
    """A circumstance of the rows, on both sides."""

    kind: Kind
    strata: Strata
    worse: bool
    """Whether it moved the way that does harm, far enough to tell."""
    title: str
    evidence: tuple[str, ...]
    suggestion: str
    page: str
    """Of the dashboard, where something can be done about it."""
    parts: tuple[Part, ...] = WHOLE
    """What of the values it can act on."""
    share: float | None = None
    """Of all that moved, 0–1, by a rule of thumb (``monitoring.weights``): no rows are compared."""
    how: str = ""
    """How ``share`` was found."""
    figure: Figure | None = None
    """What is drawn over time; None: how many rows have each label."""
    column: ColumnVerdict | None = None
    """What the verdict says of the column, where ``share`` is of it."""
    about: str = ""
    """Name of the column, of kinds that are told column by column."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A circumstance that cannot be looked at."""

    kind: Kind
    reason: str


Answer = Factor | Missing


def known(then: Numbers, now: Numbers) -> bool:
    """Return whether a figure is known of enough rows on both sides."""
    return min(int(np.isfinite(then).sum()), int(np.isfinite(now).sum())) >= LEAST


def told(case: Case, name: str) -> tuple[Numbers, Numbers]:
    """Return a figure of the rows, then and now."""
    return getattr(case.then.rows, name), getattr(case.now.rows, name)


def above(then: Numbers, now: Numbers, bound: float, labels: tuple[str, str]) -> Strata:
    """Return strata of below a bound, and of it and above."""
    return Strata(_at_least(then, bound), _at_least(now, bound), labels)


def _at_least(values: Numbers, bound: float) -> Codes:
    codes: Codes = np.where(np.isfinite(values), values >= bound, -1).astype(np.int64)
    return codes


def mean_of(values: Numbers) -> float:
    """Return the mean of what is known."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def evidence(*lines: str) -> tuple[str, ...]:
    """Return the lines that say something."""
    return tuple(line for line in lines if line)

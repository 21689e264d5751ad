"""How soon a change is found: rows of it until the first verdict says so.

A trial with an alarm before anything changed does not count as found.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pyarrow as pa

from benchmarks.drift_data import (
    Change,
    Draw,
    emptied,
    mixed,
    moved,
    real,
    resampled,
    scaled,
    shifted,
    split,
    synthetic,
    texts,
)
from benchmarks.shares import Share
from services.monitoring import accuracy, reference, windows
from services.monitoring.reference import Reference
from services.monitoring.verdict import judge

ROWS, FOUND = 2000, 0.95
"""The bound: within so many rows, in so large a share of trials."""
_BY, _BOUND_BY = (0.25, 0.5, 1.0), 0.5
"""Standard deviations, and those that the bound is of."""
_LEAST = 200
"""Rows of a reference at least: iris and wine have fewer themselves."""
_STEP = 250
_RIGHT = 0.92
"""How often labels say that an answer was right, before they change."""

Trial = Callable[[np.random.Generator], Iterator[int]]


@dataclass(frozen=True, slots=True)
class Case:
    """A change."""

    title: str
    found: Trial
    """Gives the rows of it at each verdict that says drifted."""
    bound: bool = False
    """Whether the bound is of it."""


@cache
def cases() -> tuple[Case, ...]:
    """Return all changes."""
    found = [
        Case(
            f"synthetic, 3 of 20 by {by}", _of(synthetic, 1000, shifted(by)), bound=by == _BOUND_BY
        )
        for by in _BY
    ]
    found += [
        Case(
            f"{name}, 3 of {data.shape[1]} by {by}",
            _of(resampled(data), max(len(data) // 2, _LEAST), moved(data, by)),
            bound=by == _BOUND_BY,
        )
        for name, data in real().items()
        for by in _BY
    ]
    found += [
        Case("synthetic, 3 of 20 spread 1.5 times", _of(synthetic, 1000, scaled(1.5))),
        Case("synthetic, a category for another in 15 %", _of(synthetic, 1000, mixed(0.15))),
        Case("synthetic, 15 % of 3 columns empty", _of(synthetic, 1000, emptied(0.15))),
        Case("texts on other matters", _between(texts("wine"), texts("diabetes"), 1000)),
        Case("labels: 10 % more answers are wrong", _labels),
    ]
    found += [
        Case(name, _between(resampled(then), resampled(now), len(then)))
        for name, (then, now) in split().items()
    ]
    return tuple(found)


def _of(draw: Draw, size: int, change: Change) -> Trial:
    return _between(draw, lambda rng, rows: change(rng, draw(rng, rows)), size)


def _between(before: Draw, after: Draw, size: int) -> Trial:
    def trial(rng: np.random.Generator) -> Iterator[int]:
        base = reference.made(before(rng, size), "the evaluation data")
        return _found(base, before(rng, windows.ENOUGH), after(rng, ROWS))

    return trial


def _found(base: Reference, calm: pa.Table, changed: pa.Table) -> Iterator[int]:
    """Windows are those of checks: the newest 2,000 rows, of which more and more are changed."""
    stream = pa.concat_tables([calm, changed])
    for rows in range(0, ROWS + 1, _STEP):
        judged = judge(base, stream.slice(rows, windows.ENOUGH))
        if any(one.state == "drifted" for one in judged):
            yield rows


def _labels(rng: np.random.Generator) -> Iterator[int]:
    def answers(rows: int, right: float) -> list[str]:
        return np.where(rng.random(rows) < right, "yes", "no").tolist()

    past = accuracy.of_values(["yes"] * 1000, answers(1000, _RIGHT))
    stream = answers(windows.ENOUGH, _RIGHT) + answers(ROWS, _RIGHT - 0.1)
    for rows in range(0, ROWS + 1, _STEP):
        window = stream[rows : rows + windows.ENOUGH]
        now = accuracy.of_values(["yes"] * len(window), window)
        if accuracy.judge(now, past).state == "drifted":
            yield rows


def one(case: int, trial: int) -> int | None:
    """Return the rows until a change is found; 0: before there was any; None: it is not."""
    return next(cases()[case].found(np.random.default_rng(trial)), None)


def run(trials: int, pool: Executor) -> bool:
    """Print how soon each change is found; return whether the bound holds."""
    print(
        f"rows until a change is found, {trials} trials each, looked at each {_STEP} rows "
        f"(exact limits of 95 %; bound: within {ROWS:,} rows in {FOUND:.0%})"
    )
    held, began = True, time.monotonic()
    for place, case in enumerate(cases()):
        delays = list(pool.map(partial(one, place), range(trials), chunksize=10))
        known = sorted(rows for rows in delays if rows)
        middle = f"{known[trials // 2]:,}" if len(known) * 2 > trials else "more"
        share = Share(len(known), trials)
        told = ""
        if case.bound:
            held = held and share.least >= FOUND
            told = f": {_told(share)}"
        early = delays.count(0)
        print(
            f"  {case.title:44} within {ROWS:,} rows {share}; half within {middle}; "
            f"alarms before {early}{told}",
            flush=True,
        )
    print(f"  {(time.monotonic() - began) / 60:.1f} min")
    return held


def _told(share: Share) -> str:
    if share.value < FOUND:
        return f"OUT OF the bound of {FOUND:.0%}"
    return f"{FOUND:.0%}, surely" if share.least >= FOUND else "not sure on so few trials"

"""Days of hourly checks by ``Monitor.check`` of a prediction log that does not drift.

The log is written as the compactor leaves it, labels come late, the windows of checks overlap, and
all but Evidently's report is as in a round of the platform.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import orjson
import pyarrow as pa

from benchmarks import drift_log
from benchmarks.drift_data import Draw, synthetic
from benchmarks.drift_log import OF
from benchmarks.drift_vectors import Draw as Vectors
from services.home import Home
from services.monitoring.accuracy import Bound
from services.monitoring.computing import Monitor
from services.monitoring.reference import Baseline
from services.monitoring.store import VerdictStore
from tests.monitoring_seed import TrackingServer

HOURS = 24
_HOUR_S, _DAY_S, _WEEK_S = 3600.0, 86_400.0, 604_800.0
_NOW = 1_790_000_000.0 // _WEEK_S * _WEEK_S
"""Midnight UTC."""
_RIGHT = 0.92
_EVALUATED = 1000
"""Rows of the evaluation data."""


class Checks(NamedTuple):
    """What the checks of a day said."""

    alarms: int
    """How many said drifted."""
    judged: int
    """How many could tell: of too few rows no check says anything."""


Day = Callable[[np.random.Generator], Checks]


def evenly(kind: Literal["auto", "first"], draw: Draw = synthetic) -> Day:
    """300 rows an hour, so that windows of 2,000 overlap."""

    def day(rng: np.random.Generator) -> Checks:
        with _home() as home:
            at = np.arange(_NOW - _DAY_S, _NOW + _DAY_S, _HOUR_S / 300)
            table, evaluated = (_answered(rng, draw(rng, rows)) for rows in (len(at), _EVALUATED))
            ids = drift_log.features(home, table, at)
            _labelled(home, rng, ids, at, table["output.label"].to_numpy())
            return _checked(home, Baseline(kind), _evaluation(rng, evaluated))

    return day


def _answered(rng: np.random.Generator, table: pa.Table) -> pa.Table:
    """Return rows with an answer, which has to do with none of their columns where it is new."""
    if "output.label" in table.column_names:
        return table
    return table.append_column("output.label", [rng.integers(0, 2, len(table))])


def vectors(draw: Vectors) -> Day:
    """100 rows an hour, one a request, whose vectors are in the log's JSON, too."""

    def day(rng: np.random.Generator) -> Checks:
        with _home() as home:
            at = np.arange(_NOW - _DAY_S, _NOW + _DAY_S, _HOUR_S / 100)
            answers = rng.integers(0, 2, len(at))
            ids = drift_log.requests(home, draw(rng, len(at)), answers, at)
            _labelled(home, rng, ids, at, answers)
            evaluated, said = draw(rng, _EVALUATED), rng.integers(0, 2, _EVALUATED)
            return _checked(home, Baseline(), _content(rng, {"x": evaluated.tolist()}, said))

    return day


def by_day_and_night(baseline: Baseline) -> Day:
    """At night a fifth as many ask, and three columns are 0.8 higher."""

    def day(rng: np.random.Generator) -> Checks:
        with _home() as home:
            hours = np.arange(-16, HOURS)
            begins = np.concatenate([
                _NOW - week * _WEEK_S + hours * _HOUR_S
                for week in range(baseline.weeks, -1, -1)
            ])  # fmt: skip
            night = (1 + np.cos(2 * np.pi * (begins % _DAY_S) / _DAY_S)) / 2
            counts = rng.poisson(500 * (1 - 0.8 * night))
            at = np.repeat(begins, counts) + rng.uniform(0, _HOUR_S, counts.sum())
            order = np.argsort(at)
            at, more = at[order], 0.8 * np.repeat(night, counts)[order]
            table = synthetic(rng, len(at))
            for name in ("input.n0", "input.n1", "input.n2"):
                place = table.column_names.index(name)
                table = table.set_column(place, name, [pa.array(table[name].to_numpy() + more)])
            ids = drift_log.features(home, table, at)
            _labelled(home, rng, ids, at, table["output.label"].to_numpy())
            return _checked(home, baseline)

    return day


def _checked(home: Home, baseline: Baseline, content: bytes | None = None) -> Checks:
    """Check each hour of a day as a round does, but for Evidently's report."""
    server = None if content is None else TrackingServer(content)
    with contextlib.closing(VerdictStore(home)) as store:
        monitor = Monitor(home, store, server)  # type: ignore[arg-type]  # as far as it is asked
        alarms = judged = 0
        for hour in range(1, HOURS + 1):
            came = monitor.check(
                *OF, baseline=baseline, bound=Bound("accuracy", _RIGHT), report=False,
                now=_NOW + hour * _HOUR_S,
            )  # fmt: skip
            assert came.verdicts[0].state != "unknown", came.verdicts[0].said
            assert came.verdicts[3].state != "unknown", came.verdicts[3].said
            alarms += any(one.state == "drifted" for one in came.verdicts)
            judged += came.verdicts[0].state != "too few"
    return Checks(alarms, judged)


def _labelled(
    home: Home, rng: np.random.Generator, ids: list[str], at: np.ndarray, answers: np.ndarray
) -> None:
    """Label one of ten predictions within two hours, so many right as was promised."""
    some = np.flatnonzero(rng.random(len(ids)) < 0.1)
    right = rng.random(len(some)) < _RIGHT
    said = np.where(right, answers[some], 1 - answers[some])
    said_at = at[some] + rng.uniform(0, 2 * _HOUR_S, len(some))
    chosen = [ids[n] for n in some]
    drift_log.labels(home, chosen, at[some], said_at, answers[some].tolist(), said.tolist())


def _evaluation(rng: np.random.Generator, table: pa.Table) -> bytes:
    inputs = {
        name.removeprefix("input."): table[name].to_pylist()
        for name in table.column_names if name.startswith("input.")
    }  # fmt: skip
    return _content(rng, inputs, table["output.label"].to_numpy())


def _content(rng: np.random.Generator, inputs: dict[str, list[Any]], answers: np.ndarray) -> bytes:
    right = rng.random(len(answers)) < _RIGHT
    return orjson.dumps({
        "v": 1, "rows": len(answers), "outputs": {"label": answers.tolist()}, "inputs": inputs,
        "labels": np.where(right, answers, 1 - answers).tolist(),
    })  # fmt: skip


@contextlib.contextmanager
def _home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="mlops-bench-") as place:
        home = Home(Path(place) / "home")
        home.create()
        yield home

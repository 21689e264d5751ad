"""Columns that come otherwise, through a real log: each says so, and the rest goes on."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from services.home import Home
from services.monitoring import exporting
from services.monitoring.computing import Monitor
from services.monitoring.models import ColumnVerdict, Verdict
from services.monitoring.reference import Baseline, made
from services.monitoring.store import VerdictStore
from services.monitoring.verdict import judge
from tests.services.monitoring.predicted import HOUR_S, asked
from tests.services.monitoring.tables import reference, table
from tests.services.monitoring.test_computing import NOW, by_kind

Inputs = dict[str, Any]
THEN = Baseline("window", NOW - 2 * HOUR_S, NOW - HOUR_S)
ROWS = 3000


@pytest.fixture
def store(home: Home) -> Iterator[VerdictStore]:
    made = VerdictStore(home)
    yield made
    made.close()


def of(verdict: Verdict) -> dict[str, ColumnVerdict]:
    return {one.name.removeprefix("input."): one for one in verdict.columns}


def faulty(seed: int, *, late: bool) -> Callable[[Inputs], Inputs]:
    """Inputs with a fault each, from a moment on."""
    rng = np.random.default_rng(seed)

    def change(inputs: Inputs) -> Inputs:
        figure = float(rng.normal())
        added = {"extra": [figure]} if late else {"gone": [figure]}
        return {
            **inputs,
            **added,
            "null": [None if late else figure],
            "filled": [figure if late else None],
            "frozen": [1.5 if late else figure],
            "typed": ["x" if late else figure],
            "numbers": [figure if late else str(rng.choice(["a", "b"]))],
            "always": [7.5],
            "zip": [f"z{rng.integers(10_000)}"],
            "zoo": [f"z{rng.integers(10_000) + 50_000 * late}"],
            "big": [float(rng.choice([1e308, -1e308, 5e-324]))],
            "whole": [int(rng.choice([2**63 - 1, -(2**63), 0]))],
        }

    return change


def test_each_column_says_its_own_fault_and_the_others_are_compared(home: Home, store):
    asked(home, NOW - 2 * HOUR_S, ROWS, change=faulty(1, late=False))
    asked(home, NOW - HOUR_S, ROWS, shift=1.0, seed=3, change=faulty(2, late=True))
    found = by_kind(Monitor(home, store).check("p", "m", 3, baseline=THEN, now=NOW))
    quality, data = of(found["quality"]), of(found["data"])
    assert {name: one.state for name, one in quality.items() if one.state != "steady"} == {
        "gone": "empty", "null": "empty", "extra": "new", "filled": "new", "frozen": "constant",
        "typed": "failed",
    }  # fmt: skip
    assert found["quality"].state == "drifted"
    assert quality["typed"].said == (
        "typed cannot be compared: 3,000 of 3,000 values are no numbers, and numbers were "
        "expected. Whoever asks changed it."
    )
    assert {name for name, one in data.items() if one.state == "drifted"} == {
        "a", "frozen", "numbers", "zoo",
    }  # fmt: skip
    assert data["a"].effect == pytest.approx(1.0, abs=0.1)
    steady = {"b", "c", "d", "always", "zip", "big", "whole"}
    assert {name for name, one in data.items() if one.state == "steady"} == steady
    assert found["prediction"].named("drifted") == ("output.label",)


def test_five_rows_are_not_enough_whatever_is_wrong_with_them(home: Home, store):
    asked(home, NOW - 2 * HOUR_S, 5, change=faulty(1, late=False))
    asked(home, NOW - HOUR_S, 5, shift=5.0, seed=3, right=0.0, change=faulty(2, late=True))
    found = by_kind(Monitor(home, store).check("p", "m", 3, baseline=THEN, now=NOW))
    assert {kind: one.state for kind, one in found.items()} == {
        "data": "too few", "prediction": "too few", "quality": "too few", "accuracy": "unknown",
    }  # fmt: skip
    assert {one.severity for one in found.values()} == {"none"}
    assert of(found["quality"])["typed"].said == (
        "typed: 5 of 5 values are no numbers, and numbers were expected; too few rows to tell "
        "whether that is the rule now."
    )


def test_one_request_with_texts_for_numbers_is_no_alarm():
    """Whoever asks mistakenly once, of few or with many rows, changed nothing."""
    base = reference(rows=2000)
    one = table(1, 6, **{"input.f3": ["1.5"] * 5 + ["x"]})
    long = table(2, 100, **{"input.f3": ["1.5"] * 60 + ["x"] * 40})
    ids = pa.array([f"r{n}" if n < 60 else "one" for n in range(100)])
    for window in (one, long.append_column("id", ids)):
        quality = judge(base, window)[2]
        column = next(each for each in quality.columns if each.name == "input.f3")
        assert (column.state, quality.severity) == ("too few", "none"), column.p_value


@pytest.mark.parametrize("share", [0.12, 0.5, 1.0])
def test_a_type_that_changed_for_good_is_found(share: float):
    texts = ["x" if n < share * 2000 else "1.5" for n in range(2000)]
    quality = judge(reference(), table(1, 2000, **{"input.f3": texts}))[2]
    column = next(each for each in quality.columns if each.name == "input.f3")
    assert (column.state, quality.state) == ("failed", "drifted")
    assert column.effect == pytest.approx(share)
    assert column.measure == "share of values that are no numbers"


def test_gaps_of_the_baseline_are_no_texts():
    gaps = pa.array([None if n % 2 else 0.1 * n for n in range(1000)])
    base = reference(**{"input.f3": gaps})
    texts = [None if n % 2 else "x" for n in range(2000)]
    column = next(
        one
        for one in judge(base, table(1, 2000, **{"input.f3": texts}))[2].columns
        if one.name == "input.f3"
    )
    assert (column.state, column.effect) == ("failed", pytest.approx(0.5))


@pytest.mark.parametrize(("rows", "each"), [(3, 1), (10, 1), (60, 1), (200, 1), (300, 20)])
def test_few_rows_raise_no_false_alarm_of_gaps(rows: int, each: int):
    """One in a hundred requests has no value, before and now; that one may be the third to come."""
    rng = np.random.default_rng(rows)

    def some(count: int, size: int) -> Any:
        there = np.repeat(rng.random(count // size) > 0.01, size)
        return pa.array([1.5 if one else None for one in there], pa.float64())

    then = reference(rows=2000, **{"input.f3": some(2000, 1)}).table.select(["input.f3"])
    base, alarms = made(then, "the baseline"), 0
    for _ in range(400):
        now = pa.table({
            "id": [f"r{n // each}" for n in range(rows)], "input.f3": some(rows, each),
        })  # fmt: skip
        alarms += judge(base, now)[2].state == "drifted"
    assert alarms == 0


def test_a_column_that_does_not_come_any_more_is_found_in_thirty_rows():
    window = table(1, 30).drop_columns(["input.f4"])
    quality = judge(reference(rows=2000), window)[2]
    assert [one.name for one in quality.columns if one.state == "missing"] == ["input.f4"]


def test_the_report_says_of_which_columns_its_distance_is_chance():
    rng = np.random.default_rng(4)

    def some(rows: int) -> Inputs:
        names = {
            f"input.k{n}": [f"v{v}" for v in rng.integers(10_000, size=rows)] for n in range(7)
        }
        return {**names, "input.city": rng.choice(["Kiel", "Ulm"], rows)}

    found = exporting.tables(reference(rows=2000, **some(2000)), table(1, 2000, **some(2000)))
    (note,) = found.notes
    named, _, why = note.partition(" and 2 more: ")
    assert len(set(named.split(", "))) == 5
    assert why.startswith("most values are rare. Evidently compares each by itself")
    assert "city" not in note
    assert exporting.tables(reference(), table(1, 2000)).notes == ()


def test_an_input_that_is_called_as_an_output_is_keeps_its_own_column():
    same = {"input.output.label": np.arange(1000.0)}
    found = exporting.tables(reference(**same), table(1, 1000, **same))
    assert found.columns["output.label"] == "category"
    assert found.columns["input.output.label"] == "numeric"

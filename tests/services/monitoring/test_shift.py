import numpy as np
import pytest

from services.monitoring import shift
from services.monitoring.limits import LEAST, THRESHOLD
from services.monitoring.shift import Column

N = 2000


def chance():
    return np.random.default_rng(3)


def texts(*values: str, rows: int = N):
    return np.resize(np.array(values, dtype=object), rows)


def one(reference, current):
    found = shift.compare({"x": reference}, {"x": current})
    assert found is not None
    assert not found.left_out
    (column,) = found.columns
    return column


def test_the_same_again_is_no_drift_and_what_moved_is():
    before = chance().normal(size=N)
    column = one(before, before.copy())
    assert column == Column("x", "wasserstein", 0.0, drifted=False)
    moved = one(before, before + 0.3 * before.std())
    assert moved.distance == pytest.approx(0.3)
    assert moved.drifted


def test_a_distance_that_chance_explains_is_no_drift():
    draws = chance()
    far = [
        column
        for column in (one(draws.normal(size=LEAST), draws.normal(size=LEAST)) for _ in range(40))
        if column.distance >= THRESHOLD
    ]
    assert far  # by the distance alone a fifth of them would be drift
    assert not any(column.drifted for column in far)


def test_many_categories_are_no_drift_by_chance_and_another_mixture_is():
    draws = chance()
    before, now = (draws.integers(40, size=LEAST).astype(str).astype(object) for _ in range(2))
    column = one(before, now)
    assert column.distance >= THRESHOLD
    assert not column.drifted
    other = np.where(draws.random(LEAST) < 0.5, "7", now).astype(object)
    assert one(before, other).drifted


def test_few_different_figures_are_categories():
    column = one(np.resize([0.0, 1.0], N), np.resize([0.0, 0.0, 0.0, 1.0], N))
    assert column.measure == "jensen-shannon"
    assert column.drifted


def test_what_is_missing_otherwise_drifted():
    there = chance().normal(size=N)
    gone = np.where(np.arange(N) % 2, np.nan, there)
    assert one(there, gone).measure == "missing"
    found = shift.compare({"x": there, "y": there}, {"x": there})
    assert found is not None
    assert [(c.name, c.measure) for c in found.drifted] == [("y", "missing")]
    assert found.share == 0.5


def test_another_type_is_drift():
    column = one(chance().normal(size=N), texts("cat", "dog"))
    assert (column.measure, column.drifted) == ("type", True)


def test_free_text_and_what_is_hardly_given_is_left_out():
    free = np.array([f"text {n}" for n in range(N)], dtype=object)
    seldom = np.where(np.arange(N) < 20, 1.0, np.nan)
    sides = {"free": free, "seldom": seldom}
    found = shift.compare(sides, {"free": free[::-1], "seldom": seldom})
    assert found is not None
    assert found.left_out == ("free", "seldom")
    assert found.share is None


def test_too_few_rows_are_not_compared():
    enough, few = texts("a", rows=LEAST), texts("b", rows=LEAST - 1)
    assert shift.compare({"x": enough}, {"x": few}) is None
    assert shift.compare({"x": few}, {"x": enough}) is None
    assert shift.compare({}, {}) is None
    assert shift.compare({"x": enough}, {"x": enough}) is not None


def test_the_farthest_comes_first():
    before = chance().normal(size=N)
    found = shift.compare({"a": before, "b": before}, {"a": before + 0.5, "b": before + 2})
    assert found is not None
    assert [column.name for column in found.drifted] == ["b", "a"]

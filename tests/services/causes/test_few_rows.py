"""Lost accuracy of which few labels are there yet."""

from typing import Any

import numpy as np
import pytest

from services.causes import explain
from services.causes.case import Case, Side
from tests.services.causes.scenes import HOUR_S, ONSET, rows

OF_THEN = 1200


def lost(count: int, seed: int, *, moved: bool = True) -> Case:
    """Return a case: half of the few rows of now are far off in ``a``, and mostly answered wrong.

    Not ``moved``: they are as they were, and answered wrong all the same.
    """
    rng = np.random.default_rng(seed)

    def side(begin: float, rows_of: int, off: Any) -> Side:
        wrong = rng.random(rows_of) < np.where(off, 0.7, 0.03)
        a = rng.normal(size=rows_of) + 4.0 * (off & moved)
        values = {"whole": wrong.astype(float)}
        return Side(begin, begin + HOUR_S, rows(begin, {}, count=rows_of), values, {"input.a": a})

    then = side(ONSET - HOUR_S, OF_THEN, np.zeros(OF_THEN, dtype=bool))
    now = side(ONSET, count, rng.random(count) < 0.5)
    return Case("p", "m", "accuracy", ONSET, then, now, metric="wrong answers")


@pytest.mark.parametrize("count", [120, 180, 400])
@pytest.mark.parametrize("seed", range(4))
def test_the_input_that_moved_is_found_of_a_hundred_labels_on(count: int, seed: int):
    first = explain(lost(count, seed)).first
    assert first is not None
    assert (first.column, first.measured) == ("input.a", True)
    assert first.weight > 0.6


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_so_few_that_no_values_can_be_compared_are_called_that(seed: int):
    found = explain(lost(30, seed))
    assert (found.state, found.causes) == ("worse", ())
    few = "Inputs that moved: 30 rows are too few to compare their values part by part."
    assert few in found.unknown
    assert "feature" not in found.clear
    assert few in found.none_found


@pytest.mark.parametrize("seed", range(4))
def test_another_truth_names_how_many_inputs_were_held(seed: int):
    found = explain(lost(180, seed, moved=False))
    assert [one.kind for one in found.causes] == ["relation"]
    assert "versions, who asks and 1 input are held as they were." in found.causes[0].said

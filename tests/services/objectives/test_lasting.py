"""Whether a promise that was missed over days is missed still, by what answers now."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitoring.accuracy import Accuracy, Point, Quality
from services.objectives.lasting import over
from services.objectives.models import Objective

FLOOR, CEILING = Objective("accuracy", 0.9, 7), Objective("accuracy", 3.5, 7, metric="mae")
LEAST = 30


def quality(low: float, high: float, rows: int = 100, metric: Any = "accuracy") -> Quality:
    return Quality(metric, (low + high) / 2, low, high, rows, 0.3)


def found(overall: Quality | None, *points: Quality) -> Accuracy:
    made = tuple(Point(float(n), one, open=False) for n, one in enumerate(points))
    return Accuracy("classification", overall, made, 500, 300, 0, 0, 60.0, "As measured.")


BELOW, ABOVE, EITHER = quality(0.80, 0.85), quality(0.92, 0.97), quality(0.85, 0.93)


@pytest.mark.parametrize(
    ("points", "is_over"),
    [
        ((BELOW, BELOW), False), ((ABOVE, BELOW), False), ((BELOW, ABOVE), True),
        ((BELOW, ABOVE, EITHER), True), ((EITHER, EITHER), False), ((), False),
        ((BELOW, quality(0.92, 0.97, rows=29)), False),
    ],
)  # fmt: skip
def test_the_newest_stretch_that_is_sure_decides(points: tuple[Quality, ...], is_over: bool):
    assert bool(over(FLOOR, found(BELOW, *points), 4, LEAST)) is is_over


def test_it_says_by_what_it_is_over():
    assert over(FLOOR, found(BELOW, BELOW, ABOVE), 4, LEAST) == (
        "Lately version 4 is within its bound of 0.9: 0.945 (0.92 to 0.97) on 100 rows."
    )


def test_of_errors_less_is_better():
    small, large = (quality(*both, metric="mae") for both in ((2.0, 3.0), (4.0, 5.0)))
    assert over(CEILING, found(large, large, small), 4, LEAST)
    assert not over(CEILING, found(small, small, large), 4, LEAST)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(1, 60)), max_size=12))
def test_what_may_be_either_is_never_evidence_of_an_end(stretches):
    points = [quality(min(a, b), max(a, b), rows) for a, b, rows in stretches]
    sure = [p for p in points if p.rows >= LEAST and (p.low >= 0.9 or p.high < 0.9)]
    said = over(FLOOR, found(BELOW, *points), 4, LEAST)
    assert bool(said) == bool(sure and sure[-1].low >= 0.9)

"""Whether a promise that was missed over days is missed still, by what answers now."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitoring.accuracy import Accuracy, Point, Quality
from services.objectives.lasting import lasting
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
    ("points", "lasts"),
    [
        ((BELOW, BELOW), "yes"), ((ABOVE, BELOW), "yes"), ((BELOW, ABOVE), "no"),
        ((BELOW, ABOVE, EITHER), "no"), ((EITHER, EITHER), "yes"), ((), "yes"),
        ((BELOW, quality(0.92, 0.97, rows=29)), "yes"),
    ],
)  # fmt: skip
def test_the_newest_stretch_that_is_sure_decides(points: tuple[Quality, ...], lasts: str):
    assert lasting(FLOOR, found(BELOW, *points), 4, LEAST)[0] == lasts


@pytest.mark.parametrize(
    ("own", "lasts", "said"),
    [
        (found(ABOVE), "no", "Version 4 answers now, and is within its bound of 0.9: 0.945 (0.92 "
         "to 0.97) on 100 rows."),
        (found(BELOW), "yes", "Version 4 answers now, and is beyond its bound of 0.9: 0.825 (0.8 "
         "to 0.85) on 100 rows."),
        (found(EITHER), "unknown", "Version 4 answers now, and may be within its bound of 0.9 or "
         "beyond it: 0.89 (0.85 to 0.93) on 100 rows."),
        (found(quality(0.1, 0.2, rows=29)), "unknown",
         "Version 4 answers now; 29 of its rows have a label that tells, 30 are wanted."),
        (found(None), "unknown",
         "Version 4 answers now; 0 of its rows have a label that tells, 30 are wanted."),
        (found(quality(2, 3, metric="mae")), "unknown",
         "Version 4 answers now; 0 of its rows have a label that tells, 30 are wanted."),
        (None, "unknown", "Version 4 answers now; how right it is is being counted."),
    ],
)  # fmt: skip
def test_without_one_all_of_the_window_does(own: Accuracy | None, lasts: str, said: str):
    assert lasting(FLOOR, own, 4, LEAST) == (lasts, said)


def test_of_errors_less_is_better():
    small, large = (quality(*both, metric="mae") for both in ((2.0, 3.0), (4.0, 5.0)))
    assert lasting(CEILING, found(large, large, small), 4, LEAST)[0] == "no"
    assert lasting(CEILING, found(small, small, large), 4, LEAST)[0] == "yes"


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(1, 60)), max_size=12))
def test_what_may_be_either_is_never_evidence_of_an_end(stretches):
    points = [quality(min(a, b), max(a, b), rows) for a, b, rows in stretches]
    lasts, _ = lasting(FLOOR, found(BELOW, *points), 4, LEAST)
    sure = [p for p in points if p.rows >= LEAST and (p.low >= 0.9 or p.high < 0.9)]
    assert lasts == ("no" if sure and sure[-1].low >= 0.9 else "yes")

"""The Pareto front, against its definition."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.telemetry.pareto import pareto


def test_quality_against_joules():
    points = [(0.90, 100.0), (0.95, 300.0), (0.89, 200.0), (0.95, 250.0), (0.80, 50.0)]
    assert pareto(points, ("max", "min")) == (0, 3, 4)
    assert pareto(points, ("min", "min")) == (4,)


def test_equal_points_are_all_on_the_front():
    assert pareto([(1.0, 2.0), (1.0, 2.0), (1.0, 3.0)], ("max", "min")) == (0, 1)


def test_missing_and_unfinite_points_are_on_no_front_and_keep_nobody_off():
    points = [(math.nan, 0.0), (None, 0.0), (math.inf, 0.0), (0.5, 1.0), (0.6, -math.inf)]
    assert pareto(points, ("max", "min")) == (3,)
    assert pareto([], ("max", "min")) == ()


def test_each_point_needs_a_figure_a_goal():
    with pytest.raises(ValueError, match="needs 2 figures"):
        pareto([(1.0,)], ("max", "min"))


_figure = st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.integers(-3, 3)
_goals = st.sampled_from(["max", "min"])


@st.composite
def _clouds(draw):
    goals = tuple(draw(st.lists(_goals, min_size=1, max_size=3)))
    return draw(st.lists(st.tuples(*[_figure] * len(goals)), max_size=30)), goals


def beats(one, other, goals):
    signed = [
        (-a, -b) if goal == "max" else (a, b) for a, b, goal in zip(one, other, goals, strict=True)
    ]
    return all(a <= b for a, b in signed) and any(a < b for a, b in signed)


def usable(point):
    return all(value is not None and math.isfinite(value) for value in point)


@given(_clouds())
def test_the_front_is_what_no_usable_point_beats(cloud):
    points, goals = cloud
    expected = tuple(
        place
        for place, point in enumerate(points)
        if usable(point)
        and not any(usable(other) and beats(other, point, goals) for other in points)
    )
    assert pareto(points, goals) == expected

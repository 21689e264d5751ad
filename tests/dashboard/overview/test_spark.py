import math

from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts.theme import Colours
from dashboard.overview.spark import finite, spec, told

HUES = Colours((), (), (), *["#000000"] * 9)
numbers = st.floats(-1e12, 1e12)


@given(st.lists(numbers, min_size=2, max_size=20), st.one_of(st.none(), numbers))
def test_the_line_and_the_baseline_lie_within_the_axis(values: list[float], baseline: float | None):
    drawn = spec(values, baseline, HUES)
    low, high = drawn["yAxis"]["min"], drawn["yAxis"]["max"]  # type: ignore[index]

    assert low < high
    assert all(low <= value <= high for value in [*values, *([baseline] if baseline else [])])


def test_there_is_a_dashed_line_only_where_there_is_a_baseline():
    assert "markLine" in spec([1.0, 2.0], 1.5, HUES)["series"][0]  # type: ignore[index]
    assert "markLine" not in spec([1.0, 2.0], None, HUES)["series"][0]  # type: ignore[index]
    assert "markLine" not in spec([1.0, 2.0], math.nan, HUES)["series"][0]  # type: ignore[index]


def test_values_no_line_goes_through_are_left_out():
    assert finite([1.0, math.nan, math.inf, 2.0]) == [1.0, 2.0]


def test_the_line_is_told_in_words():
    assert told("latency_ms", [3.0, 1.5]) == (
        "latency_ms of the last 2 finished runs: from 3 ms to 1.500 ms"
    )

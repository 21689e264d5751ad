import math
import re
from html import escape

from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts.theme import Colours
from dashboard.overview.spark import finite, heights, picture, svg, told

HUES = Colours((), (), (), *["#000000"] * 9)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(numbers, min_size=2, max_size=20), st.one_of(st.none(), numbers))
def test_the_line_and_the_baseline_lie_within_the_drawing(
    values: list[float], baseline: float | None
):
    drawn = svg(values, baseline, HUES)
    points = re.findall(r'polyline points="([^"]*)"', drawn)[0].split()
    levels = [float(point.split(",")[1]) for point in points]
    levels += [float(y) for y in re.findall(r'd="M0 ([^H]*)H', drawn)]

    assert len(levels) == len(values) + (baseline is not None)
    assert all(0 < level < 62 for level in levels)


def test_a_larger_value_lies_higher():
    low, middle, high = heights([0.0, 5.0, 10.0], [0.0, 5.0, 10.0])

    assert low > middle > high
    assert low - middle == middle - high


def test_there_is_a_dashed_line_only_where_there_is_a_baseline():
    assert "dasharray" in svg([1.0, 2.0], 1.5, HUES)
    assert "dasharray" not in svg([1.0, 2.0], None, HUES)
    assert "dasharray" not in svg([1.0, 2.0], math.nan, HUES)


def test_values_no_line_goes_through_are_left_out():
    assert finite([1.0, math.nan, math.inf, 2.0]) == [1.0, 2.0]


def test_the_line_is_told_in_words():
    assert told("latency_ms", [3.0, 1.5]) == (
        "latency_ms of the last 2 finished runs: from 3 ms to 1.500 ms"
    )


def test_a_metric_name_is_no_markup():
    name = '<b onload="x">'
    drawn = picture(svg([1.0, 2.0], None, HUES), name)

    assert f'alt="{escape(name)}"' in drawn
    assert "<b" not in drawn

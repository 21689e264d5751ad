import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.smoothing import debiased_average

FINITE = st.floats(-1e6, 1e6)


def test_no_weight_leaves_the_curve_as_it_is():
    assert debiased_average([3.0, 1.0, 2.0], 0) == (3.0, 1.0, 2.0)


def test_the_first_value_is_not_dragged_to_zero():
    assert debiased_average([4.0, 4.0, 4.0], 0.99) == pytest.approx((4.0, 4.0, 4.0))


def test_a_value_that_is_not_finite_stays_and_does_not_spread():
    smooth = debiased_average([1.0, math.nan, 1.0, math.inf], 0.5)

    assert smooth[0] == 1.0
    assert math.isnan(smooth[1])
    assert smooth[2] == pytest.approx(1.0)
    assert smooth[3] == math.inf


@given(st.lists(FINITE, min_size=1, max_size=50), st.floats(0, 0.999))
def test_the_average_stays_between_the_extremes(values: list[float], weight: float):
    smooth = debiased_average(values, weight)

    assert len(smooth) == len(values)
    assert min(values) - 1e-3 <= min(smooth)
    assert max(smooth) <= max(values) + 1e-3


@pytest.mark.parametrize("weight", [-0.1, 1.0, 2.0])
def test_a_weight_that_never_forgets_is_refused(weight: float):
    with pytest.raises(ValueError, match="smoothing weight"):
        debiased_average([1.0], weight)

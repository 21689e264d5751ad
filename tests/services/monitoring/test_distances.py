"""The two distances are SciPy's, in units that hold for any scale."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from services.monitoring import distances

FIGURES = arrays(float, st.integers(2, 60), elements=st.floats(-1e6, 1e6))
COUNTS = arrays(int, 6, elements=st.integers(0, 1000)).filter(lambda counts: counts.sum() > 0)
RNG = np.random.default_rng(4)


@settings(max_examples=60, deadline=None)
@given(FIGURES, FIGURES)
def test_the_distance_of_figures_is_scipys_by_the_deviation_of_the_reference(before, now):
    assume(before.std() > 1e-6)
    expected = wasserstein_distance(before, now) / before.std()
    assert distances.wasserstein(before, now) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(FIGURES, st.floats(-1e3, 1e3))
def test_moved_figures_are_as_far_apart_as_they_were_moved(before, step):
    assume(before.std() > 1e-3)
    expected = abs(step) / before.std()
    found = distances.wasserstein(before, before + step)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1.0, 1e6, 1e12])
def test_the_unit_of_figures_does_not_matter(unit):
    before, now = RNG.normal(size=400), RNG.normal(0.4, size=300)
    expected = distances.wasserstein(before, now)
    assert distances.wasserstein(before * unit, now * unit) == pytest.approx(expected)


@pytest.mark.parametrize("value", [2.0, 0.1, 0.0, -1e9])
def test_a_reference_of_one_value_is_measured_in_the_deviation_of_both(value):
    one, other = np.full(7, value), np.full(7, value + 1)
    assert distances.wasserstein(one, one.copy()) == 0.0
    assert distances.wasserstein(one, other) == pytest.approx(2.0)


def test_a_small_deviation_of_large_figures_is_one():
    before = 1.7e9 + RNG.normal(size=500)
    assert distances.wasserstein(before, before + 0.5) == pytest.approx(0.5, rel=0.1)


@settings(max_examples=60, deadline=None)
@given(COUNTS, COUNTS)
def test_the_distance_of_categories_is_scipys_and_the_same_from_both_sides(before, now):
    found = distances.jensen_shannon(before, now)
    assert found == pytest.approx(jensenshannon(before, now), abs=1e-6)
    assert found == pytest.approx(distances.jensen_shannon(now, before))
    assert 0 <= found <= distances.LARGEST_JENSEN_SHANNON + 1e-9


def test_counts_that_share_nothing_are_farthest_apart():
    found = distances.jensen_shannon(np.array([1.0, 0]), np.array([0, 5.0]))
    assert found == pytest.approx(distances.LARGEST_JENSEN_SHANNON)


def test_many_spreads_at_once_are_each_alone():
    before, now = RNG.integers(1, 50, size=(9, 4)), RNG.integers(1, 50, size=(9, 4))
    each = distances.jensen_shannon_of_each(before, now)
    alone = [distances.jensen_shannon(*pair) for pair in zip(before, now, strict=True)]
    assert each == pytest.approx(alone)

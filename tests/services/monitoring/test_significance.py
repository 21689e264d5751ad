"""p-values are what they say, and corrections do what they should."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from services.monitoring import significance
from services.monitoring.spreads import Categories

RNG = np.random.default_rng(4)


def test_kolmogorov_smirnov_is_scipys():
    a, b = np.sort(RNG.normal(size=700)), np.sort(RNG.normal(0.1, size=900))
    distance, p_value = significance.kolmogorov_smirnov(a, b, 700, 900)
    known = stats.ks_2samp(a, b, method="asymp")
    assert distance == pytest.approx(known.statistic)
    # SciPy adds a term for small samples; the limit law is the more careful one.
    assert known.pvalue <= p_value < known.pvalue * 1.5


def test_chi_square_is_scipys():
    a, b = np.array([40.0, 60, 100, 0]), np.array([30.0, 90, 80, 0])
    known = stats.chi2_contingency(np.stack((a, b))[:, :3], correction=False).pvalue
    assert significance.chi_square(a, b, (200, 200)) == pytest.approx(known)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=30))
def test_holm_is_never_below_p_nor_above_bonferroni_and_keeps_the_order(p_values):
    corrected = significance.holm(p_values)
    tests = sum(p is not None for p in p_values)
    pairs = [(p, c) for p, c in zip(p_values, corrected, strict=True) if p is not None]
    assert [c is None for c in corrected] == [p is None for p in p_values]
    for p, c in pairs:
        assert c is not None
        assert p <= c <= min(1.0, p * tests) + 1e-12
    ordered = [c for _, c in sorted(pairs)]
    assert ordered == sorted(ordered)


@given(st.integers(1, 40), st.integers(1, 20), st.integers(0, 10_000))
def test_rows_are_worth_at_most_their_number_and_at_least_their_requests_about(groups, size, seed):
    rng = np.random.default_rng(seed)
    values, requests = rng.normal(size=groups * size), np.repeat(np.arange(groups), size)
    worth = significance.worth(values, requests)
    assert worth <= groups * size + 1e-9
    assert worth >= groups * 0.99


def test_copies_are_worth_one_and_independent_rows_themselves():
    values, requests = RNG.normal(size=200), np.repeat(np.arange(200), 10)
    assert significance.worth(np.repeat(values, 10), requests) == pytest.approx(200, rel=0.02)
    assert significance.worth(RNG.normal(size=2000), requests) > 1500


@given(st.lists(st.integers(0, 300), min_size=1, max_size=400), st.integers(1, 400))
def test_categories_keep_every_value_and_favour_no_side(values, cut):
    texts = np.array([str(value) for value in values], dtype=object)
    cut = min(cut, len(texts))
    left, right = texts[:cut], texts[cut:]
    made, swapped = Categories.of(left, right), Categories.of(right, left)
    assert sum(count.sum() for count in made.counts()) == len(texts)
    assert [c.tolist() for c in made.counts()] == [c.tolist() for c in reversed(swapped.counts())]


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_fishers_exact_test_is_scipys_smaller_tail_twice(
    count: int, size: int, data: st.DataObject
):
    some, mine = data.draw(st.integers(0, count)), data.draw(st.integers(0, size))
    table = [[mine, size - mine], [some, count - some]]
    tails = (
        stats.fisher_exact(table, alternative="less").pvalue,
        stats.fisher_exact(table, alternative="greater").pvalue,
    )
    expected = min(1.0, 2 * min(tails))
    assert significance.exact((some, count), (mine, size)) == pytest.approx(expected, rel=1e-6)


def test_little_is_expected_where_a_share_is_small_or_rows_are_few():
    whole = np.array([0.0, 2000.0])
    assert significance.is_little(whole, np.array([1.0, 5.0]), (2000, 6))
    assert not significance.is_little(
        np.array([200.0, 1800.0]), np.array([50.0, 450.0]), (2000, 500)
    )
    assert significance.is_little(np.array([200.0, 1800.0]), np.array([50.0, 450.0]), (2000, 10))

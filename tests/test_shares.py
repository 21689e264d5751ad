"""The limits that benchmarks print beside a share."""

import pytest
from scipy.stats import binom

from benchmarks.shares import Share


def test_no_alarm_on_300_days_is_surely_less_than_one_of_a_hundred_and_on_200_it_is_not():
    assert Share(0, 300).most < 0.01 < Share(0, 200).most
    assert Share(0, 300).least == 0.0


def test_all_of_200_are_surely_more_than_95_of_a_hundred_and_all_of_20_are_not():
    assert Share(20, 20).least < 0.95 < Share(200, 200).least
    assert Share(200, 200).most == 1.0


def test_beyond_a_limit_what_was_found_comes_in_less_than_one_of_twenty_cases():
    one = Share(3, 40)
    assert binom.cdf(one.found, one.of, one.most) == pytest.approx(0.05)
    assert binom.sf(one.found - 1, one.of, one.least) == pytest.approx(0.05)
    assert one.least < one.value < one.most


def test_counts_are_taken_together():
    assert Share(1, 10) + Share(2, 30) == Share(3, 40)
    assert (Share(0, 0).least, Share(0, 0).most) == (0.0, 1.0)

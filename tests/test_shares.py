"""The limits that benchmarks print beside a share."""

import pytest

from benchmarks.shares import Share


def test_no_alarm_on_300_days_is_surely_less_than_one_of_a_hundred_and_on_200_it_is_not():
    assert Share(0, 300).most < 0.01 < Share(0, 200).most
    assert Share(0, 300).least == 0.0


def test_all_of_200_are_surely_more_than_95_of_a_hundred_and_all_of_20_are_not():
    assert Share(20, 20).least < 0.95 < Share(200, 200).least
    assert Share(200, 200).most == 1.0


def test_limits_are_where_the_normal_test_of_a_share_just_refuses():
    one = Share(30, 100)
    for limit in (one.least, one.most):
        deviation = (limit * (1 - limit) / one.of) ** 0.5
        assert abs(one.value - limit) == pytest.approx(1.6449 * deviation)
    assert one.least < one.value < one.most


def test_counts_are_taken_together():
    assert Share(1, 10) + Share(2, 30) == Share(3, 40)
    assert (Share(0, 0).least, Share(0, 0).most) == (0.0, 1.0)

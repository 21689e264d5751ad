import math
from datetime import UTC, datetime, timedelta

import pytest

from dashboard import numbers

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "not reported"),
        (0.0, "0"),
        (0.89714, "0.8971"),
        (-0.5, "−0.5000"),
        (12345.0, "12,345"),
        (123.456, "123.5"),
        (0.0000123, "1.230e-05"),
        (1.5e12, "1.500e+12"),
        (math.nan, "NaN"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_a_figure_keeps_its_significant_digits_and_an_unknown_one_says_so(
    value: float | None, shown: str
):
    assert numbers.number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "not reported"),
        (0, "0 B"),
        (999, "999 B"),
        (1_500, "1.50 kB"),
        (91_000_000, "91.0 MB"),
        (24_000_000_000, "24.0 GB"),
        (5e18, "5000 PB"),
    ],
)
def test_bytes_are_shown_in_the_unit_that_fits(value: float | None, shown: str):
    assert numbers.size(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "not reported"),
        (0.0421, "42 ms"),
        (3.21, "3.2 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (245, "4 min 5 s"),
        (3_600, "1 h"),
        (7_500, "2 h 5 min"),
        (183_600, "2 d 3 h"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float | None, shown: str):
    assert numbers.duration(seconds) == shown


@pytest.mark.parametrize(
    ("ago", "shown"),
    [
        (timedelta(seconds=0.4), "just now"),
        (timedelta(seconds=12), "12 s ago"),
        (timedelta(minutes=5, seconds=50), "5 min ago"),
        (timedelta(hours=30), "30 h ago"),
        (timedelta(days=3), "3 d ago"),
        (timedelta(seconds=-5), "just now"),
        (timedelta(hours=-2), "in 2 h"),
    ],
)
def test_ages_are_rounded_down_and_clocks_that_differ_a_little_do_not_show(
    ago: timedelta, shown: str
):
    assert numbers.age(NOW - ago, NOW) == shown


def test_what_never_happened_has_no_age():
    assert numbers.age(None) == "never"


def test_a_rise_is_good_or_bad_by_the_goal():
    assert numbers.delta(0.9, 0.8, "max") == numbers.Delta("+0.100", True)
    assert numbers.delta(0.9, 0.8, "min") == numbers.Delta("+0.100", False)
    assert numbers.delta(0.8, 0.9, "min") == numbers.Delta("−0.100", True)
    assert numbers.delta(3, 2, unit="runs") == numbers.Delta("+1 runs", None)


def test_no_change_is_neither_good_nor_bad():
    assert numbers.delta(1.0, 1.0, "max") == numbers.Delta("±0", None)


@pytest.mark.parametrize("pair", [(None, 1.0), (1.0, None), (math.nan, 1.0), (1.0, math.inf)])
def test_what_cannot_be_compared_has_no_difference(pair: tuple[float | None, float | None]):
    assert numbers.delta(*pair) is None


def test_a_moment_is_told_in_the_browsers_zone():
    assert numbers.moment(NOW, numbers.zone_of("Europe/Berlin")) == "2026-11-24 13:00:00 CET"
    assert numbers.moment(NOW, numbers.zone_of("No/Where")) == "2026-11-24 12:00:00 UTC"


def test_nouns_follow_their_number():
    assert numbers.counted(1, "run") == "1 run"
    assert numbers.counted(12_345, "run") == "12,345 runs"
    assert numbers.counted(2, "entry", "entries") == "2 entries"

"""What stretch of time a sample speaks for."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.telemetry.spans import coverage, covered_s, spans, stretches
from tests.services.telemetry.recordings import BEGIN, BUSY, at, recording, sample, use


def times(found):
    zero = BEGIN.timestamp()
    return [(round(one.begin - zero, 3), round(one.end - zero, 3)) for one in found]


def test_windows_fill_the_interval_and_are_cut_at_its_ends():
    found = spans(recording(10), at(3), at(7))
    assert times(found) == [(3, 4), (4, 6), (6, 7)]
    assert [one.part for one in found] == [0.5, 1.0, 0.5]


def test_a_late_sample_speaks_for_the_delay_too():
    found = spans([sample(2), sample(4.8)], at(0), at(10))
    assert times(found) == [(0, 2), (2, 4.8)]
    assert found[1].part == 1.0


def test_a_missing_sample_leaves_a_gap():
    found = spans([sample(2), sample(6)], at(0), at(6))
    assert times(found) == [(0, 2), (4, 6)]
    assert coverage(found, at(0), at(6)) == pytest.approx(4 / 6)


def test_a_machine_that_slept_says_nothing_of_its_sleep():
    slept = [*recording(10), sample(3610, BUSY, use(), window_s=3600), *recording(4, begin_s=3610)]
    found = spans(slept, at(0), at(3614))
    assert times(found)[5:] == [(3608, 3610), (3610, 3612), (3612, 3614)]
    # Its CPU time is over the whole sleep, so two seconds are a small part of it.
    assert found[5].part == pytest.approx(2 / 3600)


def test_samples_in_any_order_and_twice_are_the_same():
    once = recording(20)
    assert spans([*reversed(once), *once], at(0), at(20)) == spans(once, at(0), at(20))


def test_a_first_sample_without_a_window_speaks_for_nothing():
    assert spans([sample(2, window_s=0.0)], at(0), at(10)) == ()
    assert spans([], at(0), at(10)) == ()


def test_stretches_are_joined_where_they_touch():
    zero = BEGIN.timestamp()
    found = spans([*recording(6), *recording(4, begin_s=20)], at(0), at(30))
    assert stretches(found) == ((zero, zero + 6), (zero + 20, zero + 24))


@given(
    st.lists(st.tuples(st.floats(0, 300), st.floats(0, 40)), max_size=40),
    st.floats(0, 200),
    st.floats(0.1, 200),
)
def test_spans_never_overlap_and_never_leave_the_interval(given_samples, begin, length):
    samples = [sample(moment, {}, window_s=window) for moment, window in given_samples]
    start, end = at(begin), at(begin) + timedelta(seconds=length)
    found = spans(samples, start, end)
    for before, after in pairwise(found):
        assert before.end <= after.begin
    assert all(start.timestamp() <= s.begin < s.end <= end.timestamp() for s in found)
    assert all(0 <= s.part <= 1 for s in found)
    assert covered_s(found) <= (end - start).total_seconds() + 1e-6

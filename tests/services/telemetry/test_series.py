"""Series: what is read equals a plain loop over what was written, whatever lies between."""

import tempfile
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.engines.silicon.models import Reading, Sample
from services.errors import InputError, NotFoundError
from services.telemetry.store import Store
from tests.services.telemetry.samples import (
    BEGIN,
    HOST,
    Clock,
    at,
    floor,
    kept,
    measured,
    plain,
    plain_reasons,
    sample,
    store,
    unavailable,
    watts,
)

INTERVAL_S = 2.0
CHARTED = ("cpu_w", "memory_used_bytes", "cpu_temperature_c")


def readings() -> st.SearchStrategy[tuple[Reading, ...]]:
    value = st.floats(-1e6, 1e6, allow_nan=False)
    one = st.one_of(
        value.map(lambda v: measured("cpu_w", v)),
        value.map(lambda v: Reading("cpu_w", v, "estimated", "ours", "from the load")),
        st.sampled_from(["asleep", "macmon stopped", ""]).map(lambda r: unavailable("cpu_w", r)),
        st.integers(0, 2**40).map(lambda v: measured("memory_used_bytes", float(v))),
        value.map(lambda v: measured("cpu_temperature_c", v)),
    )
    return st.lists(one, max_size=3, unique_by=lambda r: r.metric).map(tuple)


def written() -> st.SearchStrategy[list[Sample]]:
    """Return samples in any order, in bursts and far apart, some with one time."""
    near = st.integers(0, 300).map(lambda n: n * 2.0)
    anywhere = st.floats(0, 80_000).map(lambda s: round(s, 3))
    moments = st.one_of(near, near, anywhere)
    one = st.builds(lambda s, r: sample(s, *r), moments, readings())
    return st.lists(one, min_size=1, max_size=60)


@st.composite
def merges(draw: st.DrawFn) -> list[int]:
    return sorted(draw(st.lists(st.integers(0, 60), max_size=3)))


def about(found: float | None, wanted: float | None) -> bool:
    """Return whether two means are the same but for the order of the additions."""
    if found is None or wanted is None:
        return found is wanted
    return found == pytest.approx(wanted, rel=1e-12, abs=1e-9)


def fill(place: Store, samples: list[Sample], merged_at: list[int]) -> None:
    place.append(samples[0])
    for number, one in enumerate(samples[1:]):
        for _ in range(merged_at.count(number)):
            place.merge()
        place.append(one)


@given(written(), merges(), st.integers(0, 80_000), st.integers(1, 80_000), st.integers(1, 700))
@settings(max_examples=80)
def test_a_series_is_what_a_plain_loop_makes_of_the_samples(
    samples: list[Sample], merged_at: list[int], begin: int, length: int, points: int
):
    with tempfile.TemporaryDirectory() as folder:
        place = store(Path(folder))
        fill(place, samples, merged_at)
        reader = store(Path(folder))
        start, end = at(begin), at(begin + length)
        found = reader.series(HOST, CHARTED, start, end, points=points)
        axis = found[0].times
        for series in found:
            assert series.times == axis
            assert len(axis) <= points
            width = timedelta(seconds=series.bucket_s)
            if series.bucket_s > INTERVAL_S:
                assert floor(axis[0], series.bucket_s) == axis[0]
                assert axis[0] <= start < axis[0] + width
                assert axis[-1] < end <= axis[-1] + width
                for n, begins in enumerate(axis):
                    bucket = plain(samples, series.metric, begins, begins + width)
                    assert series.low[n] == bucket.low
                    assert series.high[n] == bucket.high
                    assert about(series.mean[n], bucket.mean)
                assert series.reasons == plain_reasons(samples, series.metric, axis, width)
            else:
                newest = {one.at: one for one in samples if start <= one.at < end}
                points_of = {t: kept(newest[t]).reading(series.metric) for t in axis if t in newest}
                assert set(points_of) == set(newest)
                for n, moment in enumerate(axis):
                    reading = points_of.get(moment)
                    assert series.mean[n] == (reading.value if reading else None)
        place.close()


@given(written(), merges(), st.integers(0, 80_000), st.integers(1, 80_000))
@settings(max_examples=80)
def test_samples_come_back_as_they_were_taken(
    samples: list[Sample], merged_at: list[int], begin: int, length: int
):
    with tempfile.TemporaryDirectory() as folder:
        place = store(Path(folder))
        fill(place, samples, merged_at)
        start, end = at(begin), at(begin + length)
        newest = {one.at: kept(one) for one in samples if start <= one.at < end}
        assert place.samples(HOST, start, end) == tuple(newest[t] for t in sorted(newest))
        place.close()


def test_a_spike_of_one_sample_is_seen_at_every_width(tmp_path: Path):
    place = store(tmp_path)
    for n in range(6000):
        place.append(watts(n * 2, 99.0 if n == 1234 else 5.0))
    for merge in (False, True):
        if merge:
            place.merge()
        for hours in (0.5, 3, 24, 24 * 30, 24 * 700):
            start = at(2468) - timedelta(hours=hours / 2)
            (series,) = place.series(HOST, ["cpu_w"], start, start + timedelta(hours=hours))
            assert max(v for v in series.high if v is not None) == 99.0, hours
            assert min(v for v in series.low if v is not None) == 5.0
    place.close()


def test_a_gap_stays_a_gap_and_says_nothing_of_zero(tmp_path: Path):
    place = store(tmp_path)
    for n in [*range(600), *range(1200, 1800)]:
        place.append(watts(n * 2, 5.0))
    place.merge()
    (short,) = place.series(HOST, ["cpu_w"], at(1100), at(2500), points=700)
    gap = [n for n, value in enumerate(short.mean) if value is None]
    assert len(gap) == 1, "one point without a value breaks the line"
    assert at(1198) < short.times[gap[0]] < at(2400)
    (wide,) = place.series(HOST, ["cpu_w"], at(0), at(3600), points=60)
    missing = [t for t, value in zip(wide.times, wide.mean, strict=True) if value is None]
    assert missing == [at(60 * n) for n in range(20, 40)]
    place.close()


def test_why_values_are_missing_is_kept_by_the_minute_too(tmp_path: Path):
    place = store(tmp_path)
    for n in range(3600):
        reason = "macmon was not started." if n < 100 else "The GPU sleeps."
        missing = n < 100 or n > 3000
        place.append(
            sample(n * 2, unavailable("gpu_w", reason) if missing else measured("gpu_w", 1.0))
        )
    place.merge()
    (series,) = place.series(HOST, ["gpu_w"], at(0), at(7200), points=20)
    assert series.bucket_s == 600
    assert series.reasons == ("The GPU sleeps.", "macmon was not started.")
    assert series.qualities == {"measured", "unavailable"}
    assert series.mean[-1] is None
    assert series.mean[5] == 1.0
    place.close()


def test_the_newest_reason_of_a_bucket_is_the_one_shown(tmp_path: Path):
    place = store(tmp_path)
    for n, reason in enumerate(("first", "second", "")):
        gpu = unavailable("gpu_w", reason) if reason else measured("gpu_w", 1.0)
        place.append(sample(n * 20, gpu, window_s=20.0))
    for _ in range(2):
        (series,) = place.series(HOST, ["gpu_w"], at(0), at(600), points=10)
        assert series.bucket_s == 60
        assert series.reasons == ("second",)
        place.merge()
    place.close()


def test_more_samples_than_points_are_put_together_also_where_they_come_too_fast(tmp_path: Path):
    place = store(tmp_path)
    for n in range(100):
        place.append(watts(n * 0.5, float(n)))
    (series,) = place.series(HOST, ["cpu_w"], at(0), at(50), points=25)
    assert series.bucket_s == 5
    assert series.low == tuple(float(n) for n in range(0, 100, 10))
    place.close()


def test_summer_time_ending_makes_no_gap_and_no_second_hour(tmp_path: Path):
    berlin = ZoneInfo("Europe/Berlin")
    begin = BEGIN.replace(month=10, day=25, hour=0)  # the clock goes back at 01:00 UTC
    place = store(tmp_path)
    for n in range(60 * 60):
        moment = (begin + timedelta(seconds=3 * n)).astimezone(berlin)
        place.append(Sample(HOST, moment, 3.0, (measured("cpu_w", float(n % 7)),)))
    place.merge()
    start, end = begin.astimezone(berlin), (begin + timedelta(hours=3)).astimezone(berlin)
    (series,) = place.series(HOST, ["cpu_w"], start, end, points=180)
    assert [t.timestamp() for t in series.times] == [begin.timestamp() + 60 * n for n in range(180)]
    assert None not in series.mean
    assert len(place.samples(HOST, start, end)) == 3600
    place.close()


def test_a_figure_that_cannot_be_is_unavailable_and_says_so(tmp_path: Path):
    place = store(tmp_path)
    place.append(
        sample(
            0,
            measured("cpu_w", float("nan")),
            measured("gpu_w", float("inf")),
            Reading("ane_w", None, "measured", "macmon"),
        )
    )
    (read,) = place.samples(HOST, at(0), at(1))
    assert [r.quality for r in read.readings] == ["unavailable"] * 3
    assert [r.value for r in read.readings] == [None] * 3
    assert all(r.reason for r in read.readings)
    place.close()


def test_zero_is_a_value_and_a_metric_of_a_newer_agent_is_kept(tmp_path: Path):
    place = store(tmp_path)
    place.append(sample(0, measured("cpu_w", 0.0), measured("warp_ratio", 0.123456)))
    for _ in range(2):
        first, second = place.series(HOST, ["cpu_w", "warp_ratio"], at(0), at(2))
        assert first.mean == (0.0,)
        assert second.mean == (0.123456,)
        place.merge()
    place.close()


def test_a_metric_nobody_was_asked_for_is_empty_on_the_same_axis(tmp_path: Path):
    place = store(tmp_path)
    place.append(watts(0, 1.0))
    known, unknown = place.series(HOST, ["cpu_w", "fan_rpm"], at(0), at(7200), points=10)
    assert unknown.times == known.times
    assert set(unknown.mean) == {None}
    assert not unknown.qualities
    place.close()


def test_what_cannot_be_answered_is_said_in_a_sentence(tmp_path: Path):
    place = store(tmp_path, Clock())
    with pytest.raises(NotFoundError, match="No machine named mac-a has sent telemetry"):
        place.series(HOST, ["cpu_w"], at(0), at(1))
    place.append(watts(0, 1.0))
    with pytest.raises(NotFoundError, match="Known machines: mac-a"):
        place.samples("mac-b", at(0), at(1))
    with pytest.raises(InputError, match="before it begins"):
        place.series(HOST, ["cpu_w"], at(1), at(1))
    with pytest.raises(InputError, match="no time zone"):
        place.events(at(0).replace(tzinfo=None), at(1))
    with pytest.raises(InputError, match="0 points"):
        place.series(HOST, ["cpu_w"], at(0), at(1), points=0)
    place.close()

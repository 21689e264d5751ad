"""Late, early, twice, backwards: every sample lands in its place or is refused in a sentence."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from services.errors import ConflictError, InputError, NotFoundError
from services.telemetry.folder import Retention
from services.telemetry.store import Store
from tests.services.telemetry.samples import (
    HOST,
    Clock,
    at,
    kept,
    measured,
    sample,
    store,
    watts,
)


def read(
    place: Store, begin: float = -1e5, end: float = 1e5
) -> list[tuple[datetime, float | None]]:
    found = place.samples(HOST, at(begin), at(end))
    return [(one.at, one.readings[0].value) for one in found]


def test_samples_that_an_agent_sends_hours_later_land_in_their_place(tmp_path: Path):
    place = store(tmp_path, Clock(at(21_200)))
    for n in range(600):
        place.append(watts(n * 2, 1.0))
    for n in range(10_000, 10_600):
        place.append(watts(n * 2, 3.0))
    place.merge()
    for n in range(600, 10_000):
        place.append(watts(n * 2, 2.0))
    for merge in (False, True):
        if merge:
            place.merge()
        assert [value for _, value in read(place)] == [1.0] * 600 + [2.0] * 9400 + [3.0] * 600
        (series,) = place.series(HOST, ["cpu_w"], at(0), at(21_200), points=400)
        assert series.bucket_s == 60
        assert series.mean[:333] == (1.0,) * 20 + (2.0,) * 313
        assert series.mean[333] == pytest.approx((10 * 2.0 + 20 * 3.0) / 30)
        assert series.mean[334:] == (3.0,) * 20
        kinds = [event.kind for event in place.events(at(-100), at(21_200))]
        assert kinds == ["host.joined"], "what looked like an absence was none"
    place.close()


def test_an_hour_that_comes_after_both_its_neighbours_stands_between_them(tmp_path: Path):
    place = store(tmp_path, Clock(at(4 * 3600)))
    for hour in (0, 2, 1):
        for n in range(60):
            place.append(watts(hour * 3600 + n * 60, float(hour)))
        place.merge()
    for begin, width in ((0, 60), (3600, 60), (0, 600), (3600, 600), (0, 3600)):
        (series,) = place.series(HOST, ["cpu_w"], at(begin), at(begin + 7200), points=7200 // width)
        assert series.bucket_s == width
        first = begin // 3600
        wanted = [float(first)] * (3600 // width) + [first + 1.0] * (3600 // width)
        assert list(series.mean) == wanted, width
    (series,) = place.series(HOST, ["cpu_w"], at(-3600), at(7 * 3600), points=3)
    assert series.bucket_s == 10_800
    assert [v for v in series.mean if v is not None] == [0.5, 2.0]
    place.close()


def test_of_two_samples_with_one_time_the_later_written_is_kept(tmp_path: Path):
    place = store(tmp_path)
    place.append(watts(0, 1.0))
    place.append(watts(2, 5.0))
    place.append(watts(0, 2.0))
    assert read(place) == [(at(0), 2.0), (at(2), 5.0)]
    place.merge()
    assert read(place) == [(at(0), 2.0), (at(2), 5.0)]
    place.append(watts(0, 3.0))
    for _ in range(2):
        assert read(place) == [(at(0), 3.0), (at(2), 5.0)]
        (series,) = place.series(HOST, ["cpu_w"], at(0), at(60 * 60), points=60)
        assert series.mean[0] == 4.0
        assert series.high[0] == 5.0
        place.merge()
    place.close()


def test_a_clock_that_is_set_back_overwrites_and_interleaves_and_loses_nothing_else(
    tmp_path: Path,
):
    clock = Clock(at(0))
    place = store(tmp_path, clock)
    for n in range(100):
        clock.at = at(n * 2)
        place.append(watts(n * 2, 1.0))
    for n in range(100):
        clock.at = at(101 + n * 2)  # 99 seconds back: between the samples of before
        place.append(watts(101 + n * 2, 2.0))
    assert place.hosts()[0].last_at == at(299)
    wanted = {at(n * 2): 1.0 for n in range(100)} | {at(101 + n * 2): 2.0 for n in range(100)}
    for _ in range(2):
        assert dict(read(place)) == wanted
        assert [t for t, _ in read(place)] == sorted(wanted)
        place.merge()
    place.close()


def test_a_sample_of_the_future_is_refused_in_a_sentence(tmp_path: Path):
    place = store(tmp_path, Clock(at(0)))
    place.append(watts(59, 1.0))
    with pytest.raises(InputError, match="which is still to come") as said:
        place.append(watts(61, 2.0))
    assert "Set the clock of mac-a right" in said.value.hint
    assert read(place) == [(at(59), 1.0)]
    place.close()


def test_what_a_wrong_clock_wrote_ahead_is_not_taken_for_now(tmp_path: Path):
    clock = Clock(at(50_000))
    place = store(tmp_path, clock)
    place.append(watts(50_000, 9.0))
    clock.at = at(10)
    place.append(watts(10, 1.0))
    for _ in range(2):
        (state,) = place.hosts()
        assert state.last_at == at(10)
        assert state.readings == (measured("cpu_w", 1.0),)
        place.merge()
    clock.at = at(50_010)
    assert place.hosts()[0].last_at == at(50_000), "its time has come"
    place.close()


def test_a_sample_older_than_what_is_kept_is_refused_in_a_sentence(tmp_path: Path):
    place = store(tmp_path, Clock(at(0)), keep=Retention(full_days=2))
    place.append(watts(-2 * 86_400 + 3600, 1.0))
    with pytest.raises(InputError, match="older than the 2 days"):
        place.append(watts(-2 * 86_400 + 3599, 1.0))
    place.close()


def test_a_time_without_a_zone_is_refused(tmp_path: Path):
    place = store(tmp_path)
    naive = watts(0, 1.0)
    with pytest.raises(InputError, match="without a zone"):
        place.append(type(naive)(HOST, naive.at.replace(tzinfo=None), 2.0, naive.readings))


def test_times_are_kept_to_the_microsecond(tmp_path: Path):
    place = store(tmp_path)
    times = [at(0) + timedelta(microseconds=n * 333_333) for n in range(50)]
    for moment in times:
        place.append(type(watts(0, 0.0))(HOST, moment, 0.333, (measured("cpu_w", 1.0),)))
    place.merge()
    assert [t for t, _ in read(place)] == times
    place.close()


def test_a_renamed_host_takes_its_history_with_it(tmp_path: Path):
    place = store(tmp_path)
    place.append(watts(0, 1.0))
    place.merge()
    place.append(watts(2, 2.0))
    place.rename(HOST, "Studio von Ä")
    place.append(sample(4, measured("cpu_w", 3.0), host="Studio von Ä"))
    (state,) = store(tmp_path).hosts()
    assert state.machine.host == "Studio von Ä"
    found = place.samples("Studio von Ä", at(0), at(10))
    assert [(one.host, one.readings[0].value) for one in found] == [
        ("Studio von Ä", 1.0), ("Studio von Ä", 2.0), ("Studio von Ä", 3.0),
    ]  # fmt: skip
    with pytest.raises(NotFoundError):
        place.samples(HOST, at(0), at(10))
    place.close()


def test_a_host_renamed_without_a_word_is_a_new_host_beside_the_old(tmp_path: Path):
    place = store(tmp_path)
    place.append(watts(0, 1.0))
    place.append(sample(2, measured("cpu_w", 2.0), host="mac-new"))
    assert [state.machine.host for state in place.hosts()] == [HOST, "mac-new"]
    with pytest.raises(ConflictError, match="a history of its own"):
        place.rename(HOST, "mac-new")
    with pytest.raises(NotFoundError):
        place.rename("nobody", "somebody")
    assert read(place) == [(at(0), 1.0)]
    place.close()


@pytest.mark.parametrize("name", ["../../etc", "A", "a", "mac/1", "", ".", "x" * 300, "Mac", "mac"])
def test_any_name_is_a_folder_of_its_own_inside(tmp_path: Path, name: str):
    root = tmp_path / "telemetry"
    place = store(root)
    one = sample(0, measured("cpu_w", 1.0), host=name)
    place.append(one)
    place.append(sample(0, measured("cpu_w", 2.0), host=name.swapcase() + "2"))
    assert [path.name for path in tmp_path.iterdir()] == ["telemetry"]
    assert place.samples(name, at(0), at(1)) == (kept(one),)
    assert {state.machine.host for state in place.hosts()} == {name, name.swapcase() + "2"}
    folded = [path.name.lower() for path in root.iterdir()]
    assert len(set(folded)) == len(folded)
    place.close()

"""Detail goes with age: singles, then minutes, then ten minutes; spikes and reasons stay."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.engines.silicon.models import ProcessUse
from services.settings import Settings
from services.telemetry.folder import Retention
from services.telemetry.models import Event
from services.telemetry.store import Store
from tests.services.telemetry.samples import (
    HOST,
    Clock,
    at,
    measured,
    sample,
    store,
    unavailable,
    watts,
)

DAY_S = 86_400
KEEP = Retention(full_days=2, process_days=1, minute_days=10, days=40)
JOB = ProcessUse(7, 1.5, "python", "run:r1", "project", cpu_s=1.0, gpu_s=0.5, memory_bytes=4096)


@pytest.fixture
def old(tmp_path: Path) -> Iterator[tuple[Store, Clock]]:
    """Two hours of one sample every 20 s with one spike, one gap and one reason."""
    clock = Clock(at(7200))
    place = store(tmp_path, clock, keep=KEEP)
    for n in range(360):
        if 100 <= n < 130:
            continue
        hot = measured("cpu_w", 80.0 if n == 222 else 5.0)
        gpu = unavailable("gpu_w", "macmon stopped") if n > 300 else measured("gpu_w", 1.0)
        place.append(sample(n * 20, hot, gpu, window_s=20.0, processes=(JOB,)))
    place.note(Event(at(30), HOST, "deploy", "noted"))
    place.merge()
    yield place, clock
    place.close()


def pass_days(old: tuple[Store, Clock], days: float) -> Store:
    place, clock = old
    clock.at = at(7200 + days * DAY_S)
    place.append(watts(7200 + days * DAY_S, 1.0))
    place.merge()
    return place


def kinds(place: Store) -> set[str]:
    folder = place._root / HOST
    begin = int(at(0).timestamp())
    return {path.parent.name for path in folder.glob("*/*.blk") if int(path.stem) <= begin + 7200}


@pytest.mark.parametrize(
    ("days", "left", "bucket_s"),
    [
        (0.5, {"full", "processes", "owners", "60", "600", "10800"}, 60.0),
        (1.5, {"full", "owners", "60", "600", "10800"}, 60.0),
        (3, {"owners", "60", "600", "10800"}, 60.0),
        (12, {"600", "10800"}, 600.0),
    ],
)
def test_spikes_gaps_and_reasons_outlive_the_detail(
    old: tuple[Store, Clock], days: float, left: set[str], bucket_s: float
):
    place = pass_days(old, days)
    assert kinds(place) == left
    watts_, gpu = place.series(HOST, ["cpu_w", "gpu_w"], at(0), at(7200), points=140)
    assert watts_.bucket_s == bucket_s
    assert max(v for v in watts_.high if v is not None) == 80.0
    assert min(v for v in watts_.low if v is not None) == 5.0
    gap = [t for t, v in zip(watts_.times, watts_.mean, strict=True) if v is None]
    if bucket_s == 60:
        assert gap == [at(n) for n in range(2040, 2580, 60)]
    assert gpu.reasons == ("macmon stopped",)
    assert gpu.qualities == {"measured", "unavailable"}
    assert gpu.mean[-1] is None


def test_single_samples_are_gone_after_their_days_and_their_processes_before(
    old: tuple[Store, Clock],
):
    place = pass_days(old, 0.5)
    assert place.samples(HOST, at(0), at(7200))[0].processes == (JOB,)
    pass_days(old, 1.5)
    found = place.samples(HOST, at(0), at(7200))
    assert len(found) == 330
    assert not any(one.processes for one in found)
    pass_days(old, 3)
    assert place.samples(HOST, at(0), at(7200)) == ()


def test_a_chart_zoomed_into_forgotten_detail_is_drawn_as_fine_as_it_is_kept(
    old: tuple[Store, Clock],
):
    place = pass_days(old, 3)
    (series,) = place.series(HOST, ["cpu_w"], at(4410), at(4470), points=600)
    assert series.bucket_s == 60
    assert series.high == (5.0, 80.0) or series.high == (80.0, 5.0)
    pass_days(old, 12)
    (series,) = place.series(HOST, ["cpu_w"], at(4410), at(4470), points=600)
    assert series.bucket_s == 600
    assert series.high == (80.0,)


def test_a_new_host_is_drawn_sample_by_sample_though_the_chart_begins_before_it(tmp_path: Path):
    place = store(tmp_path)
    for n in range(2000):
        place.append(watts(n * 2, 1.0))
    place.merge()
    (series,) = place.series(HOST, ["cpu_w"], at(-600), at(600), points=600)
    assert series.bucket_s == 2
    assert series.times[0] == at(0)
    place.close()


def test_what_owners_used_is_kept_when_their_processes_are_forgotten(old: tuple[Store, Clock]):
    place = pass_days(old, 3)
    used = place.owners(HOST, at(0), at(7200))
    assert {(one.owner, one.project) for one in used} == {("run:r1", "project")}
    assert sum(one.cpu_s or 0 for one in used) == 330.0
    assert sum(one.gpu_s or 0 for one in used) == 165.0
    assert {one.memory_bytes for one in used} == {4096}
    pass_days(old, 12)
    assert place.owners(HOST, at(0), at(7200)) == ()


def test_events_are_kept_as_long_as_the_coarsest(old: tuple[Store, Clock]):
    place = pass_days(old, 12)
    found = [event.kind for event in place.events(at(0), at(7200))]
    assert found == ["host.joined", "deploy", "host.lost", "host.joined", "host.lost"]
    pass_days(old, 80)
    assert place.events(at(0), at(7200)) == ()


def test_the_last_samples_before_a_long_absence_join_their_hour(old: tuple[Store, Clock]):
    place, clock = old
    place.append(sample(7190, measured("cpu_w", 40.0), window_s=20.0))
    place.close()
    clock.at = at(7200 + 5 * DAY_S)
    place.merge()
    (series,) = place.series(HOST, ["cpu_w"], at(0), at(7200), points=140)
    assert [v for v in series.high if v and v > 5] == [80.0, 40.0]
    assert sum(v is not None for v in series.mean) == 111


def test_everything_of_long_ago_goes(old: tuple[Store, Clock]):
    place = pass_days(old, 400)
    assert kinds(place) == set()
    (series,) = place.series(HOST, ["cpu_w"], at(0), at(7200))
    assert set(series.mean) <= {None}
    assert not list((place._root / HOST / "notes").iterdir())
    assert place.hosts()[0].last_at == at(7200) + timedelta(days=400)


def test_the_settings_keep_coarse_longer_than_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    kept = Settings()
    assert Retention() == Retention(
        kept.telemetry_full_days,
        kept.telemetry_process_days,
        kept.telemetry_minute_days,
        kept.telemetry_days,
    )
    monkeypatch.setenv("MLOPS_TELEMETRY_MINUTE_DAYS", "3")
    with pytest.raises(ValidationError, match="the longer the coarser"):
        Settings()

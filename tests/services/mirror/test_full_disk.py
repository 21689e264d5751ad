"""The mirror on a disk without room: said in a sentence, nothing lost, mended by room alone."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from services.engines.mlflow.feed import FeedReader, FeedWriter
from services.errors import PlatformError
from services.mirror import schema
from services.mirror.models import RunQuery
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.mirror.sync import MirrorSync
from tests.services.mirror.conftest import Metric, tracked
from tests.services.mirror.test_sync import Played
from tests.small_disk import SmallDisk, mounted

MANY = 400


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "disk", "8m") as found:
        yield found


@pytest.fixture
def url(disk: SmallDisk) -> str:
    return f"sqlite:///{disk.path / 'db' / 'mirror.sqlite'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    engine, _ = schema.prepare(url)
    yield Store(engine)
    engine.dispose()


def named(number: int, prefix: str):
    metrics = {f"{prefix}-{i}": Metric(float(i), 1, 1) for i in range(MANY)}
    return tracked(number, metrics=metrics)


def write_until_full(store: Store) -> None:
    for number in range(2, 500):
        store.write_runs("p", [named(number, f"lost{number}")])


def test_a_full_disk_is_a_sentence_and_what_was_there_is_still_read(
    store: Store, disk: SmallDisk, url: str
):
    store.write_runs("p", [named(1, "kept")])
    disk.fill(spare_bytes=64 << 10)
    with pytest.raises(PlatformError, match=r"mirror cannot be written \(.*full") as said:
        write_until_full(store)
    assert "Free space" in said.value.hint
    assert "read again" in said.value.hint
    assert len(Mirror(url).run(f"{1:032x}").points) == MANY


def test_after_a_failed_write_values_stand_under_their_own_names(
    store: Store, disk: SmallDisk, url: str
):
    """Names get numbers within the transaction: those of a failed one go to other names."""
    store.write_runs("p", [tracked(1)])
    disk.fill(spare_bytes=32 << 10)
    big = named(2, "first")
    with pytest.raises(PlatformError):
        store.write_runs("p", [big, named(3, "x" * 200)])
    disk.free()
    store.write_runs("p", [named(4, "second")])
    store.write_runs("p", [big])
    points = Mirror(url).run(f"{2:032x}").points
    assert {name: point.value for name, point in points.items()} == {
        f"first-{i}": float(i) for i in range(MANY)
    }


@pytest.mark.full
def test_the_sync_goes_on_by_itself_when_there_is_room_and_has_missed_nothing(
    store: Store, disk: SmallDisk, url: str, tmp_path: Path
):
    played, feed = Played(), FeedWriter(tmp_path / "changes")
    sync = MirrorSync(
        store,
        played,  # type: ignore[arg-type]  # answers like MLflow
        FeedReader(tmp_path / "changes"),
        lost_after_s=60,
        lost_without_heartbeat_s=1800,
    )
    sync.cycle()
    disk.fill(spare_bytes=16 << 10)
    for number in range(1, 9):
        run = named(number, f"run{number}")
        played.runs[run.run_id] = run
        feed.note("p", "run", [run.run_id])
    for _ in range(3):
        with pytest.raises(PlatformError):
            sync.cycle()
    disk.free()
    sync.cycle()
    mirror = Mirror(url)
    assert mirror.runs(RunQuery()).total == 8
    assert len(mirror.run(f"{8:032x}").points) == MANY


def test_a_controller_that_starts_on_a_full_disk_sets_nothing_aside(
    store: Store, disk: SmallDisk, url: str
):
    store.write_runs("p", [tracked(1)])
    store.engine.dispose()
    disk.fill()
    with contextlib.suppress(PlatformError):  # either is well: opened, or said
        schema.prepare(url)[0].dispose()
    disk.free()
    engine, sentence = schema.prepare(url)
    engine.dispose()
    assert not sentence
    assert not (disk.path / "db" / "quarantine").exists()
    assert Mirror(url).runs(RunQuery()).total == 1


def test_a_new_mirror_on_a_full_disk_is_a_sentence(disk: SmallDisk, url: str):
    (disk.path / "db").mkdir()
    disk.fill()
    with pytest.raises(PlatformError, match="mirror cannot be written"):
        schema.prepare(url)
    disk.free()
    engine, sentence = schema.prepare(url)
    engine.dispose()
    assert not sentence


def test_a_mirror_that_is_held_is_not_taken_for_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    url = f"sqlite:///{tmp_path / 'mirror.sqlite'}"
    engine = create_engine(url, connect_args={"timeout": 0.1})
    monkeypatch.setattr(schema, "open_engine", lambda _url: engine)
    with contextlib.closing(sqlite3.connect(tmp_path / "mirror.sqlite")) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(PlatformError, match="locked"):
            schema.prepare(url)
    engine.dispose()
    assert not (tmp_path / "quarantine").exists()


def test_a_mirror_whose_folder_cannot_be_made_is_a_sentence(tmp_path: Path):
    (tmp_path / "db").write_text("a file where a folder should be")
    with pytest.raises(PlatformError, match="folder of the mirror"):
        schema.prepare(f"sqlite:///{tmp_path / 'db' / 'deep' / 'mirror.sqlite'}")

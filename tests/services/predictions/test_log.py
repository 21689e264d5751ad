import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.home import Home
from services.predictions import reading
from services.predictions.answers import Seen
from services.predictions.folder import Folder
from services.predictions.log import LogFullError, PredictionLog
from services.predictions.segments import Segment
from tests.live import ROOT, eventually
from tests.services.predictions.records import NOON, compacted, record, written
from tests.small_disk import SmallDisk, mounted

SMALL = 1 << 16


@pytest.fixture
def log(home: Home) -> Iterator[PredictionLog]:
    made = PredictionLog.open(home, "test", reserve_bytes=SMALL, sync_s=0.05)
    yield made
    made.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "small", "1m") as disk:
        yield disk


def test_a_prediction_is_read_as_soon_as_it_is_written(home: Home, log: PredictionLog):
    one = record(error=None)
    log.append(one)
    assert reading.recent(home) == (
        Seen(
            id=one.id, at=NOON, project="clip-finetuning", model="clip", version=3, api="oip",
            key_id="k1", rows=2, status=200, latency_ms=2.5, model_ms=1.5, queue_ms=0.25,
            backend="mlx", host="studio", host_state={"thermal": 0}, energy_j=0.125, shadow=False,
            error=None, kept="full", inputs={"age": [31, 44], "name": ["Ada", "Grace"]},
            outputs={"label": ["yes", "no"], "confidence": [0.75, 0.5]},
        ),
    )  # fmt: skip


def test_what_parquet_tells_is_what_the_segment_told(home: Home):
    written(home, record(), record(NOON + 1, host_state=None, energy_j=None, inputs=None))
    before = reading.recent(home)
    compacted(home)
    assert not Folder(home).segments()
    assert reading.recent(home) == before


def test_arrays_and_json_are_kept_alike(home: Home, log: PredictionLog):
    import numpy as np

    pixels = np.arange(6, dtype=np.float32).reshape(2, 3)
    names = np.array(["a", "b"], dtype=object)
    half = np.array([0.5, 0.25], dtype=np.float16)
    log.append(record(inputs={"pixels": pixels, "name": names, "half": half}))
    log.append(record(NOON - 1, inputs=b'{"pixels": [[0, 1, 2], [3, 4, 5]]}'))
    first, second = reading.recent(home)
    assert first.inputs == {
        "pixels": [[0, 1, 2], [3, 4, 5]], "name": ["a", "b"], "half": [0.5, 0.25],
    }  # fmt: skip
    assert second.inputs == {"pixels": [[0, 1, 2], [3, 4, 5]]}


def test_columns_that_are_no_json_are_left_out_and_the_prediction_counts(
    home: Home, log: PredictionLog
):
    log.append(record(inputs={"what": [object()]}))
    log.append(record(error="half a character: \ud800"))
    kept = {one.kept: one.inputs for one in reading.recent(home)}
    assert kept["unreadable"] is None
    assert kept["full"] is not None
    assert reading.count(home) == 2


def test_columns_of_many_megabytes_are_left_out(home: Home, log: PredictionLog):
    log.append(record(inputs={"text": ["x" * (5 << 20), "y"]}))
    assert [one.kept for one in reading.recent(home)] == ["too-large"]


def test_a_segment_is_closed_when_it_is_long_or_old(home: Home):
    log = PredictionLog.open(
        home, "test", reserve_bytes=SMALL, segment_bytes=1000, segment_s=0.2, sync_s=0.05
    )
    for _ in range(6):
        log.append(record())
    assert len(Folder(home).segments()) >= 2
    eventually(lambda: log._segment is None)
    compacted(home)
    assert reading.count(home) == 6
    log.append(record())
    assert reading.count(home) == 7
    log.close()


def test_segments_of_a_living_writer_stay_and_those_of_a_killed_one_do_not(home: Home):
    code = (
        "from tests.services.predictions.records import record\n"
        "from services.home import Home\n"
        "from services.predictions.log import PredictionLog\n"
        "import sys, pathlib\n"
        "log = PredictionLog.open(Home(pathlib.Path(sys.argv[1])), 'other')\n"
        "log.append(record())\n"
        "print('written', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(home.root)], cwd=ROOT, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "written\n"
        compacted(home)
        assert len(Folder(home).segments()) == 1
        assert len(Folder(home).reserves()) == 1
        other.send_signal(signal.SIGKILL)
        other.wait()
    compacted(home)
    assert not Folder(home).segments()
    assert not Folder(home).reserves()
    assert reading.count(home) == 1


def test_a_torn_last_record_is_no_error_to_a_reader_and_cut_by_the_compactor(home: Home):
    written(home, record(), record())
    (path,) = Folder(home).segments()
    path.write_bytes(path.read_bytes()[:-5])
    assert reading.count(home) == 1
    compacted(home)
    assert reading.count(home) == 1
    assert not list(Folder(home).quarantine.glob("*"))


def test_a_reader_sees_a_record_that_was_being_written_when_it_looked(home: Home):
    written(home, record(), record())
    (path,) = Folder(home).segments()
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert reading.count(home) == 1
    path.write_bytes(whole)
    assert reading.count(home) == 2


def test_half_a_write_is_taken_back(home: Home, log: PredictionLog, monkeypatch):
    log.append(record())
    assert log._segment is not None
    real, handle, path = os.write, log._segment.handle, log._segment.path
    size = path.stat().st_size
    room = [200]

    def write(to: int, data: bytes) -> int:
        if to != handle:
            return real(to, data)
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        room[0] = 0
        return real(to, data[:200])

    monkeypatch.setattr(os, "write", write)
    log.append(record())  # goes to the room that was kept
    monkeypatch.undo()
    log.append(record())
    assert reading.count(home) == 3
    assert path.stat().st_size == size


def test_a_full_disk_is_ridden_out_then_refused_then_forgotten(small_disk: SmallDisk):
    home = Home(small_disk.path)
    log = PredictionLog.open(home, "test", reserve_bytes=SMALL, sync_s=0.05)
    taken = []

    def append() -> None:
        one = record()
        log.append(one)
        taken.append(one.id)

    append()
    small_disk.fill()
    for _ in range(60):  # more than the page that is begun
        append()
    assert log._segment is not None
    assert log._segment.reserved

    def append_many() -> None:
        for _ in range(1000):
            append()

    with pytest.raises(LogFullError, match="are refused, not answered unlogged"):
        append_many()
    assert log.problem
    assert {one.id for one in reading.recent(home, limit=2000)} == set(taken)
    small_disk.free()
    eventually(lambda: log._segment is None or not log._segment.reserved)
    append()
    assert not log.problem
    log.close()
    compacted(home)
    assert {one.id for one in reading.recent(home, limit=2000)} == set(taken)


def test_a_writer_says_when_the_disk_confirms_nothing(home: Home, log: PredictionLog, monkeypatch):
    def refuse(_segment: Segment) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Segment, "sync", refuse)
    log.append(record())
    eventually(lambda: "a power cut could lose them" in log.problem)
    monkeypatch.undo()
    log.append(record())
    eventually(lambda: not log.problem)


def test_another_takes_a_new_segment_for_one_that_was_left(home: Home, monkeypatch):
    """The compactor may lock a file between its making and its locking."""
    import fcntl

    log = PredictionLog.open(home, "test", reserve_bytes=SMALL)
    real, refused = fcntl.flock, [1]

    def flock(handle: int, how: int) -> None:
        if refused and refused.pop():
            raise BlockingIOError
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    log.append(record())
    assert reading.count(home) == 1
    log.close()


def test_threads_write_one_after_the_other(home: Home, log: PredictionLog):
    import threading

    def some() -> None:
        for _ in range(200):
            log.append(record())

    threads = [threading.Thread(target=some) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert reading.count(home) == 800


@pytest.mark.parametrize("name", ["merged", "Gate", "a-b", ""])
def test_a_writer_has_a_name_that_a_file_can_have(home: Home, name: str):
    with pytest.raises(ValueError, match="no name of a writer"):
        PredictionLog.open(home, name)


def test_a_log_that_was_deleted_begins_anew(home: Home, log: PredictionLog):
    log.append(record())
    shutil.rmtree(home.serving)
    eventually(lambda: log._segment is None and Folder(home).open.is_dir())
    log.append(record())
    assert reading.count(home) == 1


def test_json_that_is_none_costs_its_columns_alone(home: Home, log: PredictionLog):
    log.append(record(inputs=b"{nonsense \xff"))
    for _ in range(2):
        (seen,) = reading.recent(home)
        assert seen.inputs is None
        assert seen.outputs is not None
        log.close()
        compacted(home)


def test_a_time_that_cannot_be_is_no_record(home: Home):
    written(home, record(), record(at=-5.0), record(at=1e12))
    for _ in range(2):
        assert reading.count(home) == 1
        compacted(home)
    assert len(list(Folder(home).quarantine.glob("*.txt"))) == 1

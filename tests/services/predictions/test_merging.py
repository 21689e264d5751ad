import itertools
import shutil
from pathlib import Path

import pytest

from services.home import Home
from services.predictions import monitoring, reading
from services.predictions.folder import Folder
from services.predictions.log import PredictionLog
from services.predictions.merging import MANY, STAYS_S, Merging
from services.predictions.models import Feedback
from tests.services.predictions.records import DAY_S, NOON, Killed, KilledAt, compacted, record
from tests.services.predictions.records import written as write
from tests.services.predictions.test_compaction import M, P, told


def many(home: Home, count: int = MANY) -> None:
    for number in range(count):
        write(home, record(NOON + number), record(NOON + number + 0.5))


def parquets(home: Home) -> list[Path]:
    return [path for one in Folder(home).rows(P, M) for path in one.files()]


def merged(home: Home, now_s: float) -> None:
    """Merge, and once more when the files it stands for may go."""
    import time

    Merging(Folder(home)).run(now_s)
    Merging(Folder(home)).run(max(now_s, time.time() + STAYS_S + 1))


def test_twelve_files_become_one_and_the_old_ones_go_later(home: Home):
    many(home)
    before = told(home)
    compacted(home)
    names = [path.name for path in parquets(home)]
    assert len(names) == 1
    assert names[0].startswith("merged1-")
    folder = parquets(home)[0].parent
    assert len(list(folder.glob("*.parquet"))) == MANY + 1
    assert told(home) == before
    merged(home, NOON)
    assert len(list(folder.iterdir())) == 1
    assert told(home) == before


def test_a_day_that_is_over_is_one_file(home: Home):
    many(home, 3)
    compacted(home)
    assert len(parquets(home)) == 3
    before = told(home)
    merged(home, NOON + DAY_S)
    assert len(parquets(home)) == 1
    write(home, late := record(NOON + 100))
    compacted(home, NOON + DAY_S)
    assert len(parquets(home)) == 1
    assert reading.recent(home, limit=1)[0].id == late.id
    assert before != told(home)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_kill_at_any_step_loses_and_doubles_nothing(home: Home, tmp_path: Path):
    many(home, 4)
    compacted(home)
    before = told(home)
    for step in itertools.count():
        trial = Home(tmp_path / f"trial{step}")
        shutil.copytree(home.root, trial.root)
        with pytest.MonkeyPatch.context() as monkeypatch:
            KilledAt(monkeypatch, step)
            try:
                merged(trial, NOON + DAY_S)
            except Killed:
                killed = True
            else:
                killed = False
        assert told(trial) == before, f"killed at step {step}"
        merged(trial, NOON + DAY_S)
        assert told(trial) == before, f"after a kill at step {step}"
        assert len(parquets(trial)) == 1
        if not killed:
            break
    assert step > 10


def test_what_is_in_two_files_is_once_in_the_merged_one(home: Home):
    one = record()
    write(home, one)
    write(home, one, record(NOON + 1))
    compacted(home)
    merged(home, NOON + DAY_S)
    assert [bucket.requests for bucket in reading.series(home, P, M, NOON, NOON + 2, 1)] == [1, 1]
    assert len(monitoring.features(home, P, M)) == 4


def test_columns_that_changed_their_type_are_merged_as_duckdb_reads_them(home: Home):
    write(home, record(inputs={"a": [1, 2], "b": [1, 2]}))
    write(home, record(NOON + 1, inputs={"a": [1.5, 2.5], "b": ["x", None], "c": [True, False]}))
    compacted(home)

    def columns() -> dict[str, list[object]]:
        table = monitoring.features(home, P, M)
        found = table.sort_by([("answered_at", "ascending"), ("row", "ascending")]).to_pydict()
        return {name: found[name] for name in found if name.startswith("input")}

    wanted = {
        "input.a": [1.0, 2.0, 1.5, 2.5],
        "input.b": ["1", "2", "x", None],
        "input.c": [None, None, True, False],
    }
    assert columns() == wanted
    merged(home, NOON + DAY_S)
    assert columns() == wanted


def test_a_damaged_file_is_set_aside_and_the_others_are_read(home: Home):
    many(home, 3)
    compacted(home)
    parquets(home)[1].write_bytes(b"PAR1 nonsense")
    merged(home, NOON + DAY_S)
    merged(home, NOON + DAY_S)
    assert reading.count(home, P, M) == 4
    (said,) = Folder(home).quarantine.glob("*.txt")
    assert "is damaged" in said.read_text()


def test_each_label_of_a_request_is_merged_and_the_last_one_counts(home: Home):
    one = record()
    write(home, one)
    for number, label in enumerate(["first", "second", "third"]):
        log = PredictionLog.open(home, "labels", reserve_bytes=1 << 16)
        log.append_feedback(Feedback(one.id, NOON + number, label))
        log.close()
        compacted(home)
    merged(home, NOON + DAY_S)
    assert len(list(Folder(home).feedback(P, M)[0].path.iterdir())) == 1
    assert monitoring.labelled(home, P, M)["label"].to_pylist() == ['"third"']

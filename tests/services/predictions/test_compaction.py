import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from services.errors import PlatformError
from services.home import Home
from services.predictions import monitoring, reading
from services.predictions.compaction import Compactor
from services.predictions.folder import Folder
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from tests.services.predictions.records import (
    DAY_S,
    NOON,
    Killed,
    KilledAt,
    compacted,
    record,
    written,
)

P, M = "clip-finetuning", "clip"


def told(home: Home) -> object:
    """Return everything that readers tell."""
    labels = monitoring.labelled(home, P, M).drop_columns(["kept"]).to_pylist()
    features = monitoring.features(home, P, M).sort_by([("id", "ascending"), ("row", "ascending")])
    return (
        sorted(reading.recent(home, limit=100), key=lambda one: one.id),
        reading.count(home, P, M),
        reading.by_version(home, P, M),
        features.select(sorted(features.column_names)).to_pylist(),
        sorted(labels, key=lambda one: one["id"]),
    )


def busy(home: Home) -> None:
    """Write two segments of two days, two models, two versions, and labels."""
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16, segment_bytes=2000)
    for number in range(8):
        one = record(NOON + number * DAY_S / 15, version=3 + number // 4)
        log.append(one)
        log.append_feedback(Feedback(one.id, NOON + number, number))
    log.append(record(NOON, project="other", model="a b/c.d"))
    log.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_kill_at_any_step_loses_and_doubles_nothing(home: Home, tmp_path: Path):
    busy(home)
    before = told(home)
    for step in itertools.count():
        trial = Home(tmp_path / f"trial{step}")
        shutil.copytree(home.root, trial.root)
        with pytest.MonkeyPatch.context() as monkeypatch:
            KilledAt(monkeypatch, step)
            try:
                compacted(trial)
            except Killed:
                killed = True
            else:
                killed = False
        assert told(trial) == before, f"killed at step {step}"
        compacted(trial)
        assert told(trial) == before, f"after a kill at step {step}"
        assert not Folder(trial).segments()
        assert not list(trial.serving.rglob(".new-*"))
        if not killed:
            break
    assert step > 10


def test_what_is_written_twice_is_kept_once(home: Home):
    one, shadow = record(), record(version=4, shadow=True)
    shadow = record(version=4, shadow=True, id=one.id)
    written(home, one, one, shadow)
    assert reading.count(home) == 1
    assert len(reading.recent(home, shadow=None)) == 2
    compacted(home)
    assert len(reading.recent(home, shadow=None)) == 2
    assert [bucket.requests for bucket in reading.series(home, P, M, NOON, NOON + 1, 1)] == [1]


def test_damage_in_the_middle_takes_one_record_and_the_file_is_kept(home: Home):
    written(home, *(record(NOON + number) for number in range(5)))
    (path,) = Folder(home).segments()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert reading.count(home) == 4
    compacted(home)
    assert reading.count(home) == 4
    (aside,) = Folder(home).quarantine.glob("*.seg")
    assert aside.read_bytes() == data
    (said,) = Folder(home).quarantine.glob("*.txt")
    assert "are damaged" in said.read_text()


def test_nonsense_in_a_segment_is_no_record(home: Home):
    folder = Folder(home).open
    folder.mkdir(parents=True)
    (folder / "test-1-1-000001.seg").write_bytes(b"\xa7\x5c nonsense" * 1000)
    (folder / "test-1-1-000002.seg").write_bytes(b"")
    assert reading.count(home) == 0
    compacted(home)
    assert not Folder(home).segments()


def test_a_value_of_another_type_is_left_out_and_the_rest_is_there(home: Home):
    written(home, record(model_ms="soon"), record(NOON + 1))
    for _ in range(2):
        later, first = reading.recent(home)
        assert (first.model_ms, later.model_ms) == (None, 1.5)
        compacted(home)


def test_names_of_all_kinds_are_found_again(home: Home):
    names = ["a b", "a/b", "..", "a=b", "ä%20", "x" * 250, "É" * 120, "clip", "Clip", "CLIP"]
    written(home, *(record(model=name) for name in names))
    compacted(home)
    for name in names:
        assert [one.model for one in reading.recent(home, P, name)] == [name]
    folders = {str(path.parent).lower() for path in home.serving.rglob("*.parquet")}
    assert len(folders) == 2 * len(names)
    inside = (home.serving / "predictions").resolve()
    assert all(inside in path.resolve().parents for path in home.serving.rglob("*.parquet"))


def test_anybody_can_read_the_files_with_duckdb(home: Home):
    import duckdb

    written(home, record(), record(NOON + DAY_S, model="A b/c"))
    compacted(home)
    glob = str(home.serving / "predictions" / "project=*" / "**" / "*.parquet")
    with duckdb.connect(":memory:") as connection:
        rows = connection.execute(
            "SELECT project, model, CAST(date AS VARCHAR), json_extract(inputs, '$.age[1]') "
            "FROM read_parquet($glob, hive_partitioning = true) ORDER BY ALL",
            {"glob": glob},
        ).fetchall()
    assert rows == [
        (P, "A b/c", "2026-11-30", "44"),
        (P, "clip", "2026-11-29", "44"),
    ]


def test_two_at_once_are_refused(home: Home):
    compactor = Compactor(home, 1)
    with pytest.raises(PlatformError, match="Another process"):
        Compactor(home, 1)
    compactor.close()


def test_a_full_disk_is_said_and_nothing_is_lost(home: Home, monkeypatch):
    from services.predictions import parquet

    written(home, record())

    def refuse(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "save", refuse)
    with pytest.raises(PlatformError, match="Nothing is lost"):
        compacted(home)
    assert reading.count(home) == 1
    monkeypatch.undo()
    compacted(home)
    assert reading.count(home) == 1


def test_columns_are_typed(home: Home):
    inputs = {
        "age": [31, None],
        "ratio": [1, 2.5],
        "mixed": [1, "two"],
        "short": [[1.0, 2.0], [3.0]],
        "picture": [[[0.0] * 8] * 8, [[1.0] * 8] * 8],
        "said": [{"a": 1}, ["b"]],
        "nothing": [None, None],
        "other length": [1],
        "huge": [2**70, 1],
    }
    text = json.dumps({**inputs, "huge": [1e30, 1]}).encode()
    written(home, record(inputs=text, outputs={"ok": [True, False]}))
    for _ in range(2):
        found = monitoring.features(home, P, M).to_pydict()
        assert {name: values for name, values in found.items() if "." in name} == {
            "input.age": [31, None],
            "input.ratio": [1.0, 2.5],
            "input.mixed": ["1", "two"],
            "input.short[0]": [1.0, 3.0],
            "input.short[1]": [2.0, None],
            "input.picture.mean": [0.0, 1.0],
            "input.picture.std": [0.0, 0.0],
            "input.picture.min": [0.0, 1.0],
            "input.picture.max": [0.0, 1.0],
            "input.said": ['{"a":1}', '["b"]'],
            "input.huge": [1e30, 1.0],
            "output.ok": [True, False],
        }
        assert found["row"] == [0, 1]
        compacted(home)


def test_one_id_for_two_models_is_two_predictions(home: Home):
    """Applications pass one id on to all that they ask."""
    one = record()
    others = [replace(one, model="other"), replace(one, project="other")]
    written(home, one, *others, one)
    for _ in range(2):
        seen = reading.recent(home)
        assert {(s.project, s.model) for s in seen} == {(P, M), (P, "other"), ("other", M)}
        assert reading.count(home) == 3
        assert [reading.count(home, p, m) for p, m in ((P, M), (P, "other"), ("other", M))] == [
            1, 1, 1,
        ]  # fmt: skip
        compacted(home)
    assert len(reading.recent(home)) == 3

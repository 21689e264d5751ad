"""Rows of the log for training: what is had, what is left out, and how they are written."""

from pathlib import Path
from typing import Any

import pytest

from services.errors import ConflictError, PlatformError
from services.home import Home
from services.predictions import collected, collecting
from services.predictions.collecting import Collecting, Wanted
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback, Record
from tests.services.predictions.records import NOON, compacted, record, written
from tests.services.predictions.test_compaction import M, P
from tests.services.predictions.test_labels import said


def wanted(**changes: Any) -> Wanted:
    return Wanted(**{"project": P, "model": M, "since": NOON - 60, "until": NOON + 60, **changes})


def rows(home: Home, path: Path, **changes: Any) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    one = wanted(**changes)
    made = collected.write(
        path.with_name("part"), path, Collecting(home, one), one, lambda _done: None
    )
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    assert len(found) == made.rows
    return found


def labelled(home: Home, one: Record, label: Any) -> None:
    said(home, Feedback(one.id, one.at + 5, label))


def test_rows_have_their_columns_and_what_was_right_before_and_after_parquet(
    home: Home, tmp_path: Path
):
    first, second = record(), record(NOON + 1, inputs={"age": [7, 8.5], "name": ["Lin", None]})
    written(home, second, first)
    labelled(home, first, {"label": ["yes", "yes"]})
    for turn in range(2):
        found = rows(home, tmp_path / f"{turn}.parquet")
        assert [(r["id"], r["row"], r["label"]) for r in found] == [
            (first.id, 0, "yes"), (first.id, 1, "yes"), (second.id, 0, None), (second.id, 1, None),
        ]  # fmt: skip
        assert [r["input.age"] for r in found] == [31.0, 44.0, 7.0, 8.5]
        assert [r["input.name"] for r in found] == ["Ada", "Grace", "Lin", None]
        assert found[0]["output.label"] == "yes"
        assert found[0]["output.confidence"] == 0.75
        assert found[0]["label_at"].timestamp() == NOON + 5
        assert found[2]["label_at"] is None
        assert (found[0]["answered_at"].timestamp(), found[0]["version"]) == (NOON, 3)
        compacted(home)
    said_of = collected.about(tmp_path / "0.parquet")
    assert said_of == {
        "v": 1, "project": P, "model": M, "since": NOON - 60, "until": NOON + 60, "rows": 4,
        "labelled": 2, "versions": {"3": [4, 2]},
    }  # fmt: skip


def test_vectors_stay_vectors_and_what_nothing_else_holds_becomes_text(home: Home, tmp_path: Path):
    written(
        home,
        record(inputs={"x": [[1, 2], [3.5]], "odd": [1, 2], "o": [{}, {"a": 1}], "t": [["a"], []]}),
        record(NOON + 1, inputs={"x": [[4], None], "odd": ["a", True], "new": [1, 2]}),
    )
    found = rows(home, tmp_path / "a.parquet")
    assert [r["input.x"] for r in found] == [[1.0, 2.0], [3.5], [4.0], None]
    assert [r["input.odd"] for r in found] == ["1", "2", "a", "true"]
    assert [r["input.o"] for r in found] == ["{}", '{"a":1}', None, None]
    assert [r["input.t"] for r in found] == [["a"], [], None, None]
    assert [r["input.new"] for r in found] == [None, None, 1, 2]


def test_only_labelled_rows_are_had_when_they_are_asked_for(home: Home, tmp_path: Path):
    one, two, three = (record(NOON + number) for number in range(3))
    written(home, one, two, three)
    labelled(home, one, ["yes", None])
    labelled(home, two, ["no"])  # of another number of rows
    found = Collecting(home, wanted(labelled=True)).found()
    assert (found.full, found.rows, found.labels) == (2, 4, 2)
    (row,) = rows(home, tmp_path / "a.parquet", labelled=True)
    assert (row["id"], row["row"], row["label"]) == (one.id, 0, "yes")


def test_a_label_that_does_not_fit_is_counted(home: Home, tmp_path: Path):
    one = record()
    written(home, one)
    labelled(home, one, "yes")
    asked = wanted()
    path = tmp_path / "a.parquet"
    made = collected.write(
        path.with_name("part"), path, Collecting(home, asked), asked, lambda _: None
    )
    assert (made.rows, made.labelled, made.unfitting) == (2, 0, 1)


def test_shadows_failures_other_models_and_other_times_are_left_out(home: Home, tmp_path: Path):
    one = record()
    written(
        home, one, one, record(shadow=True), record(status=500, outputs=None), record(model="o"),
        record(NOON + 60), record(NOON - 61),
    )  # fmt: skip
    assert {r["id"] for r in rows(home, tmp_path / "a.parquet")} == {one.id}
    assert Collecting(home, wanted()).found().requests == {"full": 1}


def test_what_is_not_kept_as_it_came_is_counted_and_never_written(home: Home, tmp_path: Path):
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    kept, hashed = record(), record(NOON + 1)
    log.append(kept)
    log.append(hashed, privacy="hash")
    log.append(record(NOON + 2), privacy="off")
    log.close()
    labelled(home, hashed, ["yes", "no"])
    found = Collecting(home, wanted()).found()
    assert found.left_out == {"hashed": 1, "dropped": 1}
    assert (found.full, found.rows, found.labels) == (1, 2, 0)
    assert {r["id"] for r in rows(home, tmp_path / "a.parquet")} == {kept.id}


def test_of_too_many_the_newest_are_had_piece_by_piece(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(collecting, "MOST_ROWS", 10)
    monkeypatch.setattr(collecting, "_PIECE_BYTES", 150)
    asked = [record(NOON + number) for number in range(9)]
    written(home, *asked)
    one = wanted()
    told: list[int] = []
    path = tmp_path / "a.parquet"
    reads = Collecting(home, one)
    assert len(reads.pieces()) == 3
    made = collected.write(path.with_name("part"), path, reads, one, told.append)
    import pyarrow.parquet as pq

    ids = list(dict.fromkeys(pq.read_table(path)["id"].to_pylist()))
    assert ids == [each.id for each in asked[4:]]
    assert (made.rows, told[-1], len(told)) == (10, 10, 3)


def test_nothing_and_a_file_that_is_there_are_refused_and_nothing_is_left(
    home: Home, tmp_path: Path
):
    with pytest.raises(ConflictError, match="no row"):
        rows(home, tmp_path / "a.parquet")
    written(home, record())
    (tmp_path / "a.parquet").write_bytes(b"mine")
    with pytest.raises(ConflictError, match="not written over"):
        rows(home, tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == b"mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(PlatformError, match="cannot be written"):
        rows(home, tmp_path / "file" / "a.parquet")
    assert not list(tmp_path.glob("part"))
    assert collected.about(tmp_path / "a.parquet") is None

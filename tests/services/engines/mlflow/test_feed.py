from pathlib import Path

import pytest

from services.engines.mlflow import feed
from services.engines.mlflow.feed import FeedReader, FeedWriter, Note, Position


def test_a_reader_sees_what_was_noted_once(tmp_path: Path):
    writer, reader = FeedWriter(tmp_path), FeedReader(tmp_path)
    start = reader.end()
    writer.note("w", "run", ["a", "b"])
    found = reader.since(start)
    assert found is not None
    assert found[0] == (Note("w", "run", ("a", "b")),)
    assert reader.since(found[1]) == ((), found[1])


def test_a_line_still_being_written_waits(tmp_path: Path):
    writer, reader = FeedWriter(tmp_path), FeedReader(tmp_path)
    writer.note("w", "run", ["a"])
    with (tmp_path / "feed-000001.log").open("ab") as file:
        file.write(b'{"k":"run","w":"w",')
    found = reader.since(Position())
    assert found is not None
    notes, position = found
    assert len(notes) == 1
    with (tmp_path / "feed-000001.log").open("ab") as file:
        file.write(b'"r":["b"]}\n')
    found = reader.since(position)
    assert found is not None
    assert found[0] == (Note("w", "run", ("b",)),)


def test_rotation_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feed, "_ROTATE_BYTES", 200)
    writer, reader = FeedWriter(tmp_path), FeedReader(tmp_path)
    position, seen = reader.end(), []
    for number in range(50):
        writer.note("w", "run", [f"{number:032x}"])
        found = reader.since(position)
        assert found is not None
        notes, position = found
        seen += [note.runs[0] for note in notes]
    assert seen == [f"{number:032x}" for number in range(50)]


def test_a_place_that_is_gone_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feed, "_ROTATE_BYTES", 100)
    writer, reader = FeedWriter(tmp_path), FeedReader(tmp_path)
    writer.note("w", "run", ["first"])
    position = reader.end()
    for number in range(20):
        writer.note("w", "run", [f"{number:032x}"])
    assert reader.since(position) is None


def test_a_file_cut_short_is_said(tmp_path: Path):
    reader = FeedReader(tmp_path)
    (tmp_path / "feed-000001.log").write_bytes(b"")
    assert reader.since(Position(1, 10)) is None


def test_a_damaged_line_means_read_again(tmp_path: Path):
    (tmp_path / "feed-000001.log").write_bytes(b"\x00garbage\n")
    found = FeedReader(tmp_path).since(Position())
    assert found is not None
    assert found[0] == (Note("", "boot", ()),)


def test_no_feed_yet_is_nothing_new(tmp_path: Path):
    reader = FeedReader(tmp_path)
    assert reader.end() == Position()
    assert reader.since(Position()) == ((), Position())
    assert reader.since(Position(5, 5)) is None

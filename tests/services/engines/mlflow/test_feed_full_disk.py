"""The change feed on a disk without room: no answer is harmed, and what was missed is made up."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.engines.mlflow import feed
from services.engines.mlflow.feed import FeedReader, FeedWriter, Position
from services.engines.mlflow.server import Gate, Tokens
from tests.services.engines.mlflow.test_server import RUN, Behind, call, tokens
from tests.small_disk import SmallDisk, mounted

__all__ = ["tokens"]
UPDATE = "/api/2.0/mlflow/runs/log-metric"
BODY = b'{"run_id": "%s"}' % RUN.encode()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "disk", "64k") as found:
        yield found


def kinds(folder: Path) -> list[str]:
    found = FeedReader(folder).since(Position())
    assert found is not None
    return [note.kind for note in found[0]]


def write_until_missed(gate: Gate, folder: Path) -> None:
    """Write until notes find no room; each write is answered all the same."""
    before = -1
    while (size := sum(file.stat().st_size for file in folder.iterdir())) != before:
        before = size
        assert call(gate, UPDATE, "all", body=BODY, workspace="p") == 200


def test_a_write_without_room_for_its_note_is_answered_and_made_up_for(
    disk: SmallDisk, tokens: Tokens, caplog: pytest.LogCaptureFixture
):
    folder = disk.path / "feed"
    gate = Gate(Behind(), tokens, FeedWriter(folder))
    disk.fill()
    write_until_missed(gate, folder)
    assert call(gate, UPDATE, "all", body=BODY, workspace="p") == 200
    assert "boot" not in kinds(folder)[:-1]
    assert caplog.text.count("cannot be written") == 1

    disk.free()
    assert call(gate, "/health", None, method="GET") == 200
    assert kinds(folder)[-1] == "boot"
    assert call(gate, UPDATE, "all", body=BODY, workspace="p") == 200
    assert kinds(folder)[-1] == "run"


def test_half_a_line_is_ended_before_the_next(disk: SmallDisk):
    folder = disk.path / "feed"
    writer = FeedWriter(folder)
    writer.note("p", "run", [RUN])
    disk.fill()
    for _ in range(200):
        writer.note("p", "run", [RUN] * 7)
    text = (folder / "feed-000001.log").read_bytes()
    assert text
    assert not text.endswith(b"\n")  # a page is no multiple of a line: half of one found room
    disk.free()
    writer.settle()
    writer.note("p", "run", [RUN])
    assert kinds(folder)[-3:] == ["boot", "boot", "run"]


def test_a_next_file_that_cannot_be_made_is_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(feed, "_ROTATE_BYTES", 100)
    writer = FeedWriter(tmp_path)
    (tmp_path / "feed-000002.log").mkdir()
    for _ in range(5):
        writer.note("p", "run", [RUN])
    (tmp_path / "feed-000002.log").rmdir()
    writer.note("p", "run", [RUN])
    writer.note("p", "run", [RUN])
    assert (tmp_path / "feed-000002.log").stat().st_size > 0
    assert kinds(tmp_path)[-1] == "run"
    assert "boot" in kinds(tmp_path)

"""What our MLflow server answers when the disk under it is full."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.engines.mlflow.disk import ROOM_BYTES, FullDisk
from tests.services.engines.mlflow.test_server import Behind
from tests.small_disk import SmallDisk, mounted

MB = 1_000_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "disk", "32m") as found:
        yield found


def put(app: Any, parts: tuple[bytes, ...] = (b"x",), length: int = 1) -> tuple[int, bytes, int]:
    """Send a file in parts; return the status, the answer, and how many parts were not read."""
    headers = [(b"content-length", b"%d" % length)]
    waiting = list(parts)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app({"type": "http", "headers": headers}, receive, send))
    start, body = sent
    return start["status"], body["body"], len(waiting)


@pytest.mark.parametrize("status", [500, 503])
def test_what_fails_on_a_full_disk_is_an_outage_with_a_sentence(disk: SmallDisk, status: int):
    disk.fill()
    code, body, _ = put(FullDisk(Behind(status, b"(sqlite3.OperationalError)"), disk.path))
    assert code == 503
    assert json.loads(body) == {
        "error_code": "TEMPORARILY_UNAVAILABLE",
        "message": "The disk of the shared MLflow is full: 0.0 MB free.",
    }


@pytest.mark.parametrize("status", [200, 400, 404])
def test_what_a_full_disk_does_not_keep_from_an_answer_is_answered(disk: SmallDisk, status: int):
    disk.fill()
    assert put(FullDisk(Behind(status, b"own"), disk.path))[:2] == (status, b"own")


def test_what_fails_with_room_is_told_as_it_was(disk: SmallDisk):
    assert put(FullDisk(Behind(500, b"own"), disk.path))[:2] == (500, b"own")


def test_a_file_larger_than_the_room_fails_for_want_of_room(disk: SmallDisk):
    disk.fill(spare_bytes=ROOM_BYTES + 2 * MB)
    app = FullDisk(Behind(500, b"own"), disk.path)
    code, body, _ = put(app, length=3 * MB)
    assert code == 503
    assert "MB free: no room for 3.0 MB." in json.loads(body)["message"]
    assert put(app, length=1 * MB)[0] == 500


def test_a_client_that_still_sends_is_heard_out_before_it_is_answered(disk: SmallDisk):
    disk.fill()
    assert put(FullDisk(Behind(500), disk.path), (b"a", b"b", b"c"))[::2] == (503, 0)


def test_any_of_the_disks_may_be_the_full_one(tmp_path: Path, disk: SmallDisk):
    disk.fill()
    assert put(FullDisk(Behind(500), tmp_path, disk.path))[0] == 503


def test_a_folder_that_cannot_be_looked_at_is_no_full_disk(tmp_path: Path):
    assert put(FullDisk(Behind(500, b"own"), tmp_path / "none"))[:2] == (500, b"own")

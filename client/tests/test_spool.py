import os
from pathlib import Path

import pytest
from mlops_client.spool import Spool, waiting

BEGIN = {"project": "toy", "uri": "http://localhost:1", "configured": True}


def records(spool: Spool) -> list[int]:
    return [record["n"] for record, _ in spool.pending()]


def test_what_was_appended_is_pending_in_order(tmp_path: Path):
    spool = Spool.create(tmp_path, BEGIN)
    for number in range(5):
        spool.append({"api": "LogBatch", "n": number})
    assert records(spool) == [0, 1, 2, 3, 4]
    assert not spool.is_drained


def test_what_was_sent_is_not_sent_again_by_the_next_process(tmp_path: Path):
    spool = Spool.create(tmp_path, BEGIN)
    for number in range(3):
        spool.append({"api": "LogBatch", "n": number})
    (_, first), *_ = spool.pending()
    spool.progress.runs["local"] = "real"
    spool.sent(first)
    spool.close()
    again = Spool.adopt(waiting(tmp_path)[0])
    assert again is not None
    assert records(again) == [1, 2]
    assert again.progress.runs == {"local": "real"}


def test_a_line_cut_short_by_a_kill_is_left_out(tmp_path: Path):
    spool = Spool.create(tmp_path, BEGIN)
    spool.append({"api": "LogBatch", "n": 1})
    spool.append({"api": "LogBatch", "n": 2})
    os.truncate(spool.path, spool.path.stat().st_size - 3)
    assert records(spool) == [1]


def test_a_damaged_line_is_left_out_and_the_rest_is_read(tmp_path: Path):
    spool = Spool.create(tmp_path, BEGIN)
    for number in range(3):
        spool.append({"api": "LogBatch", "n": number})
    data = bytearray(spool.path.read_bytes())
    data[data.index(b'"n":1') + 4] = ord("7")
    spool.path.write_bytes(bytes(data))
    assert records(spool) == [0, 2]


def test_a_living_process_keeps_its_file(tmp_path: Path):
    spool = Spool.create(tmp_path, BEGIN)
    assert Spool.adopt(spool.path) is None
    spool.close()
    assert Spool.adopt(spool.path) is not None


def test_a_full_disk_keeps_nothing_of_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    spool = Spool.create(tmp_path, BEGIN)
    spool.append({"api": "LogBatch", "n": 1})
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:5]))
    with pytest.raises(OSError, match="No space"):
        spool.append({"api": "LogBatch", "n": 2})
    monkeypatch.undo()
    spool.append({"api": "LogBatch", "n": 3})
    assert records(spool) == [1, 3]


def test_files_are_private_and_removed_together(tmp_path: Path):
    spool = Spool.create(tmp_path / "spool", BEGIN)
    spool.append({"api": "Artifact", "n": 1})
    (spool.files() / "x").write_text("x")
    assert spool.path.stat().st_mode & 0o777 == 0o600
    spool.remove()
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_torn_line_that_cannot_be_cut_does_not_spoil_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    spool = Spool.create(tmp_path, BEGIN)
    real = os.write
    torn = iter([True])

    def write(file: int, data: bytes) -> int:
        return real(file, data[:5]) if next(torn, False) else real(file, data)

    def no(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(os, "ftruncate", no)
    with pytest.raises(OSError, match="No space"):
        spool.append({"api": "LogBatch", "n": 1})
    spool.append({"api": "LogBatch", "n": 2})
    assert records(spool) == [2]


def test_a_line_another_thread_is_writing_is_left_for_later(tmp_path: Path):
    spool = Spool.create(tmp_path, BEGIN)
    spool.append({"api": "LogBatch", "n": 1})
    line = spool.path.read_bytes().splitlines(keepends=True)[-1]
    with spool.path.open("ab") as stream:  # written whole, but its append() has not returned yet
        stream.write(line)
    assert records(spool) == [1]


def test_a_damaged_line_is_kept_aside_once(tmp_path: Path):
    spool = Spool.create(tmp_path, BEGIN)
    spool.append({"api": "LogBatch", "n": 1})
    data = bytearray(spool.path.read_bytes())
    data[-3] ^= 1
    spool.path.write_bytes(bytes(data))
    assert records(spool) == []
    assert records(spool) == []
    assert len((tmp_path / "refused" / spool.path.name).read_bytes().splitlines()) == 1

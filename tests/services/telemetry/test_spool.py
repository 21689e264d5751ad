import os
import stat
import time
import zlib
from pathlib import Path

import pytest

from services.errors import PlatformError
from services.telemetry import spool as spooling
from services.telemetry.spool import Spool
from tests.small_disk import mounted


def lines(first: int, end: int) -> list[bytes]:
    return [b'{"at": %d}' % number for number in range(first, end)]


def drained(spool: Spool) -> list[bytes]:
    """Return what would be sent, as an agent takes it."""
    found: list[bytes] = []
    while part := spool.newest() or spool.oldest():
        found += part.lines
        spool.sent(part)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(folder):
    made = Spool(folder)
    yield made
    made.close()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.z"))


def fill(spool: Spool, *added: bytes) -> None:
    for line in added:
        spool.add(line)


def test_what_is_added_is_sent_once_and_then_gone(spool, folder):
    fill(spool, *lines(0, 3))
    assert spool.waiting == 3
    assert drained(spool) == lines(0, 3)
    assert (spool.waiting, spool.newest(), spool.oldest()) == (0, None, None)
    assert (folder / "open.jsonl").stat().st_size == 0


def test_the_newest_goes_first_and_what_waited_from_the_oldest_on(spool, folder):
    fill(spool, *lines(0, 250))
    assert files(folder) == ["0000000001-120.z", "0000000002-120.z"]
    assert spool.newest().lines == tuple(lines(240, 250))
    assert spool.oldest().lines == tuple(lines(0, 120))
    assert spool.waiting == 250
    assert sorted(drained(spool), key=lambda line: int(line[7:-1])) == lines(0, 250)
    assert files(folder) == []


def test_a_killed_agent_goes_on_where_it_stopped(folder):
    first = Spool(folder)
    fill(first, *lines(0, 130))
    first.sent(first.newest())
    fill(first, *lines(130, 135))
    os.close(first._lock)  # as the kernel does for a killed one
    again = Spool(folder)
    assert again.waiting == 125
    assert drained(again) == [*lines(130, 135), *lines(0, 120)]
    again.close()


def test_a_line_that_was_being_written_is_cut_and_none_other_is_lost(folder):
    first = Spool(folder)
    fill(first, *lines(0, 3))
    first.close()
    with (folder / "open.jsonl").open("ab") as file:
        file.write(b'{"at": 3')
    again = Spool(folder)
    fill(again, *lines(4, 5))
    again.close()
    last = Spool(folder)
    assert drained(last) == [*lines(0, 3), *lines(4, 5)]
    last.close()


def test_a_part_that_was_closed_while_it_was_sent_is_sent_again_rather_than_lost(spool):
    fill(spool, *lines(0, 119))
    sending = spool.newest()
    fill(spool, *lines(119, 125))
    spool.sent(sending)
    assert drained(spool) == [*lines(120, 125), *lines(0, 120)]


def test_what_was_sent_of_a_part_is_not_sent_again(spool):
    fill(spool, *lines(0, 100))
    spool.sent(spool.newest())
    fill(spool, *lines(100, 110))
    sending = spool.newest()
    fill(spool, *lines(110, 225))
    assert sending.lines == tuple(lines(100, 110))
    assert drained(spool) == [*lines(220, 225), *lines(100, 220)]


def test_a_few_large_samples_make_a_part_as_well(spool, folder):
    fill(spool, *[b"x" * 400_000] * 4)
    assert files(folder) == ["0000000001-4.z"]


def test_beyond_its_room_the_oldest_are_given_up_and_it_is_said(folder):
    spool = Spool(folder, limit_bytes=6000)
    added = [os.urandom(10).hex().encode() for _ in range(120 * 6)]
    fill(spool, *added)
    assert sum(path.stat().st_size for path in folder.glob("*.z")) <= 6000
    assert spool.problem.endswith("samples were given up: no room for them.")
    kept = drained(spool)
    assert kept == added[-len(kept) :]
    assert 120 <= len(kept) < 720
    spool.close()


def test_what_the_other_end_keeps_no_longer_is_given_up(folder):
    spool = Spool(folder, keep_s=100.0)
    fill(spool, *lines(0, 120))
    old = time.time() - 200
    os.utime(folder / "0000000001-120.z", (old, old))
    fill(spool, *lines(120, 240))
    assert drained(spool) == lines(120, 240)
    spool.close()


def test_a_damaged_part_is_put_aside_and_the_rest_is_sent(spool, folder):
    fill(spool, *lines(0, 240))
    path = folder / "0000000001-120.z"
    path.write_bytes(path.read_bytes()[:-20])
    assert drained(spool) == lines(120, 240)
    assert [one.name for one in (folder / "refused").iterdir()] == ["0000000001-120.z"]
    assert "120 samples were given up" in spool.problem


def test_a_refused_sample_is_kept_for_a_person_but_not_every_one(spool, folder, monkeypatch):
    monkeypatch.setattr(spooling, "_REFUSED_KEPT", 3)
    for line in lines(0, 5):
        spool.refuse(line)
    kept = [path.read_bytes() for path in sorted((folder / "refused").iterdir())]
    assert kept == lines(2, 5)


def test_two_agents_do_not_share_a_folder(spool, folder):
    with pytest.raises(PlatformError, match="Another agent sends from"):
        Spool(folder)


def test_nobody_else_reads_it(spool, folder):
    fill(spool, *lines(0, 121))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "open.jsonl").stat().st_mode) == 0o600
    assert zlib.decompress((folder / "0000000001-120.z").read_bytes()) == b"\n".join(lines(0, 120))


def test_a_full_disk_loses_nothing_for_half_an_hour_and_says_so(tmp_path):
    with mounted(tmp_path / "disk", "256k") as disk:
        spool = Spool(disk.path / "spool")
        wide = [b"%04d" % number + b"x" * 96 for number in range(1100)]
        fill(spool, *wide[:10])
        disk.fill()
        fill(spool, *wide[10:500])
        assert "takes nothing (No space left on device)" in spool.problem
        assert spool.waiting == 500
        disk.free()
        fill(spool, *wide[500:510])
        assert spool.problem == ""
        assert max(len(part.lines) for part in (spool.newest(), spool.oldest()) if part) <= 120
        assert sorted(drained(spool)) == wide[:510]
        disk.fill()
        fill(spool, *wide)
        assert "samples were given up" in spool.problem
        assert spool.waiting == 900
        disk.free()
        assert sorted(drained(spool)) == wide[200:]
        spool.close()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PlatformError, match="cannot be written"):
        Spool(tmp_path / "file" / "spool")

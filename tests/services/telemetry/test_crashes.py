"""Kills, torn tails, damage, full disks: what was written whole is read, the rest is said."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.errors import PlatformError
from services.telemetry import closed, compaction
from services.telemetry.store import Store
from tests.services.telemetry.samples import (
    HOST,
    at,
    kept,
    measured,
    sample,
    store,
    unavailable,
    watts,
)
from tests.small_disk import SmallDisk, mounted

pytestmark = pytest.mark.engine  # real processes and servers

DAY = at(-3600), at(80_000)


def values(folder: Path) -> list[float | None]:
    reader = store(folder)
    return [one.readings[0].value for one in reader.samples(HOST, *DAY)]


def segment(folder: Path) -> Path:
    (found,) = (folder / HOST / "open").iterdir()
    return found


def written(folder: Path, count: int) -> bytes:
    place = store(folder)
    for n in range(count):
        place.append(watts(n * 2, float(n)))
    data = segment(folder).read_bytes()
    place.close()
    return data


@pytest.mark.parametrize("merged", [False, True])
def test_a_kill_at_any_byte_loses_nothing_but_the_torn_sample(tmp_path: Path, merged: bool):
    place, ends = store(tmp_path / "whole"), []
    for n in range(3):
        place.append(watts(n * 2, float(n)))
        ends.append(segment(tmp_path / "whole").stat().st_size)
    data = segment(tmp_path / "whole").read_bytes()
    place.close()
    for cut in range(len(data) + 1):
        folder = tmp_path / f"cut-{cut}"
        left_open(folder, data[:cut])
        complete = sum(cut >= end for end in ends)
        again = store(folder)
        again.append(watts(100, 55.0))
        if merged:
            again.merge()
        assert values(folder) == [*map(float, range(complete)), 55.0], cut
        assert again.problems() == ()
        again.close()


def left_open(folder: Path, data: bytes) -> None:
    opened = folder / HOST / "open"
    opened.mkdir(parents=True, exist_ok=True)
    (opened / "0000000001-aa.open").write_bytes(data)


def test_a_power_cut_that_leaves_nonsense_behind_is_cut_too(tmp_path: Path):
    data = written(tmp_path / "whole", 3)
    for tail in (bytes(500), os.urandom(500), b"\xa7\x5c" * 50):
        folder = tmp_path / tail[:4].hex()
        left_open(folder, data + tail)
        again = store(folder)
        again.append(watts(100, 55.0))
        assert values(folder) == [0.0, 1.0, 2.0, 55.0]
        assert (folder / HOST / "open" / "0000000001-aa.log").read_bytes() == data
        again.merge()
        assert values(folder) == [0.0, 1.0, 2.0, 55.0]
        assert again.problems() == ()
        again.close()


WRITER = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from services.engines.silicon.models import Reading, Sample
from services.telemetry.store import Store
store = Store(Path(sys.argv[1]), merge_in_background=False)
begin = datetime.now(UTC) - timedelta(hours=3)
for n in range(1_000_000):
    reading = Reading("cpu_w", float(n), "measured", "macmon")
    store.append(Sample("mac-a", begin + timedelta(milliseconds=n), 0.001, (reading,)))
    if n % 97 == 0:
        print(n, flush=True)
"""


def test_a_writer_killed_at_work_loses_nothing_it_said_it_kept(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    said = [int(process.stdout.readline()) for _ in range(40)]
    process.send_signal(signal.SIGKILL)
    said += [int(line) for line in process.communicate()[0].splitlines()]
    reader = Store(tmp_path, merge_in_background=False)
    end = reader.hosts()[0].last_at
    assert end
    span = end - timedelta(hours=4), end + timedelta(seconds=1)
    found = [one.readings[0].value for one in reader.samples(HOST, *span)]
    assert found == [float(n) for n in range(len(found))]
    assert len(found) > said[-1]
    again = Store(tmp_path, merge_in_background=False)
    again.merge()
    assert len(reader.samples(HOST, *span)) == len(found)
    reader.close()


def test_damage_in_the_middle_is_set_aside_and_all_else_is_read(tmp_path: Path):
    data = bytearray(written(tmp_path / "whole", 50))
    data[len(data) // 2] ^= 0x10
    folder = tmp_path / "damaged"
    left_open(folder, bytes(data))
    assert len(values(folder)) == 49
    again = store(folder)
    again.append(watts(1000, 1.0))
    again.merge()
    assert len(values(folder)) == 50
    (said,) = again.problems()
    assert "damaged" in said
    assert "other samples were kept" in said
    assert (folder / HOST / "quarantine" / "open-0000000001-aa.log").read_bytes() == bytes(data)
    again.close()


def test_a_lost_shape_loses_its_samples_and_no_others(tmp_path: Path):
    place = store(tmp_path / "whole")
    for n in range(10):
        place.append(watts(n * 2, float(n)))
    for n in range(10, 20):
        place.append(sample(n * 2, measured("gpu_w", float(n))))
    data = bytearray(segment(tmp_path / "whole").read_bytes())
    place.close()
    data[data.index(b'"gpu_w"') + 2] ^= 1
    left_open(tmp_path / "damaged", bytes(data))
    assert values(tmp_path / "damaged") == [float(n) for n in range(10)]


@pytest.fixture
def hours(tmp_path: Path) -> Iterator[tuple[Store, Path]]:
    """Three merged hours of one sample a minute."""
    place = store(tmp_path)
    for n in range(180):
        place.append(sample(n * 60, measured("cpu_w", float(n)), window_s=60.0))
    place.merge()
    yield place, tmp_path / HOST
    place.close()


@pytest.mark.parametrize("where", ["head", "middle", "cut", "empty"])
def test_a_damaged_hour_is_set_aside_with_a_sentence_and_the_others_are_read(
    hours: tuple[Store, Path], where: str
):
    _, folder = hours
    path = sorted((folder / "full").iterdir())[1]
    damage(path, where)
    reader = store(folder.parent)
    assert len(reader.samples(HOST, *DAY)) == 120
    (said,) = reader.problems()
    assert "2026-11-03 11:00 to 2026-11-03 12:00 UTC" in said
    assert (folder / "quarantine" / f"full-{path.name}").exists()
    (series,) = reader.series(HOST, ["cpu_w"], at(0), at(10_800), points=3)
    assert series.mean == (29.5, 89.5, 149.5), "its minutes are in another file"


def damage(path: Path, where: str) -> None:
    data = bytearray(path.read_bytes())
    if where == "head":
        data[10] ^= 1
    elif where == "middle":
        data[-len(data) // 8] ^= 1
    elif where == "cut":
        del data[len(data) // 2 :]
    else:
        data.clear()
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("kind", ["60", "600", "10800"])
def test_a_damaged_tier_is_made_again_from_what_is_finer(hours: tuple[Store, Path], kind: str):
    place, folder = hours
    before = place.series(HOST, ["cpu_w"], at(0), at(36_000), points=60)
    events = place.events(*DAY)
    (path,) = (folder / kind).iterdir()
    damage(path, "cut")
    place.append(watts(5, 3.0))
    place.merge()
    assert (
        place.series(HOST, ["cpu_w"], at(3600), at(36_000), points=60)[0].mean[:12]
        == (before[0].mean[6:18])
    )
    assert place.events(*DAY) == events
    assert [path for path in (folder / "quarantine").iterdir() if path.name.startswith(f"{kind}-")]


def test_a_merge_killed_anywhere_is_done_again_and_reads_the_same_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    taken = [
        sample(n * 20, measured("cpu_w", float(n)), unavailable("gpu_w", "asleep"), window_s=20.0)
        for n in range(400)
    ]
    steps = 0
    while True:
        folder = tmp_path / str(steps)
        place = store(folder)
        for one in taken:
            place.append(one)
        wanted = place.series(HOST, ["cpu_w", "gpu_w"], at(0), at(8000), points=140)
        with monkeypatch.context() as patched:
            done = dying_after(steps, patched)
            if done(place):
                place.close()
                break
        reader = store(folder)
        asked = reader.series(HOST, ["cpu_w", "gpu_w"], at(0), at(8000), points=140)
        assert asked == wanted, steps
        assert reader.samples(HOST, *DAY) == tuple(map(kept, taken)), steps
        place.merge()
        assert reader.series(HOST, ["cpu_w", "gpu_w"], at(0), at(8000), points=140) == wanted
        assert reader.samples(HOST, *DAY) == tuple(map(kept, taken)), steps
        assert not list((folder / HOST / "open").iterdir())
        place.close()
        steps += 1
    assert steps > 10


class KilledError(Exception):
    """The process ends here."""


def dying_after(steps: int, patched: pytest.MonkeyPatch):
    left = [steps]
    write, unlink = closed.blocks.write, Path.unlink

    def step() -> None:
        if left[0] == 0:
            raise KilledError
        left[0] -= 1

    def dying_write(*given: Any) -> None:
        step()
        write(*given)

    def dying_unlink(path: Path, missing_ok: bool = False) -> None:
        step()
        unlink(path, missing_ok=missing_ok)

    def merge(place: Store) -> bool:
        patched.setattr(closed.blocks, "write", dying_write)
        patched.setattr(compaction.Path, "unlink", dying_unlink)
        try:
            place.merge()
        except KilledError:
            return False
        return True

    return merge


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "disk", "2m") as found:
        yield found


def test_a_full_disk_is_said_and_nothing_is_lost_when_there_is_room_again(disk: SmallDisk):
    place = store(disk.path)
    for n in range(10):
        place.append(watts(n * 2, float(n)))
    disk.fill()
    for n in range(10, 200):
        try:
            place.append(watts(n * 2, float(n)))
        except PlatformError as error:
            said = error
    assert "No space left" in str(said)
    assert "wait in memory" in str(said)
    before = values(disk.path)
    assert before == [float(n) for n in range(len(before))]
    assert 10 <= len(before) < 200
    with pytest.raises(PlatformError, match="merged"):
        place.merge()
    assert values(disk.path) == before
    disk.free()
    place.append(watts(1000, 55.0))
    assert values(disk.path) == [*map(float, range(200)), 55.0]
    place.merge()
    assert values(disk.path) == [*map(float, range(200)), 55.0]
    assert place.problems() == ()
    place.close()


def test_a_host_that_comes_to_a_full_disk_is_a_sentence(disk: SmallDisk):
    place = store(disk.path)
    disk.fill()
    with pytest.raises(PlatformError, match="could not be written"):
        place.append(watts(0, 0.0))
    disk.free()
    place.append(watts(2, 1.0))
    assert values(disk.path) == [1.0]
    place.close()


def test_what_a_writer_left_that_never_came_back_is_merged_after_a_day(tmp_path: Path):
    left_open(tmp_path, written(tmp_path / "whole", 3))
    path = segment(tmp_path)
    other = store(tmp_path)
    other.append(sample(0, measured("cpu_w", 1.0), host="mac-b"))
    other.merge()
    assert path.exists(), "perhaps it is being written"
    os.utime(path, (0, 0))
    other.merge()
    assert not path.exists()
    assert values(tmp_path) == [0.0, 1.0, 2.0]
    other.close()


def test_half_a_write_is_taken_back_with_the_shape_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    place = store(tmp_path)
    place.append(watts(0, 0.0))
    real = os.write

    def half(handle: int, data: bytes) -> int:
        if len(data) < 40:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data[: len(data) // 2])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", half)
        with pytest.raises(PlatformError, match="1 samples wait"):
            place.append(sample(2, measured("gpu_w", 2.0)))
    assert values(tmp_path) == [0.0]
    place.append(sample(4, measured("gpu_w", 4.0)))
    assert values(tmp_path) == [0.0, 2.0, 4.0]
    place.merge()
    assert values(tmp_path) == [0.0, 2.0, 4.0]
    assert place.problems() == (), "half a write stands in the file"
    place.close()


def test_a_second_writer_of_a_host_is_refused_and_readers_are_not(tmp_path: Path):
    first, second = store(tmp_path), store(tmp_path)
    first.append(watts(0, 1.0))
    with pytest.raises(PlatformError, match="Another process writes the telemetry of mac-a"):
        second.append(watts(2, 2.0))
    second.append(sample(0, measured("cpu_w", 1.0), host="mac-b"))
    assert values(tmp_path) == [1.0]
    first.close()
    second.append(watts(2, 2.0))
    assert values(tmp_path) == [1.0, 2.0]
    second.close()

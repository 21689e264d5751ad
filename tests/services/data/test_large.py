"""One file of two gigabytes, and fifty thousand small ones."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from services.data.service import DataService
from services.home import Home
from tests.services.data.conftest import Make, write

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(400)]

SIZE = 2 << 30
PLACES = (0, SIZE // 3, SIZE - 4096)
MANY = 50_000


def parts(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return [os.pread(file.fileno(), 4096, place) for place in PLACES]


def cached_large(home: Home) -> Path:
    (found,) = [p for p in (home.root / "dvc" / "cache").rglob("*") if p.stat().st_size == SIZE]
    return found


def linked(one: Path, other: Path) -> bool:
    """Whether they share their bytes; clones of macOS cannot be told from copies."""
    return sys.platform == "darwin" or one.samefile(other)


def test_two_gigabytes_are_versioned_and_come_back_without_a_copy(
    service: DataService, home: Home, make: Make
):
    project = make()
    large = project / "data" / "large.bin"
    write(large, b"")
    wanted = [os.urandom(4096) for _ in PLACES]
    with large.open("r+b") as file:
        file.truncate(SIZE)
        for place, block in zip(PLACES, wanted, strict=True):
            os.pwrite(file.fileno(), block, place)
    first = service.track(project, "data")
    assert first.bytes == SIZE
    assert linked(large, cached_large(home))
    write(large, b"small now")
    assert service.track(project, "data").changed
    service.checkout("one", first.revision or "")
    assert (large.stat().st_size, parts(large)) == (SIZE, wanted)
    assert linked(large, cached_large(home))


def name(number: int) -> str:
    return f"{number // 1000:02}/{number}"


def test_fifty_thousand_files_are_versioned_compared_and_brought_back(
    service: DataService, make: Make
):
    project = make()
    data = project / "data"
    for number in range(0, MANY, 1000):
        (data / name(number)).parent.mkdir(parents=True)
    for number in range(MANY):
        (data / name(number)).write_text(f"file {number}")
    first = service.track(project, "data")
    assert first.files == MANY
    for number in (7, 20_000, MANY - 1):
        write(data / name(number), f"changed {number}")
    for number in (8, 30_000):
        (data / name(number)).unlink()
    write(data / "new", "new")
    second = service.track(project, "data")
    found = service.changes("one", second.revision or "")
    assert (found.added, found.changed, found.removed) == (1, 3, 2)
    shutil.rmtree(data)
    service.checkout("one", first.revision or "")
    there = {str(p.relative_to(data)) for p in data.rglob("*") if p.is_file()}
    assert there == {name(number) for number in range(MANY)}
    for number in (0, 7, 8, 20_000, 30_000, MANY - 1):
        assert (data / name(number)).read_text() == f"file {number}"
    assert service.track(project, "data").revision == first.revision

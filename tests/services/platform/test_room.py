from pathlib import Path

import pytest

from services.home import Home
from services.platform import room
from services.platform.status import status
from tests.small_disk import mounted


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


def test_one_disk_is_asked_once(home: Home):
    (found,) = room.free_bytes(home)
    assert found[0] == home.root
    assert found[1] > 0


def test_a_home_that_is_yet_to_be_made_is_asked_where_it_will_be(tmp_path: Path):
    assert [folder for folder, _ in room.free_bytes(Home(tmp_path / "no" / "home"))] == [tmp_path]


def test_the_disk_that_is_full_is_the_one_named(home: Home):
    with mounted(home.mlflow, "32m") as disk:
        assert [folder for folder, _ in room.free_bytes(home)] == [home.root, home.mlflow]
        assert room.full(home) == ""
        disk.fill(spare_bytes=1_000_000)
        said = room.full(home)
        assert said.startswith("The disk is full: 1.")
        assert f"free at {home.mlflow}." in said
        assert said.endswith(room.MEND)
        assert status(home).disk == said
        disk.free()
        assert room.full(home) == ""
        assert status(home).disk == ""


def test_each_of_several_disks_is_asked(home: Home):
    artifacts = home.mlflow / "artifacts"
    with mounted(home.mlflow, "1m"):
        artifacts.mkdir()
        with mounted(artifacts, "1m"):
            folders = [folder for folder, _ in room.free_bytes(home)]
    assert folders == [home.root, home.mlflow, artifacts]


def test_room_is_what_a_database_needs_to_write_at_all(home: Home, monkeypatch: pytest.MonkeyPatch):
    usage = type("Usage", (), {"free": room.FULL_BYTES})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    assert room.full(home) == ""
    usage.free -= 1
    assert room.full(home)


def test_a_disk_that_cannot_be_asked_leaves_the_rest_of_the_status(
    home: Home, monkeypatch: pytest.MonkeyPatch
):
    def gone(path: Path) -> object:
        raise PermissionError(path)

    monkeypatch.setattr("shutil.disk_usage", gone)
    found = status(home)
    assert found.disk == ""
    assert found.engines

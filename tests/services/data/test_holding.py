"""How much of a version another holds, and what of a version is nowhere any more."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from services.data import holding
from services.data.models import Held, Lost, Version
from services.data.remote import Remote
from services.data.service import DataService
from services.errors import EngineRefusedError
from services.home import Home
from tests.services.data.conftest import Make, cached, put
from tests.services.data.test_tracking import md5

pytestmark = pytest.mark.engine  # DVC itself works


@pytest.fixture
def grown(service: DataService, make: Make) -> tuple[Path, Version, Version]:
    """Return a folder and two versions: of a, b and an empty file, then of a under another name."""
    folder = make()
    put(folder, data__a="wrong labels", data__b="right", data__empty="")
    service.configure("one", folder)
    first = service.track(folder, "data").revision or ""
    (folder / "data" / "a").rename(folder / "data" / "renamed")
    put(folder, data__b="other", data__new="new")
    second = service.track(folder, "data").revision or ""
    return folder, service.find("one", first), service.find("one", second)


def test_files_are_known_by_content_whatever_their_name(
    service: DataService, grown: tuple[Path, Version, Version]
):
    _, first, second = grown
    assert service.held(first, second) == Held(1, 2)  # of a and b it holds a; no file of no bytes
    assert service.held(second, first) == Held(1, 3)
    assert not service.held(first, second).all
    assert service.held(first, first).all


def test_a_pair_is_counted_once_and_a_list_that_is_not_here_is_said(
    service: DataService, home: Home, grown: tuple[Path, Version, Version]
):
    _, first, second = grown
    cached(home, service.project("one").outs(second)[0].md5).unlink()
    with pytest.raises(EngineRefusedError, match="not in the cache, the list of data"):
        service.held(first, second)
    holding._pairs[service.remote.cache, first.revision, second.revision] = Held(7, 9)
    assert service.held(first, second) == Held(7, 9)


def test_what_is_in_the_cache_or_in_the_remotes_folder_is_not_lost(
    service: DataService, home: Home, grown: tuple[Path, Version, Version]
):
    _, first, _ = grown
    assert service.lost(first, 10) is None
    service.push("one", first.revision)
    cached(home, md5("wrong labels")).unlink()
    assert service.lost(first, 10) is None
    shutil.rmtree(home.root / "dvc" / "remote" / "files")
    assert service.lost(first, 10) == Lost(1, 3)
    assert service.lost(first) is None  # nobody asked for the files themselves
    cached(home, service.project("one").outs(first)[0].md5).unlink()
    assert service.lost(first) == Lost(3, 3, listed=False)


def test_a_remote_that_is_away_or_over_a_network_is_believed(
    service: DataService, home: Home, grown: tuple[Path, Version, Version], tmp_path: Path
):
    _, first, _ = grown
    shutil.rmtree(home.root / "dvc" / "cache")
    assert service.lost(first) == Lost(3, 3, listed=False)
    far = DataService(Remote(home, "s3://bucket/there"))
    assert far.lost(first) == Lost(3, 3, listed=False)
    assert far.lost(replace(first, remote="there")) is None
    disk = tmp_path / "disk"
    disk.mkdir()
    there = DataService(Remote(home, str(disk)))
    there.remote.ready()
    assert there.lost(first) == Lost(3, 3, listed=False)
    shutil.rmtree(disk)
    assert there.lost(first) is None

"""To the remote and back, and what happens when it is away."""

import shutil
import sys
from pathlib import Path

import pytest

from services.data.remote import Remote
from services.data.service import DataService
from services.errors import (
    EngineMissingError,
    EngineRefusedError,
    EngineUnreachableError,
    InputError,
)
from services.home import Home
from tests.services.data.conftest import Make, cached, content, put
from tests.services.data.test_checkout import FIRST, SECOND, Two, damage
from tests.services.data.test_tracking import md5

pytestmark = pytest.mark.engine  # DVC itself works


def test_what_is_sent_is_on_the_remote_and_known_to_be(
    service: DataService, home: Home, two_versions: Two
):
    _, first, second = two_versions
    assert service.push("one", first) == 4
    assert service.push("one", first) == 0
    by_revision = {v.revision: v for v in service.versions("one")}
    assert (by_revision[first].remote, by_revision[second].remote) == ("there", "not sent")
    assert by_revision[first].sent_at is not None
    kept = content(home.root / "dvc" / "remote" / "files")
    assert b"second" * 100 in kept.values()


def test_a_lost_cache_is_fetched_again(service: DataService, home: Home, two_versions: Two):
    project, first, _ = two_versions
    service.push("one", first)
    shutil.rmtree(home.root / "dvc" / "cache")
    (project / "data" / "a").unlink()
    assert service.pull("one", first) == 4
    assert cached(home, md5("first")).read_text() == "first"


def test_pull_puts_back_what_is_missing_in_the_folder(service: DataService, two_versions: Two):
    project, _, second = two_versions
    service.push("one", second)
    (project / "data" / "new").unlink()
    service.pull("one", second)
    assert content(project / "data") == SECOND


@pytest.fixture
def away(home: Home, tmp_path: Path) -> tuple[DataService, Path]:
    """A remote on a disk that can be taken away."""
    (tmp_path / "disk").mkdir()
    return DataService(Remote(home, str(tmp_path / "disk" / "remote"))), tmp_path / "disk"


def test_a_remote_that_is_away_is_queued_shown_and_tried_again(
    away: tuple[DataService, Path], project: Path
):
    service, disk = away
    first = service.track(project, "data").revision
    assert first is not None
    assert [q.revision for q in service.queue()] == [first]  # a chosen remote: by itself
    service.push_waiting()
    assert service.queue() == ()
    gone = disk.rename(disk.with_name("taken"))
    put(project, data__a="changed")
    second = service.track(project, "data").revision
    for tries in (1, 2):
        with pytest.raises(EngineUnreachableError, match="is away"):
            service.push_waiting()
        (waiting,) = service.queue()
        assert (waiting.revision, waiting.tries) == (second, tries)
        assert "is away" in waiting.reason
    assert not disk.exists()  # nothing was made in the place of the missing disk
    disk.mkdir()  # an empty mount point is not the remote either
    with pytest.raises(EngineUnreachableError, match="another one"):
        service.push_waiting()
    (status, _) = service.status("one")
    assert (status.remote, len(status.queued)) == ("queued", 1)
    disk.rmdir()
    gone.rename(disk)
    assert service.push_waiting() == 1
    assert service.queue() == ()
    assert {v.remote for v in service.versions("one")} == {"there"}


def test_a_version_with_a_damaged_file_is_not_sent(
    service: DataService, home: Home, two_versions: Two
):
    _, first, _ = two_versions
    name = md5("second" * 100)
    damage(cached(home, name))
    with pytest.raises(EngineRefusedError, match=name):
        service.push("one", first)
    assert not (home.root / "dvc" / "remote" / "files" / "md5" / name[:2] / name[2:]).exists()
    assert [v.remote for v in service.versions("one")] == ["not sent", "queued"]


def test_pruning_frees_old_versions_that_are_sent_and_nothing_else(
    service: DataService, home: Home, two_versions: Two, make: Make
):
    project, first, second = two_versions
    kept = service.prune("one")
    assert (kept.files, kept.kept_unsent) == (0, 2)
    service.push("one", first)
    other = make("two")
    put(other, data__x="first")  # another project uses this file now
    service.track(other, "data")
    done = service.prune("one")
    assert (done.files, done.freed_bytes, done.kept_unsent) == (1, 600, 0)
    assert cached(home, md5("first")).exists()
    assert not cached(home, md5("second" * 100)).exists()
    service.checkout("one", first)
    assert content(project / "data") == FIRST
    assert service.find("one", second).current is False


def test_pruning_keeps_as_many_as_asked(service: DataService, home: Home, two_versions: Two):
    service.push("one", two_versions[1])
    assert service.prune("one", keep=2).files == 0
    with pytest.raises(InputError, match="at least 1"):
        service.prune("one", keep=0)


def test_pruning_without_the_remote_removes_nothing(
    away: tuple[DataService, Path], project: Path, home: Home
):
    service, disk = away
    service.track(project, "data")
    put(project, data__a="changed")
    service.track(project, "data")
    service.push_waiting()
    disk.rename(disk.with_name("taken"))
    before = content(home.root / "dvc" / "cache")
    with pytest.raises(EngineUnreachableError):
        service.prune("one")
    assert content(home.root / "dvc" / "cache") == before


@pytest.mark.parametrize(
    "url", ["http://x", "s3://", "s3://key:secret@bucket", "ssh://host/x", "s3://a'b", "s3://a\nb"]
)
def test_addresses_that_are_none_are_refused(home: Home, project: Path, url: str):
    with pytest.raises(InputError):
        DataService(Remote(home, url)).configure("one", project)


@pytest.mark.parametrize(("url", "package"), [("gs://bucket/x", "gs"), ("azure://box/x", "azure")])
def test_a_cloud_whose_package_is_missing_is_a_sentence(
    home: Home, project: Path, url: str, package: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, f"dvc_{package}", None)
    service = DataService(Remote(home, url))
    found = service.track(project, "data")
    assert found.revision is not None  # tracking needs no remote
    with pytest.raises(EngineMissingError, match=f"dvc-{package}"):
        service.push("one", found.revision)


@pytest.mark.slow
def test_google_cloud_storage_that_is_away_is_waited_for_without_a_word_of_its_own(
    home: Home, project: Path, capfd: pytest.CaptureFixture[str]
):
    service = DataService(Remote(home, "gs://bucket/x", {"endpointurl": "http://127.0.0.1:9"}))
    revision = service.track(project, "data").revision
    with pytest.raises(EngineUnreachableError, match="cannot be reached"):
        service.push("one", revision or "")
    assert [waiting.tries for waiting in service.queue()] == [1]
    assert capfd.readouterr() == ("", "")


def test_what_one_remote_has_another_has_not(
    home: Home, project: Path, tmp_path: Path, two_versions: Two
):
    _, first, second = two_versions
    DataService(Remote(home)).push("one", first)
    other = tmp_path / "other"
    service = DataService(Remote(home, str(other)))
    assert service.push("one", second) > 0
    assert {v.revision: v.remote for v in service.versions("one")} == {
        first: "not sent", second: "there",
    }  # fmt: skip
    assert list(other.rglob("*.dir"))


def test_to_a_remote_that_is_chosen_the_present_versions_are_sent(
    home: Home, tmp_path: Path, two_versions: Two
):
    project, _, second = two_versions
    DataService(Remote(home)).push("one", second)
    service = DataService(Remote(home, str(tmp_path / "other")))
    service.configure("one", project)
    assert [waiting.revision for waiting in service.queue()] == [second]
    assert service.push_waiting() == 1
    assert DataService(Remote(home, str(tmp_path / "other"))).versions("one")[0].remote == "there"


def test_options_are_readable_by_their_owner_alone(home: Home, project: Path):
    service = DataService(Remote(home, "s3://bucket/x", {"secret_access_key": "hush"}))
    service.configure("one", project)
    folder = home.root / "data" / "one" / ".dvc"
    assert "hush" not in (folder / "config").read_text()
    assert "hush" in (folder / "config.local").read_text()
    assert (folder / "config.local").stat().st_mode & 0o077 == 0
    assert "hush" not in str(content(home.root / "data" / "one" / ".git"))


def test_changed_settings_reach_the_repository(home: Home, project: Path):
    DataService(Remote(home)).configure("one", project)
    DataService(Remote(home, "s3://bucket/x")).configure("one", project)
    assert "s3://bucket/x" in (home.root / "data" / "one" / ".dvc" / "config").read_text()

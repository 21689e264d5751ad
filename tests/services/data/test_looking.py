"""What pages ask: differences, what is under way, what pruning frees, how the remote stands."""

import threading
import time
from pathlib import Path

import pytest

from services.data.models import FileChange, Prunable, Room
from services.data.picture import Picture
from services.data.remote import Remote
from services.data.repository import Repository
from services.data.service import DataService
from services.errors import EngineRefusedError, EngineUnreachableError, InputError, PlatformError
from services.home import Home
from tests.services.data.conftest import Make, cached, put
from tests.services.data.test_tracking import md5

pytestmark = pytest.mark.engine  # DVC itself works

Two = tuple[Path, str, str]


def test_only_what_differs_is_told_with_its_sizes(service: DataService, two_versions: Two):
    _, first, second = two_versions
    found = service.changes("one", second)
    assert (found.against, found.added, found.changed, found.removed) == (first, 1, 1, 1)
    assert found.files == (
        FileChange("data/a", "changed", 5, 7),
        FileChange("data/new", "added", None, 3),
        FileChange("data/sub/b", "removed", 600, None),
    )


def test_a_size_the_cache_cannot_tell_is_not_known(
    service: DataService, home: Home, two_versions: Two
):
    cached(home, md5("first")).unlink()
    (found,) = (f for f in service.changes("one", two_versions[2]).files if f.path == "data/a")
    assert (found.before, found.after) == (None, 7)


def test_a_page_does_not_fetch_a_list_that_is_not_here(
    service: DataService, home: Home, two_versions: Two
):
    _, first, second = two_versions
    service.push("one", first)
    listing = service.project("one").outs(service.find("one", first))[0].md5
    cached(home, listing).unlink()
    with pytest.raises(EngineRefusedError, match="not in the cache, the list of data"):
        service.changes("one", second, fetch=False)
    assert service.changes("one", second).removed == 1  # fetched


def test_versions_of_two_projects_are_compared_when_one_shares(
    service: DataService, two_versions: Two, make: Make
):
    _, first, second = two_versions
    folder = make("two")
    put(folder, data__a="first", data__own="own")
    own = service.track(folder, "data").revision
    assert own is not None
    service.share("one", "two", "data", "ana")
    assert [v.revision for v in service.shared_with("two")] == [second, first]
    assert service.shared_with("one") == ()
    found = service.changes("two", own, first)
    assert [(f.path, f.change) for f in found.files] == [
        ("data/own", "added"),
        ("data/sub/b", "removed"),
        ("data/sub/deep/c", "removed"),
    ]
    assert service.changes("two", second).against == first  # what was before it, at its owner's


def test_data_is_not_compared_with_models(service: DataService, two_versions: Two):
    folder, first, _ = two_versions
    put(folder, models__m="m")
    models = service.track(folder, "models").revision
    assert models is not None
    with pytest.raises(InputError, match="two of a kind"):
        service.changes("one", first, models)


def test_the_history_is_read_once_for_each_head(
    service: DataService, two_versions: Two, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []
    real = Repository.log

    def counted(self: Repository, commit: str):
        asked.append(commit)
        return real(self, commit)

    monkeypatch.setattr(Repository, "log", counted)
    assert service.versions("one") == service.versions("one")
    assert len(asked) == 1
    put(two_versions[0], data__a="third")
    third = service.track(two_versions[0], "data").revision
    assert service.versions("one")[0].revision == third
    assert len(asked) == 2


def test_the_head_is_found_when_git_has_packed_its_names(service: DataService, two_versions: Two):
    repository = service.project("one").repository
    head = repository.head()
    repository._git("pack-refs", "--all")
    assert not (repository.folder / ".git" / "refs" / "heads" / "main").exists()
    assert repository.head() == head
    assert len(service.versions("one")) == 2


def test_a_repository_that_lost_its_head_is_damaged_and_not_empty(
    service: DataService, home: Home, two_versions: Two
):
    main = home.root / "data" / "one" / ".git" / "refs" / "heads" / "main"
    main.write_text("0" * 39 + "1\n")
    with pytest.raises(PlatformError, match="git failed in the data repository"):
        service.versions("one")
    with pytest.raises(PlatformError, match="git failed in the data repository"):
        service.status("one")


def test_a_folder_that_is_no_projects_is_passed_over(service: DataService, home: Home, project):
    service.track(project, "data")
    (home.root / "data" / "lost+found" / ".git").mkdir(parents=True)
    assert service.projects() == ("one",)


def test_what_is_under_way_ends_with_who_did_it(service: DataService, project: Path):
    place = service.project("one").place
    service.track(project, "data")
    said = '{"what": "sending", "files": 1, "files_total": 4, "bytes": 0, "bytes_total": null, '
    said += '"at": "2026-01-01T00:00:00+00:00"}'
    place.progress.write_text(said)
    assert service.underway("one") is None  # left by one that was killed: nobody holds the lock
    with place.held():
        place.progress.write_text(said)
        found = service.underway("one")
        assert found is not None
        assert (found.what, found.files, found.files_total) == ("sending", 1, 4)
        assert place.busy()
    assert not place.busy()


def test_pruning_says_before_what_it_frees(service: DataService, home: Home, two_versions: Two):
    folder, first, _ = two_versions
    assert service.prunable("one", keep=2) == Prunable(0, 0, 0)
    # "first" and "second"*100 are of the old version alone; the empty file is in both.
    assert service.prunable("one") == Prunable(1, 2, 605)
    kept = folder / "kept"
    kept.hardlink_to(cached(home, md5("first")))
    assert service.prunable("one") == Prunable(1, 2, 600)  # what lies elsewhere frees nothing
    kept.unlink()
    service.push("one", first)
    done = service.prune("one")
    assert (done.files, done.freed_bytes) == (2, 605)
    assert service.prunable("one") == Prunable(1, 0, 0)
    assert folder.is_dir()


def test_the_room_of_the_cache_counts_what_lies_in_a_folder_too(
    service: DataService, home: Home, project: Path
):
    assert service.room() == Room(0, 0, 0)
    service.track(project, "data")
    found = service.room()
    assert found.files == 4  # three files and their list
    listing = service.project("one").outs(service.project("one").current("data"))[0].md5
    assert found.bytes == 605 + cached(home, listing).stat().st_size
    files = [f.stat() for f in (project / "data").rglob("*") if f.is_file()]
    assert found.linked_bytes == sum(f.st_size for f in files if f.st_nlink > 1)
    (home.root / "dvc" / "cache" / "files" / "md5" / "stray").write_text("x")
    assert service.room().files == 4


def test_a_remote_nobody_used_yet_is_not_called_there(service: DataService, home: Home):
    found = service.standing()
    assert (found.state, found.configured, found.at) == ("not asked", False, None)
    assert not (home.root / "dvc" / "remote").exists()  # looking makes nothing


def test_a_remote_folder_is_there_until_it_is_another(home: Home, tmp_path: Path, project: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    service = DataService(Remote(home, str(disk / "remote")))
    service.track(project, "data")
    service.push_waiting()
    found = service.standing()
    assert (found.state, found.configured, found.reason) == ("there", True, "")
    assert found.at is not None
    disk.rename(tmp_path / "taken")
    away = service.standing()
    assert away.state == "away"
    assert "mount it again" in away.reason


def test_an_object_store_stands_as_it_last_answered(
    home: Home, project: Path, monkeypatch: pytest.MonkeyPatch
):
    service = DataService(Remote(home, "s3://bucket/prefix"))
    first = service.track(project, "data").revision
    assert first is not None
    assert service.standing().state == "not asked"

    def gone(*_: object) -> int:
        raise EngineUnreachableError("The remote cannot be reached: no route.")

    monkeypatch.setattr("services.engines.dvc.adapter.DVC.push", gone)
    with pytest.raises(EngineUnreachableError):
        service.push("one", first)
    found = service.standing()
    assert (found.state, found.reason) == ("away", "The remote cannot be reached: no route.")
    monkeypatch.setattr("services.engines.dvc.adapter.DVC.push", lambda *_: 3)
    service.push("one", first)
    assert service.standing().state == "there"


# The picture


def test_the_picture_is_what_the_folders_are(service: DataService, two_versions: Two):
    folder, _, second = two_versions
    picture = Picture(service)
    found = picture.statuses(["one", "nobody"], wait_s=20)
    assert found["one"].value == service.status("one")
    assert found["nobody"].value is None
    assert "no data repository yet" in str(found["nobody"].trouble)
    assert picture.room(20).value == service.room()
    assert picture.standing(20).value == service.standing()
    put(folder, data__a="third")
    service.track(folder, "data")  # what was done shows at once
    (data, _) = picture.statuses(["one"], wait_s=20)["one"].value or ()
    assert data.revision not in {None, second}
    assert data.versions == 3


class Slow(DataService):
    """One whose disks hang until they are let go."""

    gate = threading.Event()

    def status(self, project_id: str):
        self.gate.wait(30)
        return super().status(project_id)


def test_a_disk_that_hangs_holds_up_no_page(home: Home, service: DataService, project: Path):
    service.track(project, "data")
    slow = Slow(Remote(home))
    slow.gate.clear()
    picture = Picture(slow)
    begun = time.monotonic()
    found = picture.statuses(["one"], wait_s=0.05)
    assert time.monotonic() - begun < 5
    assert (found["one"].value, found["one"].trouble) == (None, None)
    slow.gate.set()
    assert picture.statuses(["one"], wait_s=20)["one"].value == service.status("one")


def test_a_defect_in_a_look_is_raised_to_who_asks(
    service: DataService, project: Path, monkeypatch: pytest.MonkeyPatch
):
    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(DataService, "standing", broken)
    with pytest.raises(ZeroDivisionError):
        Picture(service).standing(20)


def test_differences_are_found_once(
    service: DataService, two_versions: Two, monkeypatch: pytest.MonkeyPatch
):
    picture = Picture(service)
    _, first, second = two_versions
    found = picture.changes("one", second, first)
    monkeypatch.setattr(DataService, "changes", None)
    assert picture.changes("one", second, first) is found


def test_a_difference_with_an_unknown_size_is_asked_again(
    service: DataService, home: Home, two_versions: Two
):
    picture = Picture(service)
    _, first, second = two_versions
    kept = cached(home, md5("first"))
    moved = kept.rename(kept.with_name("away"))
    assert next(f for f in picture.changes("one", second, first).files).before is None
    moved.rename(kept)
    assert next(f for f in picture.changes("one", second, first).files).before == 5

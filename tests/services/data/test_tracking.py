"""What is tracked, what it is called, and what is left alone."""

import hashlib
import os
import stat
import subprocess
from pathlib import Path

import pytest

from services.data.folder import fingerprint, scan
from services.data.models import Tracked
from services.data.service import DataService
from services.engines.dvc.models import File, Progress
from services.errors import EngineRefusedError, InputError, PlatformError
from services.home import Home
from tests.services.data.conftest import Make, cached, content, put, write

pytestmark = pytest.mark.engine  # DVC itself works


def md5(held: str | bytes) -> str:
    content = held.encode() if isinstance(held, str) else held
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_the_fingerprint_is_the_one_the_client_computes():
    files = [File("data/a", 3, 1_700_000_000_000_000_001, 7), File("data/ä/b c", 0, 5, 8)]
    text = "data/a\x003\x001700000000000000001\ndata/ä/b c\x000\x005\n"
    assert fingerprint(files) == hashlib.sha256(text.encode()).hexdigest()
    assert fingerprint([]) == hashlib.sha256(b"").hexdigest()


def test_files_are_in_order_of_their_path(project: Path):
    write(project / "data" / "sub.txt", "")
    found = [file.path for file in scan(project, ["data"])]
    assert found == ["data/a", "data/sub.txt", "data/sub/b", "data/sub/deep/c"]


def test_tracking_names_what_is_there(service: DataService, project: Path):
    found = service.track(project, "data")
    assert found.revision is not None
    assert len(found.revision) == 16
    assert (found.kind, found.changed, found.files, found.bytes) == ("data", True, 3, 605)
    assert found.fingerprint == fingerprint(scan(project, ["data"]))
    (version,) = service.versions("one")
    assert (version.revision, version.current, version.remote) == (found.revision, True, "not sent")
    assert (version.files, version.bytes, version.paths) == (3, 605, ("data",))


def test_the_same_content_is_no_new_version_and_has_the_same_name(
    service: DataService, project: Path, make: Make
):
    first = service.track(project, "data")
    again = service.track(project, "data")
    assert (again.revision, again.changed) == (first.revision, False)
    other = make("two")
    put(other, data__a="first", data__sub__b="second" * 100, data__sub__deep__c="")
    assert service.track(other, "data").revision == first.revision
    assert len(service.versions("one")) == 1


def test_a_touched_file_is_read_again_and_no_new_version(service: DataService, project: Path):
    first = service.track(project, "data")
    write(project / "data" / "a", "first")
    again = service.track(project, "data")
    assert (again.revision, again.changed) == (first.revision, False)
    assert again.fingerprint != first.fingerprint or not again.changed


def test_what_did_not_change_is_answered_without_dvc(
    service: DataService, project: Path, monkeypatch: pytest.MonkeyPatch
):
    first = service.track(project, "data")
    monkeypatch.setattr("services.data.project.ProjectData.dvc", None)
    assert service.track(project, "data").revision == first.revision


@pytest.mark.parametrize("text", ["second" * 100, "2", ""])
def test_any_change_is_a_version(service: DataService, project: Path, text: str):
    first = service.track(project, "data")
    write(project / "data" / "a", text)
    second = service.track(project, "data")
    assert second.changed
    assert second.revision != first.revision


def test_a_change_that_keeps_size_and_time_to_the_second_is_seen(
    service: DataService, project: Path
):
    first = service.track(project, "data")
    write(project / "data" / "a", "FIRST")
    assert service.track(project, "data").revision != first.revision


def test_data_and_models_are_apart(service: DataService, project: Path):
    put(project, models__m="weights")
    data, models = service.track(project, "data"), service.track(project, "models")
    assert data.revision != models.revision
    assert [v.kind for v in service.versions("one")] == ["models", "data"]
    assert all(version.current for version in service.versions("one"))


def test_nothing_there_is_said_and_no_version(service: DataService, project: Path):
    found = service.track(project, "models")
    assert (found.revision, found.changed, found.files) == (None, False, 0)
    assert found.reason == "There is no file under models yet."
    assert service.versions("one", "models") == ()


def test_a_single_file_can_be_listed(service: DataService, make: Make):
    folder = make("file", data=("train.csv", "more/"))
    put(folder, train_dot_csv="1,2", more__x="x")
    first = service.track(folder, "data")
    assert first.files == 2
    write(folder / "train.csv", "3,4")
    service.track(folder, "data")
    assert first.revision is not None
    service.checkout("file", first.revision)
    assert (folder / "train.csv").read_text() == "1,2"


def test_tracked_files_are_links_not_copies(service: DataService, home: Home, project: Path):
    service.track(project, "data")
    there = (project / "data" / "sub" / "b").stat()
    kept = cached(home, md5("second" * 100)).stat()
    # A clone has an inode of its own and stays writable; a hard link is the cache's file.
    if there.st_ino == kept.st_ino:
        assert stat.S_IMODE(there.st_mode) == 0o444
    assert stat.S_IMODE(kept.st_mode) == 0o444


def test_the_same_bytes_are_stored_once(
    service: DataService, home: Home, project: Path, make: Make
):
    other = make("two")
    put(other, data__x="first", data__y="first")
    service.track(project, "data")
    service.track(other, "data")
    objects = content(home.root / "dvc" / "cache" / "files")
    assert sorted(objects.values()).count(b"first") == 1
    inodes = {(folder / name).stat().st_ino for folder, name in _links(project, other)}
    if (project / "data" / "a").stat().st_nlink > 1:
        assert len(inodes) == 1


def _links(project: Path, other: Path) -> list[tuple[Path, str]]:
    return [(project, "data/a"), (other, "data/x"), (other, "data/y")]


def test_release_makes_files_writable_and_leaves_the_cache_alone(
    service: DataService, home: Home, project: Path
):
    put(project, models__m="weights")
    first = service.track(project, "models")
    fast = first.fingerprint
    service.release(project, "models")
    path = project / "models" / "m"
    assert path.stat().st_nlink == 1
    assert path.stat().st_mode & stat.S_IWUSR
    assert fingerprint(scan(project, ["models"])) == fast
    path.write_text("better!")
    assert cached(home, md5("weights")).read_text() == "weights"
    assert service.track(project, "models").revision != first.revision
    assert first.revision is not None
    service.checkout("one", first.revision)
    assert path.read_text() == "weights"


def test_what_was_written_to_through_a_link_is_said(
    service: DataService, home: Home, project: Path
):
    first = service.track(project, "data")
    path = project / "data" / "a"
    if path.stat().st_nlink == 1:
        pytest.skip("this file system has clones: a file cannot be written to through one")
    path.chmod(0o644)
    path.write_text("in place")
    second = service.track(project, "data")
    assert second.changed
    assert "data/a was written to in place" in second.reason
    assert f"version {first.revision} can only be fetched" in second.reason
    assert cached(home, md5("in place")).read_text() == "in place"
    assert not cached(home, md5("first")).exists()


def test_a_file_written_to_while_it_is_kept_is_refused(
    service: DataService, project: Path, monkeypatch: pytest.MonkeyPatch
):
    def writing(progress: Progress) -> None:
        if progress.what == "keeping" and progress.files == 0:
            write(project / "data" / "sub" / "b", "meanwhile")

    with pytest.raises(EngineRefusedError, match="data/sub/b was written to while"):
        service.track(project, "data", writing)
    assert service.versions("one") == ()
    assert service.track(project, "data").files == 3


def test_a_cache_that_is_damaged_never_takes_a_good_files_place(
    service: DataService, home: Home, project: Path, make: Make
):
    other = make("two")
    put(other, data__x="first")
    service.track(project, "data")
    (project / "data" / "a").unlink()
    kept = cached(home, md5("first"))
    kept.chmod(0o644)
    kept.write_text("FIRST")
    kept.chmod(0o444)
    service.track(other, "data")
    assert (other / "data" / "x").read_text() == "first"
    assert kept.read_text() == "first"


@pytest.mark.parametrize("to", ["/etc/passwd", "../../secret", "a", "."])
def test_symbolic_links_are_refused(service: DataService, project: Path, to: str):
    (project / "data" / "link").symlink_to(to)
    with pytest.raises(InputError, match="data/link is a symbolic link"):
        service.track(project, "data")
    assert service.versions("one") == ()


def test_a_listed_path_that_is_a_link_is_refused(service: DataService, make: Make, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    put(elsewhere, secret="s")
    folder = make("linked", data=("in/data",))
    (folder / "in").symlink_to(elsewhere)
    with pytest.raises(InputError, match="in is a symbolic link"):
        service.track(folder, "data")


def test_pipes_are_refused_and_do_not_hang(service: DataService, project: Path):
    os.mkfifo(project / "data" / "pipe")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        service.track(project, "data")


def test_a_name_that_is_no_text_is_refused(service: DataService, project: Path):
    (project / "data" / os.fsdecode(b"\xff")).touch()
    with pytest.raises(InputError, match="not valid UTF-8"):
        service.track(project, "data")


@pytest.mark.parametrize(
    ("data", "models", "said"),
    [
        (["x/", "x/y"], [], "one lies in the other"),
        (["x"], ["x/models"], "one lies in the other"),
        (["x"], ["./x/"], "one lies in the other"),
        ([".venv/lib"], [], "cannot be tracked"),
        ([".git"], [], "cannot be tracked"),
        (["a\nb"], [], "cannot be tracked"),
    ],
)
def test_paths_that_cannot_be_told_apart_are_refused(
    service: DataService, make: Make, data: list[str], models: list[str], said: str
):
    folder = make("bad", data=tuple(data), models=tuple(models))
    with pytest.raises(InputError, match=said):
        service.track(folder, "data")


@pytest.mark.parametrize("path", ["../other", "/etc"])
def test_paths_that_leave_the_project_are_refused(service: DataService, make: Make, path: str):
    with pytest.raises(InputError, match="leaves the project's folder"):
        service.track(make("bad", data=(path,)), "data")


def test_what_the_finder_leaves_behind_is_nobodys_data(service: DataService, project: Path):
    first = service.track(project, "data")
    write(project / "data" / ".DS_Store", "x")
    second = service.track(project, "data")
    assert (second.revision, second.changed) == (first.revision, False)
    assert service.track(project, "data") == second


def test_names_of_every_kind_come_back(service: DataService, project: Path):
    names = ["a b", "ä", "#x", "'q'", '"q"', "-rf", "new\nline", "back\\slash", ".hidden", "*"]
    for name in names:
        write(project / "data" / name, name)
    first = service.track(project, "data")
    before = content(project / "data")
    for name in names:
        (project / "data" / name).unlink()
    service.track(project, "data")
    assert first.revision is not None
    service.checkout("one", first.revision)
    assert content(project / "data") == before


def test_the_users_own_git_is_left_alone(service: DataService, project: Path):
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    before = content(project / ".git")
    service.track(project, "data")
    assert content(project / ".git") == before
    assert not (project / ".dvc").exists()
    assert not list(project.rglob("*.dvc"))


def test_the_repository_is_an_ordinary_dvc_repository(
    service: DataService, home: Home, two_versions: tuple[Path, str, str], tmp_path: Path
):
    project, *_ = two_versions
    repository = home.root / "data" / "one"
    from dvc.repo import Repo

    with Repo(str(repository)) as repo:
        repo.checkout()
        assert repo.data_status()["uncommitted"] == {}
    assert content(repository / "data") == content(project / "data")
    said = subprocess.run(
        ["git", "status", "--porcelain"], cwd=repository, check=True, capture_output=True
    )
    assert said.stdout == b""


def test_what_the_client_compares_with_is_written(service: DataService, project: Path):
    import json

    found = service.track(project, "data")
    said = json.loads((project / ".mlops" / "versions" / "data.json").read_text())
    assert Tracked(**said) == found


def test_progress_tells_files_and_bytes(service: DataService, project: Path):
    told: list[Progress] = []
    service.track(project, "data", told.append)
    last = {progress.what: progress for progress in told}
    assert (last["reading"].files, last["reading"].bytes) == (3, 605)
    assert (last["keeping"].files, last["keeping"].files_total) == (3, 3)
    assert last["keeping"].bytes == last["keeping"].bytes_total == 605
    assert service.underway("one") is None


def test_many_threads_may_tell_at_once_and_telling_never_stops_the_work(
    service: DataService, project: Path, monkeypatch: pytest.MonkeyPatch
):
    for number in range(400):
        write(project / "data" / "many" / str(number), str(number))
    monkeypatch.setattr("services.engines.dvc.progress._PAUSE_S", 0.0)
    assert service.track(project, "data").files == 403

    def full(path: Path, document: object) -> None:
        raise PlatformError("The disk is full.")

    put(project, data__a="changed")
    monkeypatch.setattr("services.data.project.write", full)
    assert service.track(project, "data").changed

"""The folder becomes a version, and nothing is lost on the way."""

from pathlib import Path

import pytest

from services.data.service import DataService
from services.errors import ConflictError, EngineRefusedError, InputError, NotFoundError
from services.home import Home
from tests.services.data.conftest import Make, cached, content, contract, put, write
from tests.services.data.test_tracking import md5

pytestmark = pytest.mark.engine  # DVC itself works

Two = tuple[Path, str, str]
FIRST = {"a": b"first", "sub/b": b"second" * 100, "sub/deep/c": b""}
SECOND = {"a": b"changed", "new": b"new", "sub/deep/c": b""}


def test_files_come_back_byte_for_byte_both_ways(service: DataService, two_versions: Two):
    project, first, second = two_versions
    assert content(project / "data") == SECOND
    version, _ = service.checkout("one", first[:6])
    assert content(project / "data") == FIRST
    assert (version.revision, version.current) == (first, True)
    service.checkout("one", second)
    assert content(project / "data") == SECOND


def test_a_checkout_is_no_change_for_the_next_run(service: DataService, two_versions: Two):
    project, first, _ = two_versions
    service.checkout("one", first)
    found = service.track(project, "data")
    assert (found.revision, found.changed) == (first, False)
    assert len(service.versions("one")) == 2
    assert {s.state for s in service.status("one") if s.kind == "data"} == {"clean"}


def test_folders_that_became_empty_go(service: DataService, two_versions: Two):
    project, first, second = two_versions
    service.checkout("one", first)
    write(project / "data" / "other" / "x", "x")
    service.track(project, "data")
    service.checkout("one", second)
    assert not (project / "data" / "other").exists()


def test_a_file_and_a_folder_of_one_name_change_places(service: DataService, project: Path):
    first = service.track(project, "data").revision
    for path in ("sub/deep/c", "sub/b"):
        (project / "data" / path).unlink()
    (project / "data" / "sub" / "deep").rmdir()
    (project / "data" / "sub").rmdir()
    write(project / "data" / "sub", "now a file")
    second = service.track(project, "data").revision
    assert first is not None
    assert second is not None
    service.checkout("one", first)
    assert content(project / "data") == FIRST
    service.checkout("one", second)
    assert (project / "data" / "sub").read_text() == "now a file"


@pytest.mark.parametrize("name", ["a", "untracked", "sub/deep/c"])
def test_a_dirty_folder_is_refused_with_what_would_be_lost(
    service: DataService, two_versions: Two, name: str
):
    project, first, _ = two_versions
    write(project / "data" / name, "mine alone")
    before = content(project / "data")
    with pytest.raises(ConflictError, match=rf"1 file of one would be lost.*data/{name}"):
        service.checkout("one", first)
    assert content(project / "data") == before
    assert service.planned("one", first).lost == (f"data/{name}",)
    service.track(project, "data")
    service.checkout("one", first)
    assert content(project / "data") == FIRST


def test_a_deleted_file_is_no_loss(service: DataService, two_versions: Two):
    project, first, _ = two_versions
    (project / "data" / "a").unlink()
    service.checkout("one", first)
    assert content(project / "data") == FIRST


def test_many_lost_files_are_counted_and_the_first_are_named(
    service: DataService, two_versions: Two
):
    project, first, _ = two_versions
    for number in range(20):
        write(project / "data" / f"mine{number:02}", f"{number}")
    with pytest.raises(ConflictError, match=r"20 files.*mine07 and 12 more"):
        service.checkout("one", first)


def test_unknown_short_and_doubtful_revisions(service: DataService, two_versions: Two):
    with pytest.raises(NotFoundError, match="no version 'ffffffff'"):
        service.checkout("one", "ffffffff")
    with pytest.raises(InputError, match="at least 4"):
        service.checkout("one", "a")
    with pytest.raises(NotFoundError):
        service.checkout("nobody", "ffffffff")
    with pytest.raises(InputError, match="no project id"):
        service.checkout("../x", "ffffffff")


def test_a_damaged_cache_file_is_found_by_its_hash_and_fetched_again(
    service: DataService, home: Home, two_versions: Two
):
    project, first, _ = two_versions
    service.push("one", first)
    damage(cached(home, md5("second" * 100)))
    service.checkout("one", first)
    assert content(project / "data") == FIRST
    assert cached(home, md5("second" * 100)).read_text() == "second" * 100


def test_a_damaged_cache_file_that_is_nowhere_else_is_named_and_the_folder_left_alone(
    service: DataService, home: Home, two_versions: Two
):
    project, first, _ = two_versions
    name = md5("second" * 100)
    damage(cached(home, name))
    with pytest.raises(EngineRefusedError, match=name):
        service.checkout("one", first)
    assert content(project / "data") == SECOND
    assert service.track(project, "data").changed is False


def damage(path: Path) -> None:
    """Flip one bit, and leave times, size and permissions as they were, as a disk does."""
    import os

    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    path.chmod(before.st_mode & 0o777)


def test_a_remote_that_is_damaged_too_is_named(service: DataService, home: Home, two_versions: Two):
    project, first, _ = two_versions
    service.push("one", first)
    name = md5("second" * 100)
    damage(cached(home, name))
    damage(home.root / "dvc" / "remote" / "files" / "md5" / name[:2] / name[2:])
    with pytest.raises(EngineRefusedError, match=name):
        service.checkout("one", first)
    assert content(project / "data") == SECOND


def test_a_hostile_list_cannot_write_outside(service: DataService, home: Home, two_versions: Two):
    import json

    project, _, _ = two_versions
    store = service.project("one")
    known = store.outs(store.current("data"))[0]
    for path in ("../../escaped", "/tmp/escaped", "a/../../../escaped", "a//b"):
        raw = json.dumps([{"md5": md5("new"), "relpath": path}]).encode()
        name = md5(raw) + ".dir"
        cached(home, name).parent.mkdir(exist_ok=True)
        cached(home, name).write_bytes(raw)
        import dataclasses

        store.record("data", "abcd" * 4, [dataclasses.replace(known, md5=name)])
        with pytest.raises(Exception, match="leaves the project's folder"):
            service.checkout("one", "abcdabcd")
        assert not list(project.parent.rglob("escaped"))


def test_a_link_put_in_the_way_is_not_followed(
    service: DataService, two_versions: Two, tmp_path: Path
):
    project, first, _ = two_versions
    outside = tmp_path / "outside"
    outside.mkdir()
    import shutil

    shutil.rmtree(project / "data" / "sub")
    (project / "data" / "sub").symlink_to(outside)
    with pytest.raises(InputError, match="symbolic link"):
        service.checkout("one", first)
    assert list(outside.iterdir()) == []


def test_projects_are_apart_until_one_shares(service: DataService, two_versions: Two, make: Make):
    _, first, _ = two_versions
    other = make("two")
    put(other, data__mine="mine")
    service.track(other, "data")
    with pytest.raises(NotFoundError, match="no project shares one"):
        service.checkout("two", first)
    service.share("one", "two", "models", "ana")
    with pytest.raises(NotFoundError):
        service.checkout("two", first)
    service.share("one", "two", "data", "ana")
    version, _ = service.checkout("two", first)
    assert content(other / "data") == FIRST
    assert (version.project, version.from_project, version.revision) == ("two", "one", first)
    assert [(s.with_project, s.kind, s.by) for s in service.shares("one")] == [
        ("two", "data", "ana"),
        ("two", "models", "ana"),
    ]
    service.unshare("one", "two", "data")
    assert [s.kind for s in service.shares("one")] == ["models"]
    service.checkout("two", first)  # its own by now


def test_a_shared_version_goes_only_where_the_contract_lists_it(
    service: DataService, two_versions: Two, make: Make
):
    _, first, _ = two_versions
    other = make("two", data=("elsewhere/",))
    put(other, elsewhere__x="x")
    service.track(other, "data")
    service.share("one", "two", "data", "ana")
    with pytest.raises(InputError, match="does not list"):
        service.checkout("two", first)
    contract(other, "two", ["elsewhere", "data"], [])
    service.checkout("two", first)
    assert content(other / "data") == FIRST


def test_what_changed_between_any_two_versions(service: DataService, two_versions: Two):
    _, first, second = two_versions
    found = service.changes("one", second)
    assert (found.added, found.changed, found.removed) == (1, 1, 1)
    assert [(f.path, f.change, f.before, f.after) for f in found.files] == [
        ("data/a", "changed", 5, 7),
        ("data/new", "added", None, 3),
        ("data/sub/b", "removed", 600, None),
    ]
    back = service.changes("one", first, second)
    assert (back.added, back.changed, back.removed) == (1, 1, 1)
    assert (back.bytes, back.bytes_against) == (605, 10)
    assert service.changes("one", first).against is None

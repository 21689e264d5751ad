"""kill -9 at every change of a file: what was begun is finished next time, nothing is lost.

The child counts what Python is about to change on the disk (its audit events) and kills itself at
the n-th. Points are tried one after another until the operation gets through.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.data.folder import PARTS
from services.data.service import DataService
from services.errors import ConflictError
from services.home import Home
from tests.services.data.conftest import content, put
from tests.services.data.test_checkout import FIRST, SECOND, Two
from tests.services.data.test_tracking import md5

EVENTS = {
    "os.rename",
    "os.link",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.chmod",
    "subprocess.Popen",
}


def killed_at(point: int, act: Callable[[], object]) -> bool:
    """Do it in a child that is killed at its n-th change; False when it came to its end before."""
    child = os.fork()
    if child == 0:
        left = point

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & 0o1103
            if event in EVENTS or writes:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            sys.addaudithook(count)
            act()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0, "the child failed by itself"
    return False


def every_point(every: int) -> range:
    return range(1, 400, every)


def sound(home: Home, *folders: Path) -> None:
    """Every object is what its name says, and nothing unfinished lies about."""
    for store in ("cache", "remote"):
        for path, held in content(home.root / "dvc" / store / "files").items():
            name = path.removeprefix("md5/").replace("/", "")
            if PARTS in path or ".tmp" in path or len(name.removesuffix(".dir")) != 32:
                continue
            assert md5(held) == name.removesuffix(".dir"), path
    for folder in folders:
        assert not [path for path in folder.rglob("*") if PARTS in path.name]
    done = subprocess.run(
        ["git", "fsck", "--strict"],
        cwd=home.root / "data" / "one",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


STEPS = [pytest.param(9), pytest.param(1, marks=pytest.mark.slow)]


@pytest.mark.engine
@pytest.mark.parametrize("every", STEPS)
@pytest.mark.timeout(600)
def test_killed_while_it_tracks(service: DataService, home: Home, project: Path, every: int):
    service.track(project, "data")
    kills = 0
    for point in every_point(every):
        put(project, data__a=f"turn {point}", data__sub__b=f"also {point}" * 50)
        before = content(project / "data")
        if not killed_at(point, lambda: service.track(project, "data")):
            break
        kills += 1
        assert content(project / "data") == before
        found = service.track(project, "data")
        assert found.revision is not None
        assert content(project / "data") == before
        assert service.versions("one")[0].revision == found.revision
        sound(home, project / "data")
        put(project, data__a="between")
        service.track(project, "data")
        service.checkout("one", found.revision)
        assert content(project / "data") == before
    assert kills >= 2


@pytest.mark.engine
@pytest.mark.parametrize("every", STEPS)
@pytest.mark.timeout(600)
def test_killed_while_it_checks_out(
    service: DataService, home: Home, two_versions: Two, every: int
):
    project, first, second = two_versions
    wanted = {first: FIRST, second: SECOND}
    kills, target = 0, first
    for point in every_point(every):
        if not killed_at(point, lambda to=target: service.checkout("one", to)):
            break
        kills += 1
        try:  # the next training comes before anybody finishes it
            found = service.track(project, "data").revision
        except ConflictError as error:
            refused = error.message
        else:
            refused = "not refused: it was cut off before or after the folder changed"
            assert found in wanted
            assert content(project / "data") == wanted[found]
        assert "cut off" in refused
        service.checkout("one", target)
        assert content(project / "data") == wanted[target]
        assert service.track(project, "data").changed is False
        sound(home, project / "data")
        target = second if target == first else first
    assert kills >= 3


@pytest.mark.engine
@pytest.mark.parametrize("every", STEPS)
@pytest.mark.timeout(600)
def test_killed_while_it_pushes(service: DataService, home: Home, two_versions: Two, every: int):
    _, first, _ = two_versions
    kills = 0
    remote = home.root / "dvc" / "remote"
    for point in every_point(every):
        if not killed_at(point, lambda: service.push("one", first)):
            break
        kills += 1
        states = {v.revision: v.remote for v in service.versions("one")}
        assert states[first] in {"not sent", "queued", "there"}
        if states[first] != "not sent":
            service.push_waiting()
        service.push("one", first)
        assert {v.revision: v.remote for v in service.versions("one")}[first] == "there"
        assert service.queue() == ()
        sound(home)
        names = _objects(remote)
        assert md5("second" * 100) in names
        shutil.rmtree(remote / "files")
    assert kills >= 2


def _objects(root: Path) -> set[str]:
    return {p.removeprefix("md5/").replace("/", "") for p in content(root / "files")}


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_while_a_project_is_configured(service: DataService, home: Home, project: Path):
    kills = 0
    for point in every_point(1):
        shutil.rmtree(home.root / "data", ignore_errors=True)
        shutil.rmtree(home.root / "dvc", ignore_errors=True)
        if not killed_at(point, lambda: service.configure("one", project)):
            break
        kills += 1
        assert service.track(project, "data").files == 3
        service.project("one").repository.commits()
    assert kills >= 8


def test_the_locks_of_a_git_that_was_killed_do_not_hold_for_ever(
    service: DataService, home: Home, project: Path
):
    service.configure("one", project)
    git = home.root / "data" / "one" / ".git"
    for name in ("index.lock", "HEAD.lock", "refs/heads/main.lock"):
        (git / name).touch()
        old = time.time() - 60
        os.utime(git / name, (old, old))
    assert service.track(project, "data").changed


def test_unfinished_files_are_cleared_and_are_nobodys_data(service: DataService, project: Path):
    first = service.track(project, "data")
    left = project / "data" / f"{PARTS}1-1"
    left.write_text("half")
    put(project, data__a="changed")
    service.track(project, "data")
    assert not left.exists()
    assert first.revision is not None
    service.checkout("one", first.revision)


def test_two_at_a_time_take_turns(service: DataService, project: Path):
    put(project, models__m="weights")
    children = []
    for kind in ("data", "models", "data"):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                service.track(project, kind)  # type: ignore[arg-type]
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert sorted(v.kind for v in service.versions("one")) == ["data", "models"]


def test_who_waits_too_long_is_told_why(service: DataService, project: Path):
    service.track(project, "data")
    place = service.project("one").place
    with (
        place.held(),
        pytest.raises(ConflictError, match="works on the files of one"),
        place.held(wait_s=0.1),
    ):
        pass

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from services.engines.silicon.uses import Tag
from services.platform.state import EngineState, PlatformState
from services.process_identity import Identity
from services.telemetry import presence as presence_files
from services.telemetry.engine_processes import EngineProcesses
from services.telemetry.presence import Presence

OWN = os.getpid()
BEGAN = psutil.Process(OWN).create_time()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture(scope="module")
def sleeper():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def put(folder: Path, pid: int = OWN, **changes: object) -> Path:
    document = {
        "pid": pid, "started_at": BEGAN, "owner": "run:r1", "project": "clip", "since": BEGAN,
        "at": time.time(), "device": "gpu",
        "mlx": {"active_bytes": 10, "peak_bytes": 20, "cache_bytes": 5},
    } | changes  # fmt: skip
    path = folder / f"{pid}.json"
    path.write_text(json.dumps(document))
    return path


def set_back(path: Path, to: float) -> None:
    os.utime(path, (to, to))


def dead_pid() -> int:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    return ended.pid


def test_a_process_that_says_whose_it_is_has_a_tag(folder):
    put(folder)
    presence = Presence(folder)
    assert presence.tags() == (Tag(OWN, BEGAN, "run:r1", "clip", 10, 20, 5),)
    assert presence.problem == ""


def test_without_mlx_and_project_there_is_still_an_owner(folder):
    put(folder, mlx=None, project=None)
    assert Presence(folder).tags() == (Tag(OWN, BEGAN, "run:r1"),)


def test_a_file_that_changed_is_read_again_and_one_that_went_is_forgotten(folder):
    path = put(folder)
    presence = Presence(folder)
    presence.tags()
    put(folder, owner="run:nested-run")
    assert [tag.owner for tag in presence.tags()] == ["run:nested-run"]
    path.unlink()
    assert presence.tags() == ()


def test_a_folder_that_is_not_there_has_nobody(folder):
    presence = Presence(folder / "none")
    assert presence.tags() == ()
    assert presence.problem == ""


def test_what_a_dead_process_left_is_cleared(folder):
    path = put(folder, dead_pid())
    assert Presence(folder).tags() == ()
    assert not path.exists()


def test_a_process_that_got_the_number_of_a_dead_one_is_not_taken_for_it(folder):
    path = put(folder, started_at=BEGAN - 5000)
    set_back(path, BEGAN - 4000)
    assert Presence(folder).tags() == ()
    assert not path.exists()


def test_a_clock_that_was_set_does_not_take_a_running_process_for_another(folder):
    path = put(folder, started_at=BEGAN - 7200)
    assert [tag.started_at for tag in Presence(folder).tags()] == [BEGAN]
    assert path.exists()


def test_old_words_about_mlx_memory_are_not_told_on(folder):
    path = put(folder)
    set_back(path, time.time() - 600)
    assert Presence(folder).tags() == (Tag(OWN, BEGAN, "run:r1", "clip"),)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "unexpected end|empty|EOF"),
        (b"\xff\xfe\x00", "invalid|utf|UTF|str is not valid"),
        (b"[]", "must be an object"),
        (b"[" * 5000, ""),
        (b"x" * 70_000, "too large"),
        (json.dumps({"pid": 1, "owner": "run:a", "started_at": 1}).encode(), "pid is not the one"),
        (json.dumps({"pid": "OWN", "owner": "mine", "started_at": 1}).encode(), "owner is not"),
        (json.dumps({"pid": "OWN", "owner": "run:" + "x" * 500}).encode(), "owner is longer"),
        (json.dumps({"pid": "OWN", "owner": "run:a", "started_at": "x"}).encode(), "started_at"),
        (json.dumps({"pid": "OWN", "owner": "run:a", "started_at": 1, "mlx": 7}).encode(), "mlx"),
        (json.dumps({"pid": "OWN", "owner": "run:a", "started_at": 1,
                     "mlx": {"peak_bytes": -1}}).encode(), "mlx.peak_bytes must be"),
        (json.dumps({"pid": True, "owner": "run:a", "started_at": 1}).encode(), "pid must be"),
    ],
)  # fmt: skip
def test_garbage_is_a_sentence_and_costs_nobody_else_his_tag(folder, sleeper, content, said):
    # The number is put in here: as a part of the test's name it would differ from worker to worker.
    content = content.replace(b'"OWN"', str(OWN).encode())
    (folder / f"{OWN}.json").write_bytes(content)
    put(folder, sleeper.pid, started_at=psutil.Process(sleeper.pid).create_time())
    presence = Presence(folder)
    assert [tag.pid for tag in presence.tags()] == [sleeper.pid]
    assert presence.problem.startswith("One file in ")
    assert any(one in presence.problem for one in said.split("|")), presence.problem
    put(folder)
    assert len(presence.tags()) == 2
    assert presence.problem == ""


def test_a_pipe_a_link_and_a_folder_are_no_files_and_block_nothing(folder, sleeper):
    path = folder / f"{OWN}.json"
    for make in (
        lambda: os.mkfifo(path),
        lambda: path.symlink_to(put(folder.parent, OWN)),
        path.mkdir,
    ):
        make()
        presence = Presence(folder)
        assert presence.tags() == ()
        assert "cannot be used" in presence.problem
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()


def test_a_folder_named_like_the_file_of_a_dead_process_is_left_and_stops_nothing(folder):
    (folder / f"{dead_pid()}.json").mkdir()
    presence = Presence(folder)
    presence.tags()
    assert presence.tags() == ()


def test_what_somebody_is_writing_is_left_until_it_is_an_hour_old(folder):
    new, old = folder / f".{OWN}.json.ab12", folder / "left.tmp"
    new.write_text("{")
    old.write_text("{")
    set_back(old, time.time() - 4000)
    Presence(folder).tags()
    assert new.exists()
    assert not old.exists()


@pytest.mark.slow
def test_ten_thousand_old_files_are_cleared_bit_by_bit_and_hold_nothing_up(folder, monkeypatch):
    monkeypatch.setattr(presence_files, "_CLEARING_S", 0.01)
    highest = int(Path("/proc/sys/kernel/pid_max").read_text()) if sys.platform == "linux" else 0
    first = max(highest, 200_000) + 1
    for number in range(10_000):
        (folder / f"{first + number}.json").touch()
    put(folder)
    presence = Presence(folder)
    turns = 0
    while sum(1 for _ in folder.iterdir()) > 1:
        began = time.monotonic()
        assert [tag.pid for tag in presence.tags()] == [OWN]
        assert time.monotonic() - began < 0.5
        turns += 1
        assert turns < 500
    assert turns > 3


# Engines


def recorded(path: Path, **members: list[int]) -> None:
    """Write what the supervisor writes; the first of each engine is its leader."""
    engines = []
    for name, pids in members.items():
        found = tuple(Identity(pid, psutil.Process(pid).create_time()) for pid in pids)
        engines.append(EngineState(name, leader=found[0], members=found))
    path.write_text(json.dumps(PlatformState(engines=tuple(engines)).document()))


PARENT = (
    "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
)


@pytest.fixture(scope="module")
def parent():
    with subprocess.Popen([sys.executable, "-c", PARENT]) as process:
        until = time.monotonic() + 20
        while not psutil.Process(process.pid).children() and time.monotonic() < until:
            time.sleep(0.02)
        children = psutil.Process(process.pid).children()
        yield process.pid, children[0].pid
        for child in children:
            child.kill()
        process.kill()


def test_an_engine_is_tagged_where_its_family_begins(folder, parent):
    path = folder / "state.json"
    recorded(path, mlflow=list(parent))
    engines = EngineProcesses(path)
    assert [(tag.pid, tag.owner) for tag in engines.tags(())] == [(parent[0], "engine:mlflow")]


def test_a_member_that_lost_its_parent_is_still_the_engines(folder, sleeper):
    path = folder / "state.json"
    recorded(path, mlflow=[OWN, sleeper.pid], airflow=[sleeper.pid])
    owners = {tag.pid: tag.owner for tag in EngineProcesses(path).tags(())}
    assert owners == {OWN: "engine:mlflow"}  # this process is the sleeper's parent
    recorded(path, airflow=[sleeper.pid])
    owners = {tag.pid: tag.owner for tag in EngineProcesses(path).tags(())}
    assert owners == {sleeper.pid: "engine:airflow"}


def test_a_run_that_an_engine_started_is_the_runs_with_its_children(folder, parent):
    path = folder / "state.json"
    recorded(path, airflow=[OWN, *parent])
    tags = EngineProcesses(path).tags({parent[0]})
    assert [tag.pid for tag in tags] == [OWN]


def test_a_new_record_is_followed_and_a_damaged_one_has_nobody(folder, sleeper):
    path = folder / "state.json"
    engines = EngineProcesses(path)
    assert engines.tags(()) == ()
    recorded(path, mlflow=[sleeper.pid])
    assert len(engines.tags(())) == 1
    path.write_text("{")
    assert engines.tags(()) == ()
    recorded(path, mlflow=[sleeper.pid])
    assert len(engines.tags(())) == 1


def test_a_record_that_was_away_for_a_moment_counts_again(folder, sleeper):
    path, aside = folder / "state.json", folder / "aside.json"
    engines = EngineProcesses(path)
    recorded(path, mlflow=[sleeper.pid])
    assert len(engines.tags(())) == 1
    path.rename(aside)
    assert engines.tags(()) == ()
    aside.rename(path)
    assert len(engines.tags(())) == 1


@pytest.mark.parametrize(
    "document",
    [[], {"engines": 7}, {"engines": [1, {"name": 2}, {"name": "x", "leader": 5, "members": 1}]},
     {"engines": [{"name": "x", "leader": {"pid": "1"}, "members": [{"pid": 1, "created": 1}]}]}],
)  # fmt: skip
def test_an_odd_record_has_nobody(folder, document):
    path = folder / "state.json"
    path.write_text(json.dumps(document))
    assert EngineProcesses(path).tags(()) == ()


def test_a_process_with_a_reused_number_is_no_engine(folder):
    path = folder / "state.json"
    state = EngineState("mlflow", leader=Identity(OWN, BEGAN - 500), members=())
    path.write_text(json.dumps(PlatformState(engines=(state,)).document()))
    assert EngineProcesses(path).tags(()) == ()

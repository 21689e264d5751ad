"""The file by which the sampler knows whose this process is."""

import importlib.util
import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlops_client import presence
from mlops_client.presence import Presence


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    monkeypatch.setattr(presence, "_process", presence._Process())
    monkeypatch.delitem(sys.modules, "mlx.core", raising=False)  # of another test
    yield tmp_path
    Presence().clear()


def environment() -> dict[str, str]:
    """Return what a program of its own needs to find the client."""
    return {**os.environ, "PYTHONPATH": str(Path(presence.__file__).parents[1])}


def file_of(home: Path, pid: int | None = None) -> Path:
    return home / "run" / "processes" / f"{pid or os.getpid()}.json"


def said(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file_of(home).read_bytes())
    return found


def test_a_run_is_told_with_the_process_and_its_start(home: Path):
    Presence().begin("r1")
    told = said(home)
    assert (told["owner"], told["pid"], told["mlx"]) == ("run:r1", os.getpid(), None)
    assert told.keys() == {
        "pid", "started_at", "owner", "project", "since", "at", "mlx", "device",
    }  # fmt: skip
    assert told["started_at"] == psutil.Process().create_time()
    assert stat.S_IMODE(file_of(home).parent.stat().st_mode) == 0o700


def test_the_run_that_began_last_is_the_one_and_then_the_one_before(home: Path):
    mine = Presence()
    mine.begin("outer")
    mine.begin("inner")
    assert said(home)["owner"] == "run:inner"
    mine.end("inner")
    assert said(home)["owner"] == "run:outer"
    mine.end("outer")
    mine.end("outer")
    assert not file_of(home).exists()


def test_a_run_that_began_without_the_server_gets_its_real_id(home: Path):
    ids = {"local": "local"}
    mine = Presence(lambda run_id: ids[run_id])
    mine.begin("local")
    ids["local"] = "real"
    mine.refresh()
    assert said(home)["owner"] == "run:real"


def test_mlxs_memory_is_that_of_the_last_time_it_was_noted(home: Path):
    mine = Presence()
    mine.begin("r1")
    presence.note_mlx({"mlx_active_bytes": 5, "mlx_peak_bytes": 9, "mlx_cache_bytes": 1})
    mine.refresh()
    assert said(home)["mlx"] == {"active_bytes": 5, "peak_bytes": 9, "cache_bytes": 1}


def test_nothing_is_written_after_the_end(home: Path):
    mine = Presence()
    mine.begin("r1")
    mine.clear()
    mine.refresh()
    assert not file_of(home).exists()


def test_without_a_home_or_in_one_that_is_gone_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("MLOPS_HOME", raising=False)
    Presence().begin("r1")
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "gone"))
    Presence().begin("r2")
    Presence().clear()
    assert not (tmp_path / "gone").exists()


def test_a_folder_that_cannot_be_written_is_no_error(home: Path):
    (home / "run").write_text("a file in the folder's place")
    mine = Presence()
    mine.begin("r1")
    mine.clear()


CHILD = """
import os, sys
from mlops_client.presence import Presence
mine = Presence()
mine.begin("parent")
child = os.fork()
if child == 0:
    own = Presence()
    own.begin("child")
    os._exit(0 if own is not mine else 1)
os.waitpid(child, 0)
print(child)
"""


def test_a_forked_child_has_a_file_of_its_own(home: Path):
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, env=environment()
    )
    child = int(done.stdout)
    files = sorted(path.name for path in (home / "run" / "processes").iterdir())
    assert f"{child}.json" in files
    assert len(files) == 2
    assert json.loads(file_of(home, child).read_bytes())["owner"] == "run:child"


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_the_file_is_written_again_and_again_while_a_run_goes_on(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(presence, "INTERVAL_S", 0.01)
    mine = Presence()
    mine.begin("r1")
    first = said(home)
    wait_for(lambda: said(home)["at"] > first["at"])
    assert said(home)["since"] == first["since"]
    mine.end("r1")
    wait_for(lambda: "mlops-presence" not in {thread.name for thread in threading.enumerate()})
    assert not file_of(home).exists()


def test_two_stores_of_a_process_share_its_file(home: Path):
    one, other = Presence(), Presence()
    one.begin("r1")
    other.begin("r2")
    one.end("r1")
    assert said(home)["owner"] == "run:r2"
    other.end("r2")
    assert not file_of(home).exists()


def test_a_run_that_is_begun_again_keeps_its_begin_and_its_place(home: Path):
    mine = Presence()
    mine.begin("r1")
    since = said(home)["since"]
    mine.begin("r2")
    mine.begin("r1")
    assert said(home)["owner"] == "run:r2"
    mine.end("r2")
    assert said(home)["since"] == since


def written(home: Path, pid: int, **more: object) -> None:
    told = {
        "pid": pid,
        "started_at": psutil.Process(pid).create_time(),
        "owner": "run:x",
        "project": "toy",
    } | more
    folder = home / "run" / "processes"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{pid}.json").write_text(json.dumps(told))


def test_others_are_the_living_processes_of_the_same_project(home: Path):
    parent = os.getppid()
    Presence().begin("r1")
    assert list(presence.others("toy")) == []
    written(home, parent)
    assert list(presence.others("toy")) == [parent]
    assert list(presence.others("another")) == []
    written(home, parent, owner="replica:toy")
    assert list(presence.others("toy")) == []
    written(home, parent, started_at=1.0)  # by the clock as it was before it was set
    assert list(presence.others("toy")) == [parent]
    os.utime(home / "run" / "processes" / f"{parent}.json", (2.0, 2.0))
    assert list(presence.others("toy")) == []
    (home / "run" / "processes" / f"{parent}.json").write_text("{")
    assert list(presence.others("toy")) == []


MLX = """
import json, os, sys, threading
from mlops_client import presence
from mlops_client.presence import Presence

def said():
    with open(f"{os.environ['MLOPS_HOME']}/run/processes/{os.getpid()}.json") as file:
        return json.load(file)

mine = Presence()
mine.begin("r1")
assert "mlx.core" not in sys.modules and said()["mlx"] is None
import mlx.core as mx
x = mx.zeros((1024, 1024)) + 1
mx.eval(x)

def in_a_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

in_a_thread(presence.look_at_mlx)
in_a_thread(mine.refresh)
assert said()["mlx"] is None, "a thread of ours was the first to ask"
presence.look_at_mlx()
in_a_thread(mine.refresh)
first = said()
assert first["mlx"]["active_bytes"] >= 4 << 20, first
assert first["device"] in {"cpu", "gpu"}
y = x + x
mx.eval(y)
in_a_thread(mine.refresh)
assert said()["mlx"]["active_bytes"] >= 8 << 20, said()
"""


def test_mlxs_memory_is_read_once_the_program_has_loaded_it(home: Path):
    if importlib.util.find_spec("mlx") is None:  # not loaded here: it can be loaded only once
        pytest.skip("MLX is not installed")
    done = subprocess.run(
        [sys.executable, "-c", MLX], capture_output=True, text=True, check=False, env=environment()
    )
    assert done.returncode == 0, done.stderr


NO_MLX = """
import sys
from mlops_client import presence
presence.Presence().begin("r1")
presence.look_at_mlx()
assert not [name for name in sys.modules if name.startswith(("mlx", "mlflow"))]
"""


def test_nothing_heavy_is_loaded_for_it(home: Path):
    subprocess.run([sys.executable, "-c", NO_MLX], check=True, env=environment())

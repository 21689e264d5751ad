"""The file by which the sampler knows whose this process is."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlops_client import presence
from mlops_client.presence import Presence


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    monkeypatch.setattr(presence, "_process", presence._Process())
    return tmp_path


def file_of(home: Path, pid: int | None = None) -> Path:
    return home / "run" / "processes" / f"{pid or os.getpid()}.json"


def said(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file_of(home).read_bytes())
    return found


def test_a_run_is_told_with_the_process_and_its_start(home: Path):
    Presence().begin("r1")
    told = said(home)
    assert (told["owner"], told["pid"], told["mlx"]) == ("run:r1", os.getpid(), None)
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
    Presence().begin("r1")
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
        [sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, env=os.environ
    )
    child = int(done.stdout)
    files = sorted(path.name for path in (home / "run" / "processes").iterdir())
    assert f"{child}.json" in files
    assert len(files) == 2
    assert json.loads(file_of(home, child).read_bytes())["owner"] == "run:child"

import json
import os
from pathlib import Path

import psutil
import pytest

from services.engines.silicon.uses import Tag
from services.sampler.presence import Presence

ME = psutil.Process(os.getpid())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "processes").mkdir()
    return tmp_path


def present(run: Path, name: str = "", **fields: object) -> Path:
    said = {"pid": ME.pid, "started_at": ME.create_time(), "owner": "run:r1", "project": "clip"}
    path = run / "processes" / f"{name or ME.pid}.json"
    path.write_text(json.dumps(said | fields))
    return path


def test_a_process_is_its_runs(run: Path):
    present(run, mlx={"active_bytes": 5, "peak_bytes": 9, "cache_bytes": None})
    assert Presence(run).tags() == (
        Tag(ME.pid, ME.create_time(), "run:r1", "clip", mlx_active_bytes=5, mlx_peak_bytes=9),
    )


def test_nobody_is_there(tmp_path: Path):
    assert Presence(tmp_path / "nothing").tags() == ()


def test_what_an_ended_process_left_is_taken_away(run: Path):
    ended = present(run, "1", pid=2**22 + 1)
    reused = present(run, "2", started_at=ME.create_time() - 900)
    assert Presence(run).tags() == ()
    assert not ended.exists()
    assert not reused.exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", '{"pid": 1}', '{"pid": "x", "started_at": 1, "owner": "a"}',
                '{"pid": 1, "started_at": 1, "owner": 7}', "[" * 100_000, "\x00" * 100_000]
)  # fmt: skip
def test_garbage_is_left_out_and_harms_nobody(run: Path, content: str):
    (run / "processes" / "7.json").write_text(content)
    present(run)
    presence = Presence(run)
    assert [tag.owner for tag in presence.tags()] == ["run:r1"]
    assert (run / "processes" / "7.json").exists()


def test_a_newer_file_is_read_again(run: Path):
    presence = Presence(run)
    path = present(run)
    presence.tags()
    present(run, owner="run:r2")
    os.utime(path, ns=(1, 1))
    assert [tag.owner for tag in presence.tags()] == ["run:r2"]


def test_engines_are_known_by_the_supervisors_state(run: Path):
    members = [{"pid": ME.pid, "created": ME.create_time()}]
    state = {"engines": [{"name": "mlflow", "members": members}, {"name": "none"}]}
    (run / "state.json").write_text(json.dumps(state))
    presence = Presence(run)
    assert presence.tags() == (Tag(ME.pid, ME.create_time(), "engine:mlflow"),)
    (run / "state.json").write_text("{")
    assert Presence(run).tags() == ()

"""Whose a process is stays known when the clock is set."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from services.engines.silicon.uses import Uses
from services.process_identity import Identity, start_of
from services.telemetry.engine_processes import EngineProcesses
from services.telemetry.presence import Presence

STEPS = pytest.mark.parametrize("step_s", [7200.0, -7200.0])


@pytest.fixture
def child() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(120)"]) as process:
        yield process.pid
        process.kill()


def step(patch: pytest.MonkeyPatch, seconds: float) -> None:
    now, began = time.time, psutil.Process.create_time
    patch.setattr(time, "time", lambda: now() + seconds)
    patch.setattr(psutil.Process, "create_time", lambda one: began(one) + seconds)


def put(folder: Path, pid: int, **more: object) -> Path:
    """Write what a replica writes, which writes it once."""
    path = folder / f"{pid}.json"
    began = psutil.Process(pid).create_time()
    said = {"pid": pid, "started_at": began, "owner": "replica:a.b:1", "project": "a"}
    path.write_text(json.dumps(said | more))
    return path


@STEPS
def test_what_names_its_start_is_its_own_for_a_sampler_that_comes_later(
    tmp_path, child, monkeypatch, step_s
):
    path = put(tmp_path, child, start=start_of(child))
    step(monkeypatch, step_s)
    (tag,) = Presence(tmp_path).tags()
    assert (tag.pid, tag.owner, path.exists()) == (child, "replica:a.b:1", True)


@STEPS
def test_what_names_none_is_its_own_for_the_sampler_that_met_it(
    tmp_path, child, monkeypatch, step_s
):
    """The client of an earlier version, between two of its writings."""
    path = put(tmp_path, child)
    presence = Presence(tmp_path)
    assert len(presence.tags()) == 1
    step(monkeypatch, step_s)
    assert [tag.pid for tag in presence.tags()] == [child]
    assert path.exists()


def test_what_names_the_start_of_another_is_cleared(tmp_path, child):
    """Its time of day may even fit."""
    path = put(tmp_path, child, start=start_of(os.getpid()))
    assert Presence(tmp_path).tags() == ()
    assert not path.exists()


@STEPS
def test_an_engines_use_is_told_on_after_the_clock_was_set(tmp_path, child, monkeypatch, step_s):
    path = tmp_path / "state.json"
    noted = Identity.of(child)
    assert noted is not None
    leader = asdict(noted)
    path.write_text(json.dumps({"engines": [{"name": "mlflow", "leader": leader}]}))
    engines, uses = EngineProcesses(path), Uses()
    assert [one.pid for one in uses.take(engines.tags(())) if one.owner] == [child]
    step(monkeypatch, step_s)
    for read in (engines, EngineProcesses(path)):
        found = uses.take(read.tags(()))
        assert [(one.pid, one.owner) for one in found if one.owner] == [(child, "engine:mlflow")]

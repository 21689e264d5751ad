"""The clock is set while the platform runs: no engine is ended, none is started twice."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.home import Home
from services.platform import airflow, processes
from services.platform import state as states
from services.platform.engines import EngineSpec
from services.platform.files import write_json
from services.platform.probes import HeartbeatProbe
from services.platform.state import EngineState, PlatformState
from services.process_identity import Identity
from tests.services.platform.conftest import engine, kept, wait_until

REPORTS = """
import json, os, sys, time
from pathlib import Path
report, ahead = Path(sys.argv[1]), Path(sys.argv[2])
while True:
    at = time.time() + float(ahead.read_text())
    part = report.with_suffix(".part")
    part.write_text(json.dumps({"pid": os.getpid(), "at": at, "detail": "well"}))
    part.replace(report)
    time.sleep(0.02)
"""
MOMENT_S = 1.5
"""Several times the pace of the small platform, and five times the patience with a silence."""


class SetClock:
    """Sets the clock of this process and of the engine, and with it the boot time."""

    def __init__(self, file: Path, patch: pytest.MonkeyPatch) -> None:
        self._file = file
        self._ahead_s = 0.0
        now, began = time.time, psutil.Process.create_time
        patch.setattr(time, "time", lambda: now() + self._ahead_s)
        patch.setattr(psutil.Process, "create_time", lambda one: began(one) + self._ahead_s)
        self.by(0.0)

    def by(self, seconds: float) -> None:
        self._ahead_s += seconds
        part = self._file.with_suffix(".part")
        part.write_text(str(self._ahead_s))
        part.replace(self._file)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SetClock:
    return SetClock(tmp_path / "ahead", monkeypatch)


@pytest.fixture
def spec(tmp_path: Path, clock: SetClock) -> EngineSpec:
    report = tmp_path / "small.json"
    argv = (sys.executable, "-S", "-c", REPORTS, str(report), str(tmp_path / "ahead"))
    return EngineSpec(
        "small", "Small", HeartbeatProbe(report), argv,
        stop_timeout_s=0.5, hang_timeout_s=0.3, start_timeout_s=30.0,
    )  # fmt: skip


def until_live(supervisor) -> int:
    wait_until(lambda: engine(supervisor).phase == "live")
    leader = engine(supervisor).leader
    assert leader is not None
    return leader.pid


@pytest.mark.engine
@pytest.mark.parametrize("step_s", [-7200.0, 7200.0, -2.0])
def test_an_engine_lives_on_when_the_clock_is_set(home, spec, clock, step_s):
    with kept(home, spec) as supervisor:
        pid = until_live(supervisor)
        clock.by(step_s)
        time.sleep(MOMENT_S)
        assert (until_live(supervisor), engine(supervisor).ends) == (pid, 0)


@pytest.fixture
def left(home: Home, spec: EngineSpec) -> Iterator[int]:
    """An engine whose supervisor was killed."""
    environment = os.environ | {processes.MARK: processes.mark(home.root, "small")}
    with subprocess.Popen(spec.argv, env=environment, start_new_session=True) as child:
        leader = Identity.of(child.pid)
        assert leader is not None
        state = EngineState("small", leader=leader, members=(leader,), fingerprint=spec.fingerprint)
        write_json(home.run / "state.json", PlatformState(leader, 1.0, (state,)).document())
        wait_until(lambda: spec.ready(0.0).ready)
        yield child.pid
        child.kill()


@pytest.mark.engine
@pytest.mark.parametrize("step_s", [-7200.0, 7200.0])
def test_it_is_adopted_by_a_supervisor_that_comes_after_the_clock_was_set(
    home, spec, clock, step_s, left
):
    clock.by(step_s)
    wait_until(lambda: spec.ready(0.0).ready)
    with kept(home, spec) as supervisor:
        assert until_live(supervisor) == left
        assert engine(supervisor).leader == Identity.of(left)


@pytest.mark.engine
def test_one_that_an_earlier_version_noted_is_adopted_and_known_better_from_then_on(
    home, spec, clock, left
):
    said = json.loads((home.run / "state.json").read_bytes())
    for one in (said["engines"][0]["leader"], *said["engines"][0]["members"]):
        del one["start"]
    (home.run / "state.json").write_text(json.dumps(said))
    with kept(home, spec) as supervisor:
        assert until_live(supervisor) == left
        clock.by(-7200.0)
        time.sleep(MOMENT_S)
        assert (until_live(supervisor), engine(supervisor).ends) == (left, 0)
        (noted,) = states.load(home.run / "state.json").engines
        assert noted.leader is not None
        assert noted.leader.start


def test_a_report_from_before_the_clock_was_set_back_is_none(tmp_path):
    """An engine that hangs since then would seem well for as long as the clock was set back."""
    path = tmp_path / "small.json"
    path.write_text(json.dumps({"pid": 7, "at": time.time() + 3600, "detail": ""}))
    answer = HeartbeatProbe(path, 15.0)(time.time() - 60)
    assert not answer.ready
    assert "s ahead of now" in answer.detail
    path.write_text(json.dumps({"pid": 7, "at": time.time() + 10, "detail": ""}))
    assert HeartbeatProbe(path, 15.0)(time.time() - 60).ready


def test_a_heartbeat_of_airflow_from_before_the_clock_was_set_back_is_none():
    now = 1_800_000_000.0

    def said(at: str) -> str:
        body = {"scheduler": {"latest_scheduler_heartbeat": at}}
        return airflow.part_fault(json.dumps(body).encode(), "airflow-scheduler", now - 60, now)

    assert said("2027-01-15T08:00:05+00:00") == ""  # five seconds ahead
    assert said("2027-01-15T09:00:00+00:00") == "Its last heartbeat is 3600 s ahead of now."

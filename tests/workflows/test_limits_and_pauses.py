"""The limit of memory, and pauses on request: real processes under the real runner."""

import json
import os
import struct
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from mlops_workflows import memory
from mlops_workflows.footprint import footprint_bytes
from mlops_workflows.starting import Watched

from tests.workflows.commands import done, order
from tests.workflows.test_runner import running, until

if TYPE_CHECKING:
    from mlops_workflows.order import Order

pytestmark = pytest.mark.engine
JOB = "toy.train/manual__2026-01-01T00:00:00+00:00/train"
WHY = "studio is at thermal level 3 (trapping): training is asked to save its state and pause."
# The count is written by rename: a job may be stopped in the middle of a write.
COUNTS = (
    "import pathlib, time\nnew = pathlib.Path('new')\n"
    "for n in range({steps}):\n"
    "    new.write_text(str(n)); new.replace('count'); time.sleep(0.05)\n"
)
SAVES = (
    "import pathlib, time, mlops_client\nnew = pathlib.Path('new')\n"
    "for n in range({steps}):\n"
    "    new.write_text(str(n)); new.replace('count'); time.sleep(0.05)\n"
    "    if mlops_client.checkpoint_requested():\n"
    "        {saves}\n"
)
CLIENT = str(Path(__file__).resolve().parents[2] / "client" / "src")


# Memory


def test_who_takes_more_than_its_limit_is_ended_and_told_by_how_much(tmp_path: Path):
    code = (
        "import time\nheld = []\n"
        "for _ in range(100): held.append(bytearray(20_000_000)); time.sleep(0.05)"
    )
    found, _ = done(tmp_path, code, memory_limit_bytes=200_000_000)
    assert (found["outcome"], found["stopped"]) == ("memory", "memory")
    assert 200_000_000 < found["memory"]["peak_bytes"] < 900_000_000
    peak = found["memory"]["peak_bytes"] / 1e9
    said = f"It held {peak:.2f} GB of memory, more than the 0.20 GB its contract allows"
    assert said in found["sentence"]
    assert "memory_limit_gb" in found["hint"]


def test_the_memory_of_its_children_counts(tmp_path: Path):
    child = "held = bytearray(120_000_000); import time; time.sleep(30)"
    code = (
        "import subprocess, sys\n"
        f"all = [subprocess.Popen([sys.executable, '-c', {child!r}]) for _ in range(2)]\n"
        "[one.wait() for one in all]"
    )
    found, _ = done(tmp_path, code, memory_limit_bytes=220_000_000)
    assert found["outcome"] == "memory"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what processes share")
def test_memory_that_children_share_counts_once(tmp_path: Path):
    code = (
        "import os, time\nheld = bytearray(150_000_000)\n"
        "for _ in range(3):\n    if os.fork() == 0: time.sleep(1); os._exit(0)\n"
        "time.sleep(1.2)"
    )
    found, _ = done(tmp_path, code, memory_limit_bytes=300_000_000)
    assert found["outcome"] == "succeeded"
    assert found["memory"]["peak_bytes"] > 300_000_000  # resident memory, added up


def test_one_look_above_the_limit_ends_nothing():
    meter = memory.Meter(os.getpid())
    meter.look(1)
    assert meter.over == 1
    meter._last = float("-inf")
    meter.look(1 << 50)
    assert meter.over == 0


def test_macos_physical_footprint_is_read_from_its_place():
    # struct rusage_info_v0 of <sys/resource.h>: uuid, user, system, idle and interrupt wake-ups,
    # page-ins, wired, resident, footprint, start and exit time.
    said = struct.pack("=16s10Q", b"u" * 16, 1, 2, 3, 4, 5, 6, 700, 800, 9, 0)
    assert footprint_bytes(1, lambda _pid: said) == 800
    assert footprint_bytes(1, lambda _pid: None) is None
    if sys.platform != "darwin":
        assert footprint_bytes(os.getpid()) is None


# Pauses


class Controller:
    """Writes what the controller does: the whole file, every half second."""

    def __init__(self, home: Path) -> None:
        self.file = home / "weights.json"
        self._pause: dict[str, str] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat)

    def say(self, **more: Any) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps({"v": 1, "weights": {}, "pause": self._pause} | more))
        new.replace(self.file)

    def pause(self, why: str = WHY, job: str = JOB) -> None:
        self._pause = {job: why}
        self.say()

    def resume(self) -> None:
        self._pause = {}
        self.say()

    def _beat(self) -> None:
        while not self._ended.wait(0.5):
            self.say()

    def __enter__(self) -> "Controller":
        self.say()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.die()

    def die(self) -> None:
        """End as by kill -9: the file stays."""
        self._ended.set()
        self._thread.join()


class Job:
    """A command that runs in the background."""

    def __init__(self, home: Path, code: str, **more: Any) -> None:
        self.home = home
        given = {"told": home / "weights.json", "variables": {"PYTHONPATH": CLIENT}} | more
        self.order: Order = order(home, code, **given)
        self.said: list[str] = []
        self._pool = ThreadPoolExecutor(1)
        self.watched = Watched(self.order)
        self.ended: Future[dict[str, Any]] = self._pool.submit(
            self.watched.follow, self.said.append
        )

    @property
    def evidence(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.order.file.read_bytes()))
        except FileNotFoundError:
            return {}

    @property
    def count(self) -> int:
        try:
            return int((self.home / "project" / "count").read_text() or 0)
        except FileNotFoundError:
            return -1

    def is_stopped(self) -> bool:
        pid = self.evidence.get("pid")
        return pid is not None and psutil.Process(pid).status() == psutil.STATUS_STOPPED

    def stands_still(self) -> bool:
        before = self.count
        time.sleep(0.4)
        return before == self.count

    def result(self) -> dict[str, Any]:
        found = self.ended.result(timeout=60)
        self._pool.shutdown()
        return found


def in_runner(folder: Path, patch: pytest.MonkeyPatch, statements: str) -> None:
    """Have the runner, a process of its own, run statements as it starts: a shorter patience."""
    path = folder / "site"
    path.mkdir()
    (path / "sitecustomize.py").write_text(
        "import sys\n"
        "if any('mlops_workflows.runner' in a for a in sys.orig_argv):\n"
        f"    {statements}\n"
    )
    patch.setenv("PYTHONPATH", str(path))


def test_a_job_pauses_goes_on_and_the_time_does_not_count_against_its_timeout(tmp_path: Path):
    with Controller(tmp_path) as controller:
        job = Job(tmp_path, COUNTS.format(steps=60), timeout_s=6.0)
        until(lambda: job.count >= 3)
        asked = time.monotonic()
        controller.pause()
        until(job.is_stopped)
        assert time.monotonic() - asked < 3
        assert job.stands_still()
        until(lambda: bool(job.evidence["pauses"]))
        assert job.evidence["pauses"][0]["to"] is None
        time.sleep(4)
        controller.resume()
        found = job.result()
    assert (found["outcome"], job.count) == ("succeeded", 59)
    (pause,) = found["pauses"]
    assert (pause["why"], pause["saved"]) == (WHY, None)
    assert pause["from"] < pause["to"]
    assert found["seconds"] > 6.0 > found["seconds"] - found["paused_s"]
    assert found["paused_s"] > 4
    assert f"It is paused. {WHY} Its memory is kept." in job.said
    assert any(line.startswith("It goes on after") for line in job.said)


def test_a_job_of_another_name_goes_on(tmp_path: Path):
    with Controller(tmp_path) as controller:
        controller.pause(job=f"{JOB}[1]")
        found, said = done(tmp_path, COUNTS.format(steps=50), told=controller.file)
    assert (found["pauses"], said) == ([], [])


def test_a_project_that_asks_saves_its_state_before_it_is_stopped(tmp_path: Path):
    saves = "pathlib.Path('state').write_text(str(n)); mlops_client.checkpoint_saved('state')"
    with Controller(tmp_path) as controller:
        job = Job(tmp_path, SAVES.format(steps=120, saves=saves))
        until(lambda: job.count >= 3)
        controller.pause()
        until(job.is_stopped)
        assert 3 <= int((tmp_path / "project" / "state").read_text()) <= job.count
        controller.resume()
        until(lambda: not job.is_stopped())
        again = job.count
        until(lambda: job.count > again)
        controller.pause("The machine is short of memory.")
        until(job.is_stopped)
        assert int((tmp_path / "project" / "state").read_text()) > again
        controller.resume()
        found = job.result()
    assert [(one["saved"], one["where"]) for one in found["pauses"]] == [(True, "state")] * 2
    assert f"It is asked to save its state and pause. {WHY}" in job.said
    assert f'It is paused. {WHY} Its state is saved ("state").' in job.said


def test_one_that_asks_and_does_not_save_is_stopped_after_a_while(tmp_path: Path, monkeypatch):
    in_runner(
        tmp_path,
        monkeypatch,
        "import mlops_workflows.pausing as p; "
        "p.Pauses.__init__.__defaults__ = (2.0, *p.Pauses.__init__.__defaults__[1:])",
    )
    with Controller(tmp_path) as controller:
        job = Job(tmp_path, SAVES.format(steps=150, saves="pass"))
        until(lambda: job.count >= 3)
        asked = time.monotonic()
        controller.pause()
        until(job.is_stopped)
        assert 1.5 < time.monotonic() - asked < 6
        controller.resume()
        found = job.result()
    assert found["pauses"][0]["saved"] is False
    assert f"It is paused. {WHY} It did not save its state within 2 s." in job.said


def test_when_the_controller_is_killed_its_pauses_end(tmp_path: Path, monkeypatch):
    in_runner(tmp_path, monkeypatch, "from mlops_workflows import told; told.FRESH_S = 3.0")
    with Controller(tmp_path) as controller:
        job = Job(tmp_path, COUNTS.format(steps=40))
        until(lambda: job.count >= 3)
        controller.pause()
        until(job.is_stopped)
        controller.die()
        found = job.result()
    assert found["outcome"] == "succeeded"
    assert found["pauses"][0]["to"] is not None


def test_a_paused_job_can_be_cancelled_and_all_of_it_stops_and_ends(tmp_path: Path):
    child = "import time, pathlib\nwhile True: pathlib.Path('beat').touch(); time.sleep(0.05)"
    code = (
        "import subprocess, sys, pathlib\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)\n"
        "pathlib.Path('child').write_text(str(child.pid)); child.wait()"
    )
    with Controller(tmp_path) as controller:
        job = Job(tmp_path, code)
        file = tmp_path / "project" / "child"
        until(lambda: file.exists() and bool(file.read_text()))
        pid = int(file.read_text())
        controller.pause()
        until(job.is_stopped)
        until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
        job.watched.cancel()
        found = job.result()
    # It was woken to hear SIGTERM, and so may write its checkpoint.
    assert (found["outcome"], found["signal"]) == ("cancelled", "SIGTERM")
    assert found["pauses"][0]["to"] is not None
    until(lambda: not running(pid))

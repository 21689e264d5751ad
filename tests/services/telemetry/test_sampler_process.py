"""The sampler as a process of its own: killed, stopped, starved, lied to."""

import contextlib
import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from services.home import Home
from services.platform.probes import HeartbeatProbe
from services.telemetry import batches, tokens
from services.telemetry.collector import Collector
from services.telemetry.presence import FOLDER
from services.telemetry.store import Store
from tests.services.telemetry.collecting import free_port
from tests.services.telemetry.machines import MAC, sample
from tests.services.telemetry.test_agent import eventually
from tests.small_disk import mounted

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[3]
INTERVAL_S = 1.0
BUSY = "while True: pass"
SPAWNS = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"


class Process:
    """A sampler as the supervisor starts it, a sample a second."""

    def __init__(self, home: Home, port: int) -> None:
        self.home, self.port = home, port
        self.began = time.time()
        with (home.logs / "telemetry.log").open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "services.telemetry", "--port", str(port),
                 "--interval", str(INTERVAL_S)],
                env=os.environ | {"MLOPS_HOME": str(home.root), "PYTHONPATH": str(ROOT)},
                cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip

    def heard(self) -> str:
        """Return what the heartbeat says; empty while it is not well."""
        answer = HeartbeatProbe(self.home.run / "telemetry.json", 5.0)(self.began)
        return answer.detail if answer.ready else ""

    def samples(self, since_s: float = 3600.0):
        with contextlib.suppress(Exception):  # nothing is there yet
            (state,) = Store(self.home.telemetry).hosts()
            now = datetime.now(UTC)
            ahead = now + timedelta(minutes=1)
            reader = Store(self.home.telemetry)
            return reader.samples(state.machine.host, now - timedelta(seconds=since_s), ahead)
        return ()

    def page(self, path: str) -> tuple[int, str]:
        with contextlib.closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.popen.wait(20)

    @property
    def log(self) -> str:
        return (self.home.logs / "telemetry.log").read_text()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path / "home")
    found.create()
    return found


@contextlib.contextmanager
def running(home: Home, port: int = 0) -> Iterator[Process]:
    process = Process(home, port or free_port())
    try:
        yield process
    finally:
        if process.popen.poll() is None:
            process.end(signal.SIGKILL)


def count(process: Process, at_least: int) -> None:
    eventually(lambda: len(process.samples()) >= at_least, 30)


def test_it_samples_answers_and_ends_cleanly(home):
    with running(home) as process:
        count(process, 2)
        assert process.heard() == "all well"
        assert process.page("/healthz") == (200, '{"status":"ok"}')
        status, metrics = process.page("/metrics")
        assert status == 200
        assert "mlops_memory_total_bytes{" in metrics
        assert "mlops_reading_unavailable{" in metrics
        assert process.end() == 0
        assert not (home.run / "telemetry.json").exists()
        assert [*home.telemetry.glob("*/open/*.open")] == []
        assert "Traceback" not in process.log


def test_killed_in_the_middle_of_everything_it_loses_nothing_it_had_written(home):
    seen: set[datetime] = set()
    for _ in range(4):
        with running(home) as process:
            before = len(seen)
            eventually(lambda: len(process.samples()) > before + 1, 30)  # noqa: B023 - ends here
            seen |= {one.at for one in process.samples()}
            process.end(signal.SIGKILL)
        assert seen <= {one.at for one in process.samples()}
    with running(home) as process:
        eventually(lambda: len(process.samples()) > len(seen), 30)
        assert seen <= {one.at for one in process.samples()}
        assert Store(home.telemetry).problems() == ()


def test_stopped_for_a_while_there_is_a_gap_and_no_long_window(home):
    with running(home) as process:
        count(process, 2)
        os.kill(process.popen.pid, signal.SIGSTOP)
        stopped = datetime.now(UTC)
        time.sleep(8)
        assert process.heard() == ""  # the supervisor sees it
        os.kill(process.popen.pid, signal.SIGCONT)
        woken = datetime.now(UTC)
        eventually(lambda: sum(one.at > woken for one in process.samples()) >= 2)
        assert process.heard() == "all well"
        for one in process.samples():
            assert one.window_s < 5
        assert not [one for one in process.samples() if stopped < one.at < woken]


def test_the_schedule_does_not_drift(home):
    with running(home) as process:
        count(process, 8)
        times = [one.at.timestamp() for one in process.samples()]
        offsets = [at - times[0] - round(at - times[0]) for at in times]
        assert sorted(abs(one) for one in offsets)[len(offsets) // 2] < 0.1


def test_processes_have_owners_with_their_children_and_end_with_them(home):
    (home.run / FOLDER).mkdir()
    with (
        running(home) as process,
        subprocess.Popen([sys.executable, "-c", SPAWNS]) as parent,
    ):
        children = eventually(lambda: psutil.Process(parent.pid).children())
        path = home.run / FOLDER / f"{parent.pid}.json"
        began = psutil.Process(parent.pid).create_time()
        said = {"pid": parent.pid, "started_at": began, "owner": "run:abc", "project": "clip",
                "mlx": {"active_bytes": 5, "peak_bytes": 9, "cache_bytes": 1}}  # fmt: skip
        path.write_text(json.dumps(said))

        def child() -> object:
            uses = [use for one in process.samples(4) for use in one.processes]
            return next((u for u in uses if u.pid == children[0].pid and u.owner and u.cpu_s), None)

        found = eventually(child)
        assert (found.owner, found.project) == ("run:abc", "clip")
        assert 0.1 < found.cpu_s <= 2.2 * INTERVAL_S
        page = process.page("/metrics")[1]
        line = next(x for x in page.splitlines() if x.startswith("mlops_owner_mlx_active_bytes{"))
        assert 'owner="run",project="clip"' in line
        assert line.endswith(" 5")
        for one in (*children, psutil.Process(parent.pid)):
            one.kill()
        parent.wait()
        eventually(lambda: not path.exists())


def test_garbage_of_others_is_a_sentence_and_old_files_are_cleared(home):
    folder = home.run / FOLDER
    folder.mkdir(mode=0o700)
    for number in range(10_000):
        (folder / f"{9_000_000 + number}.json").write_text("{}")
    os.mkfifo(folder / f"{os.getppid()}.json")
    (folder / f"{os.getpid()}.json").write_bytes(b"\xff\x00{")
    (home.run / "state.json").write_bytes(b"\x00")
    with running(home) as process:
        count(process, 3)
        assert process.heard().startswith("2 files in ")
        eventually(lambda: len([*folder.iterdir()]) == 2, 60)
        windows = [one.window_s for one in process.samples()]
        assert max(windows) < 2 * INTERVAL_S
        for path in folder.iterdir():
            path.unlink()
        eventually(lambda: process.heard() == "all well")


def test_on_a_full_disk_it_says_so_goes_on_and_loses_nothing(tmp_path):
    with mounted(tmp_path / "disk", "1m") as disk:
        home = Home(disk.path / "home")
        home.create()
        with running(home) as process:
            count(process, 2)
            before = {one.at for one in process.samples()}
            disk.fill()
            eventually(lambda: "could not be written" in process.heard(), 40)
            assert "No space left on device" in process.heard()
            assert process.page("/healthz")[0] == 503
            first_in_memory = datetime.now(UTC)
            time.sleep(4)
            assert process.popen.poll() is None
            disk.free()
            eventually(lambda: process.heard() == "all well", 20)
            times = [one.at for one in process.samples()]
            assert before <= set(times)
            waited = [at for at in times if first_in_memory < at]
            assert len(waited) >= 3
            steps = [(b - a).total_seconds() for a, b in itertools.pairwise(times)]
            assert max(steps) < 2.5 * INTERVAL_S
            assert process.page("/healthz")[0] == 200
            assert process.end() == 0


def test_a_full_disk_at_the_start_is_said_and_mends_itself(tmp_path):
    with mounted(tmp_path / "disk", "1m") as disk:
        home = Home(disk.path / "home")
        home.create()
        (home.run / "telemetry.json").write_bytes(b" " * 4096)  # of an earlier run
        log = Path(tmp_path / "elsewhere")
        log.mkdir()
        home.logs.rmdir()
        home.logs.symlink_to(log)
        disk.fill()
        with running(home) as process:
            eventually(lambda: "could not be written" in process.heard(), 30)
            disk.free()
            count(process, 3)
            eventually(lambda: process.heard() == "all well")


def test_with_its_port_taken_it_samples_all_the_same(home):
    with running(home) as first:
        count(first, 1)
        other = Home(home.root.parent / "other")
        other.create()
        with running(other, first.port) as second:
            count(second, 2)
            eventually(lambda: f"port {first.port}" in second.heard())
            assert first.end() == 0
            eventually(lambda: second.heard() == "all well")
            assert second.page("/healthz")[0] == 200


def test_a_second_sampler_of_one_home_ends_with_a_sentence(home):
    with running(home) as first:
        count(first, 1)
        with running(home) as second:
            assert second.popen.wait(20) == 1
            assert "Another sampler works for" in second.log
        before = len(first.samples())
        eventually(lambda: len(first.samples()) > before + 1)
        assert first.heard() == "all well"


# Agents


AGENT = """
import dataclasses, sys
from services.cli import mlops
from services.engines.silicon.chain import Host

here = Host.here
def named(home):
    host = here(home)
    host.machine = dataclasses.replace(host.machine, host="mac-b")
    return host
Host.here = named  # this machine under another name: it has one sampler already
mlops(sys.argv[1:], prog_name="mlops")
"""


@contextlib.contextmanager
def agent(home: Home, *arguments: str, token: str = "") -> Iterator[subprocess.Popen[str]]:
    variables = {"MLOPS_HOME": str(home.root), "PYTHONPATH": str(ROOT)}
    variables |= {"MLOPS_AGENT_TOKEN": token} if token else {}
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", AGENT, "agent", "--interval", "1", *arguments],
        env=os.environ | variables, cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def kept(home: Home) -> list[datetime]:
    now = datetime.now(UTC)
    with contextlib.suppress(Exception):
        reader = Store(home.telemetry)
        found = reader.samples("mac-b", now - timedelta(hours=1), now + timedelta(minutes=1))
        return [one.at for one in found]
    return []


def test_an_agent_reports_through_an_outage_and_its_own_end(home, tmp_path):
    away = Home(tmp_path / "away")
    away.create()
    token = tokens.make(home.secrets / tokens.FOLDER, "mac-b")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running(home, port) as process:
        eventually(lambda: process.heard() == "all well")
        with agent(away, "--join", url, token="wrong") as refused:
            said, _ = refused.communicate(timeout=30)
            assert refused.returncode == 1
            assert "The token was never made here" in said
            assert "Traceback" not in said
        with agent(away, "--join", url, token=token) as first:
            eventually(lambda: len(kept(home)) >= 2, 30)
            process.end(signal.SIGKILL)
            time.sleep(4)
            first.kill()  # both ends are gone, in the worst way
    with agent(away) as second:  # address and token are known by now
        eventually(lambda: "Samples are kept here" in second.stdout.readline(), 30)
        time.sleep(3)
        with running(home, port) as process:
            eventually(lambda: len(kept(home)) >= 8, 40)
            second.send_signal(signal.SIGTERM)
            said, _ = second.communicate(timeout=20)
            assert second.returncode == 0
            assert said.splitlines()[-1] == "Ended."
            times = kept(home)
            assert len(times) == len(set(times))
            assert process.heard() == "all well"
    spool = away.root / "telemetry-spool"
    assert [*spool.glob("*.z")] == []
    assert (away.secrets / "agent.json").stat().st_mode & 0o777 == 0o600
    # A sample a second but for the moment in which the killed agent's place was empty.
    steps = [(b - a).total_seconds() for a, b in itertools.pairwise(times)]
    assert sum(step > 1.6 for step in steps) <= 1


def test_after_a_restart_machines_that_reported_are_down_until_they_come_or_are_removed(home):
    before = Store(home.telemetry, merge_in_background=False)
    for name in ("mac-b", "mac-c"):
        before.introduce(dataclasses.replace(MAC, host=name), ())
        at = datetime.now(UTC) - timedelta(minutes=5)
        before.append(dataclasses.replace(sample(0), host=name, at=at))
    before.close()

    def up(process: Process, name: str) -> str | None:
        who = f'mlops_host_up{{host="{name}",'
        lines = process.page("/metrics")[1].splitlines()
        return next((one.rpartition(" ")[2] for one in lines if one.startswith(who)), None)

    with running(home) as process:
        eventually(lambda: process.heard() == "all well")
        assert (up(process, "mac-b"), up(process, "mac-c")) == ("0", "0")
        token = tokens.make(home.secrets / tokens.FOLDER, "b")
        collector = Collector(f"http://127.0.0.1:{process.port}", token)
        line = batches.encode(dataclasses.replace(sample(0), at=datetime.now(UTC)))
        for _ in range(2):  # the same again, as a killed agent sends it
            assert collector.send(batches.pack(MAC, (), [line])).accepted == 1
        collector.close()
        assert (up(process, "mac-b"), up(process, "mac-c")) == ("1", "0")
        Store(home.telemetry).remove("mac-c")
        eventually(lambda: up(process, "mac-c") is None)
        assert up(process, "mac-b") == "1"
        assert process.end() == 0
    assert len(kept(home)) == 2  # one before, one now

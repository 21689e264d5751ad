"""The sampler as a function, and as the process that the supervisor starts."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest

from services.engines.silicon.chain import Host
from services.engines.silicon.models import Machine, Sample
from services.engines.silicon.system import System
from services.engines.silicon.uses import Tag, Uses
from services.errors import PlatformError
from services.home import Home
from services.sampler.sampler import Sampler
from services.sampler.serving import Server
from services.telemetry.store import Store
from tests.small_disk import mounted

ROOT = Path(__file__).resolve().parents[3]
MACHINE = Machine("ci-1", "AMD EPYC", apple_silicon=False, os="Linux")


class Kept:
    """A writer that keeps in memory, and can refuse."""

    def __init__(self) -> None:
        self.introduced = 0
        self.samples: list[Sample] = []
        self.full = False

    def introduce(self, machine: object, providers: object, /) -> None:
        self.introduced += 1

    def append(self, sample: Sample, /) -> None:
        if self.full:
            raise PlatformError("The disk is full.")
        self.samples.append(sample)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def sampler(kept: Kept) -> Sampler:
    me = psutil.Process()
    tags = (Tag(me.pid, me.create_time(), "run:r1", "clip"),)
    return Sampler(Host(MACHINE, [System()]), kept, Uses(), lambda: tags)


def test_a_sample_has_the_machines_figures_and_the_runs_processes(sampler: Sampler, kept: Kept):
    sampler.turn()
    sampler.turn()
    assert kept.introduced == 1
    (mine,) = (use for use in kept.samples[-1].processes if use.pid == os.getpid())
    assert (mine.owner, mine.project) == ("run:r1", "clip")
    assert mine.cpu_s is not None
    assert sampler.detail() == "all well"


def test_a_full_disk_is_a_sentence_and_sampling_goes_on(sampler: Sampler, kept: Kept):
    kept.full = True
    sampler.turn()
    assert sampler.detail() == "The disk is full."
    kept.full = False
    sampler.turn()
    assert sampler.detail() == "all well"


def test_samples_missed_while_the_machine_slept_are_not_made_up_for(sampler: Sampler, kept: Kept):
    ended = threading.Event()

    def beat() -> None:
        if len(kept.samples) == 1:
            time.sleep(0.5)  # ten intervals
        if len(kept.samples) == 4:
            ended.set()

    sampler.run(0.05, ended, beat)
    assert len(kept.samples) == 4
    first, second, _, fourth = (sample.at for sample in kept.samples)
    assert second - first >= timedelta(seconds=0.5)
    assert fourth - second >= timedelta(seconds=0.08)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_another_name_of_this_address_is_refused(tmp_path: Path):
    port = free_port()
    with Server(Store(tmp_path), "127.0.0.1", port):
        url = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{url}/healthz").text == "ok\n"
        assert httpx.get(f"{url}/metrics").status_code == 200
        assert httpx.get(f"{url}/other").status_code == 404
        rebound = httpx.get(f"{url}/metrics", headers={"Host": f"evil.example:{port}"})
        assert rebound.status_code == 403


def test_a_taken_port_is_a_sentence(tmp_path: Path):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(PlatformError, match="cannot listen"),
        Server(Store(tmp_path), "127.0.0.1", taken.getsockname()[1]),
    ):
        pass


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def process(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    with started(home) as running:
        yield running
        running.kill()


def started(home: Home, port: int = 0) -> subprocess.Popen[bytes]:
    paths = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client' / 'src'}"}
    home.create()
    with (home.root / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "services.sampler", "--interval", "0.1", "--port", str(port)],
            env=os.environ | paths | {"MLOPS_HOME": str(home.root)},
            stdout=log,
            stderr=log,
        )


def count(home: Home) -> int:
    store, now = Store(home.telemetry), datetime.now(UTC)
    hosts = store.hosts()
    if not hosts:
        return 0
    host, hour = hosts[0].machine.host, timedelta(hours=1)
    return len(store.samples(host, now - hour, now + hour))


def wait_for(home: Home, samples: int, timeout_s: float = 20.0) -> int:
    until = time.monotonic() + timeout_s
    while (found := count(home)) < samples:
        assert time.monotonic() < until, (home.root / "log").read_text()
        time.sleep(0.1)
    return found


@pytest.mark.engine
def test_the_process_writes_reports_and_ends_when_told(
    home: Home, process: subprocess.Popen[bytes]
):
    wait_for(home, 3)
    report = json.loads((home.run / "telemetry.json").read_bytes())
    assert (report["pid"], report["detail"]) == (process.pid, "all well")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert not (home.run / "telemetry.json").exists()


@pytest.mark.engine
def test_a_killed_one_loses_nothing_and_the_next_goes_on(
    home: Home, process: subprocess.Popen[bytes]
):
    wait_for(home, 5)
    process.kill()
    process.wait()
    before = count(home)
    assert before >= 5
    with started(home) as again:
        try:
            wait_for(home, before + 3)
        finally:
            again.kill()


@pytest.mark.engine
def test_a_stopped_one_leaves_a_gap_and_goes_on(home: Home, process: subprocess.Popen[bytes]):
    wait_for(home, 3)
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.2)
    before = count(home)
    time.sleep(1.0)
    process.send_signal(signal.SIGCONT)
    found = wait_for(home, before + 3)
    store, now = Store(home.telemetry), datetime.now(UTC)
    host, hour = store.hosts()[0].machine.host, timedelta(hours=1)
    times = [sample.at for sample in store.samples(host, now - hour, now)]
    gaps = [after - at for at, after in itertools.pairwise(times)]
    assert max(gaps) > timedelta(seconds=0.9)
    assert found < before + 15  # the gap was not filled


@pytest.mark.engine
@pytest.mark.slow
def test_on_a_full_disk_it_stays_says_so_and_goes_on(tmp_path: Path):
    with mounted(tmp_path / "disk", "2m") as disk:
        home = Home(disk.path / "home")
        with started(home) as running:
            try:
                wait_for(home, 3)
                disk.fill()
                until = time.monotonic() + 20
                while "written" not in detail(home) and "full" not in detail(home):
                    assert time.monotonic() < until, detail(home)
                    time.sleep(0.2)
                assert running.poll() is None
                before = count(home)
                disk.free()
                wait_for(home, before + 5)
                assert detail(home) == "all well"
            finally:
                running.kill()


def detail(home: Home) -> str:
    try:
        return str(json.loads((home.run / "telemetry.json").read_bytes())["detail"])
    except (OSError, ValueError):
        return ""

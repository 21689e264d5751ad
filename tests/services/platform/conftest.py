import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.home import Home
from services.platform import processes
from services.platform import state as states
from services.platform.engines import EngineSpec
from services.platform.keeper import Pace
from services.platform.probes import HttpProbe
from services.platform.supervisor import Supervisor

ROOT = Path(__file__).resolve().parents[3]
ENGINE = Path(__file__).with_name("small_engine.py")
QUICK = Pace(
    asked_starting_s=0.02,
    asked_live_s=0.05,
    looked_s=0.02,
    counted_s=0.05,
    first_wait_s=0.05,
    longest_wait_s=0.2,
    stable_s=30.0,
    failing_after=3,
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def small_spec(name: str, port: int, *flags: str, **changes: object) -> EngineSpec:
    settings = {"stop_timeout_s": 0.5, "hang_timeout_s": 0.3, "start_timeout_s": 30.0} | changes
    return EngineSpec(
        name,
        name.capitalize(),
        HttpProbe(f"http://127.0.0.1:{port}/", timeout_s=1.0),
        (sys.executable, "-S", str(ENGINE), str(port), *flags),
        url=f"http://127.0.0.1:{port}",
        port=port,
        **settings,
    )


def wait_until(what: Callable[[], object], timeout_s: float = 20.0) -> object:
    """Wait for something to become true; the bound only keeps a broken test from hanging."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    found = Home(tmp_path / "home")
    found.create()
    monkeypatch.setenv("MLOPS_HOME", str(found.root))
    yield found
    left = processes.marked(found.root)
    processes.end(left, timeout_s=0.2)


@contextlib.contextmanager
def kept(home: Home, *specs: EngineSpec, pace: Pace = QUICK) -> Iterator[Supervisor]:
    """Run a supervisor in a thread of this process."""
    supervisor = Supervisor(home, lambda home, before: specs, pace)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            supervisor.run()
        except BaseException as error:  # noqa: BLE001 - raised again by the test's own thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()
        thread.join(30)
        assert not thread.is_alive()
        if failed:
            raise failed[0]


def engine(supervisor: Supervisor, name: str = "small") -> states.EngineState:
    return supervisor.state.engine(name) or states.EngineState(name)


def live(supervisor: Supervisor, name: str = "small") -> states.EngineState:
    return wait_until(lambda: (now := engine(supervisor, name)).phase == "live" and now)


@pytest.fixture
def platform_process(home: Home) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start a supervisor of one small engine as a process of its own."""
    started: list[subprocess.Popen] = []

    def start(port: int, *flags: str) -> subprocess.Popen:
        log = (home.logs / "supervisor.log").open("ab")
        with log:
            process = subprocess.Popen(
                [
                    sys.executable, "-m", "tests.services.platform.small_platform",
                    str(home.root), str(port), *flags,
                ],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait(10)


def noted(home: Home, name: str = "small") -> states.EngineState:
    """Return what the supervisor's file says of an engine."""
    return states.load(home.run / "state.json").engine(name) or states.EngineState(name)

"""A process is known again whatever happens to the clock, and no other is taken for it."""

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import process_identity
from services.home import Home
from services.platform import control, lock, processes
from services.platform import state as states
from services.platform.state import EngineState, PlatformState
from services.process_identity import (
    Identity,
    age_s,
    counted_by_mach,
    start_of,
)
from services.resources.leases import is_alive
from services.resources.models import Owner

BOOT = "a3381245-f00e-488e-90e8-1af15eb2fbc2"
OTHER_BOOT = "0b1c2d3e-f00e-488e-90e8-1af15eb2fbc2"
WAITS = (sys.executable, "-S", "-c", "import time; time.sleep(120)")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


@pytest.fixture
def child() -> Iterator[int]:
    with subprocess.Popen(WAITS, start_new_session=True) as process:
        yield process.pid
        process.kill()


class Machine:
    """A ``/proc`` of our own, which psutil reads, too."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.proc = folder
        self.boot(BOOT)
        self.set_clock(1_795_940_357)
        patch.setattr(process_identity, "_PROC", folder)
        patch.setattr(psutil, "PROCFS_PATH", str(folder))

    def boot(self, boot_id: str) -> None:
        path = self.proc / "sys/kernel/random/boot_id"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{boot_id}\n")
        process_identity._linux_boot.cache_clear()

    def set_clock(self, btime: int) -> None:
        """Set it so that the machine seems to have started then."""
        self.btime = btime
        (self.proc / "stat").write_text(f"cpu 1 2 3\nbtime {btime}\nprocesses 9\n")

    def put(self, pid: int, ticks: int, name: str = "python") -> None:
        rest = " ".join(["S", *("0" for _ in range(18)), str(ticks), *("0" for _ in range(30))])
        (self.proc / str(pid)).mkdir(exist_ok=True)
        (self.proc / str(pid) / "stat").write_text(f"{pid} ({name}) {rest}\n")

    def end(self, pid: int) -> None:
        shutil.rmtree(self.proc / str(pid))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with pytest.MonkeyPatch.context() as patch:
        yield Machine(tmp_path / "proc", patch)
    process_identity._linux_boot.cache_clear()


# What the kernel tells


@LINUX
@pytest.mark.parametrize("name", ["python", "a) b (c", ") S 1 2 3", "", "tmux: server"])
def test_the_start_is_read_whatever_the_name_of_the_program(machine: Machine, name: str):
    machine.put(7, 4_043_470, name)
    assert start_of(7) == "a3381245-4043470"


@LINUX
@pytest.mark.parametrize("text", ["", "7 (python) S 1", "7 (python", "7 (x) " + "S " * 30])
def test_what_cannot_be_read_is_no_start(machine: Machine, text: str):
    machine.put(7, 1)
    (machine.proc / "7" / "stat").write_text(text)
    assert start_of(7) == ""
    assert age_s(7) is None


@LINUX
def test_without_the_boot_there_is_no_start(machine: Machine):
    """Ticks alone would be those of a process of another day."""
    machine.put(7, 1)
    (machine.proc / "sys/kernel/random/boot_id").unlink()
    assert start_of(7) == ""
    machine.boot("no uuid")
    assert start_of(7) == ""


def test_a_mac_tells_the_start_in_its_own_ticks():
    said = struct.pack("=16s10Q", b"u" * 16, *range(1, 9), 987_654_321_000, 10)
    told = counted_by_mach(7, lambda pid: said if pid == 7 else None, lambda: BOOT.upper())
    assert told == ("a3381245", 987_654_321_000)
    assert counted_by_mach(8, lambda _: None, lambda: BOOT) is None
    assert counted_by_mach(7, lambda _: said[:-1], lambda: BOOT) is None
    assert counted_by_mach(7, lambda _: said, lambda: "") is None


def test_the_kernel_of_this_machine_tells_it(child: int):
    assert start_of(child)
    assert start_of(child) == start_of(child)
    assert start_of(child) != start_of(os.getpid())
    assert 0.0 <= age_s(child) <= age_s(os.getpid())  # type: ignore[operator]  # both are told


# Replays on a machine of our own


@LINUX
@given(
    ticks=st.integers(0, 10**9),
    step_s=st.integers(-(10**8), 10**8),
    other=st.integers(0, 10**9),
    rebooted=st.booleans(),
)
def test_only_the_very_process_is_known_again(
    tmp_path_factory, ticks: int, step_s: int, other: int, rebooted: bool
):
    """Any step of the clock; then another process, or none, under the same number."""
    with pytest.MonkeyPatch.context() as patch:
        machine = Machine(tmp_path_factory.mktemp("m") / "proc", patch)
        machine.put(7, ticks)
        noted = Identity.noted(json.loads(json.dumps(asdict(Identity.of(7)))))
        machine.set_clock(machine.btime + step_s)
        assert noted.alive
        machine.end(7)
        assert not noted.alive
        machine.boot(OTHER_BOOT if rebooted else BOOT)
        # The clock may be such that it seems to have been made at the same moment.
        machine.set_clock(machine.btime + (ticks - other) // 100 - step_s)
        machine.put(7, other)
        assert noted.alive == (other == ticks and not rebooted)


@LINUX
def test_what_an_earlier_version_noted_is_compared_by_the_time_of_day(machine: Machine):
    machine.put(7, 1000)
    noted = Identity.noted({"pid": 7, "created": machine.btime + 10.0})
    assert noted is not None
    assert noted.alive
    machine.set_clock(machine.btime + 1)  # the boot time is told in whole seconds
    assert noted.alive
    machine.set_clock(machine.btime + 3600)
    assert not noted.alive


@LINUX
def test_where_the_start_cannot_be_read_the_time_of_day_tells(machine: Machine):
    machine.put(7, 1000)
    noted = Identity.of(7)
    machine.boot("hidden")
    assert noted.alive
    machine.set_clock(machine.btime + 3600)
    assert not noted.alive


@pytest.mark.parametrize(
    "document",
    [None, [], "7", {}, {"pid": 7}, {"pid": "7", "created": 1.0}, {"pid": 1, "created": 1.0},
     {"pid": True, "created": 1.0}, {"pid": 7, "created": None}, {"pid": 7, "created": 0}],
)  # fmt: skip
def test_nonsense_is_no_identity(document):
    assert Identity.noted(document) is None


@pytest.mark.parametrize("start", [None, 3, "", "a-b", "-5", "a3381245-", "xyz-5", "a-5\n"])
def test_a_start_of_another_form_is_none(start):
    noted = Identity.noted({"pid": 7, "created": 5, "start": start})
    assert noted == Identity(7, 5.0)


@LINUX
def test_who_may_be_of_a_group_is_told_by_the_start(machine: Machine):
    machine.put(7, 1000)
    leader = Identity.of(7)
    machine.put(8, 1000)
    machine.put(9, 999)
    for step_s in (0, 3600, -7200):
        machine.set_clock(machine.btime + step_s)
        assert leader.may_have_started(psutil.Process(8))
        assert not leader.may_have_started(psutil.Process(9))
    machine.boot(OTHER_BOOT)
    assert not leader.may_have_started(psutil.Process(8))
    before = Identity(7, machine.btime + 10.0)
    assert before.may_have_started(psutil.Process(8))
    machine.set_clock(machine.btime - 60)
    assert not before.may_have_started(psutil.Process(8))


# A real process, on a machine whose clock is set


def stepped(patch: pytest.MonkeyPatch, seconds: float) -> None:
    """Set the clock: the time of day moves, and with it the boot time."""
    now, began = time.time, psutil.Process.create_time
    patch.setattr(time, "time", lambda: now() + seconds)
    patch.setattr(psutil.Process, "create_time", lambda one: began(one) + seconds)


STEPS = pytest.mark.parametrize("step_s", [3600.0, -3600.0, 2.0, -86_400.0 * 400])


@STEPS
def test_a_living_process_is_the_same_after_the_clock_was_set(child, monkeypatch, step_s):
    noted, age = Identity.of(child), age_s(child)
    stepped(monkeypatch, step_s)
    assert noted.process() == psutil.Process(child)
    assert age <= age_s(child) < age + 60
    # What it reports from now on is dated by the new clock.
    assert noted.began_at() == pytest.approx(noted.created + step_s, abs=3.0)
    os.kill(child, 9)
    os.waitpid(child, 0)
    assert not noted.alive
    assert noted.began_at() == noted.created


@STEPS
def test_the_whole_family_of_an_engine_is_found_after_the_clock_was_set(monkeypatch, step_s):
    """Its leader is gone; who is left of its group was there before the clock was set."""
    script = "import os, sys, time\nif os.fork(): sys.stdin.read()\nelse: time.sleep(120)"
    leader = subprocess.Popen(
        [sys.executable, "-S", "-c", script], stdin=subprocess.PIPE, start_new_session=True
    )
    noted = Identity.of(leader.pid)
    until = time.monotonic() + 10
    while not (left := psutil.Process(leader.pid).children()) and time.monotonic() < until:
        time.sleep(0.01)
    try:
        leader.communicate(b"")
        stepped(monkeypatch, step_s)
        assert processes.family(noted) == left
        # Of a boot before this one nobody is left, whatever numbers are used again.
        earlier = Identity(noted.pid, noted.created, f"{BOOT[:7]}0-1")
        assert processes.family(earlier) == []
    finally:
        for one in left:
            with contextlib.suppress(psutil.Error):
                one.kill()


@STEPS
def test_the_supervisor_and_its_engines_are_found_after_the_clock_was_set(
    tmp_path, child, monkeypatch, step_s
):
    home = Home(tmp_path / "home")
    home.create()
    noted = Identity.of(child)
    held = lock.take(home.run / "supervisor.lock")
    state = PlatformState(noted, 1.0, (EngineState("mlflow", leader=noted, members=(noted,)),))
    (home.run / "supervisor.pid").write_text(json.dumps(asdict(noted)))
    (home.run / "state.json").write_text(json.dumps(state.document()))
    stepped(monkeypatch, step_s)
    assert control.running(home) == noted
    (engine,) = states.load(home.run / "state.json").engines
    assert (engine.leader.alive, [one.alive for one in engine.members]) == (True, [True])
    assert held is not None


@STEPS
def test_a_lease_is_its_owners_after_the_clock_was_set(child, monkeypatch, step_s):
    noted = Identity.of(child)
    owner = Owner(socket.gethostname(), child, noted.created, noted.start)
    stepped(monkeypatch, step_s)
    assert is_alive(owner) is True
    assert is_alive(Owner(owner.host, child, noted.created + step_s, f"{BOOT[:7]}0-1")) is False

"""Clocks that are set and laptops that sleep end no healthy check; a full disk makes no storm."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.actions.journal import Journal
from services.controller.alerts import WORKFLOW
from services.controller.monitoring import MonitoringWatch
from services.errors import PlatformError
from services.home import Home
from services.monitoring import record, told
from services.monitoring.record import Record
from services.serving import store
from services.serving.models import Rollout, Target
from services.settings import Settings
from tests.small_disk import SmallDisk, mounted

NOW = 1_780_000_000.0
HOUR_S = 3600.0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    made = Home.locate()
    made.create()
    return made


@pytest.fixture
def journal(home: Home) -> Iterator[Journal]:
    journal = Journal.open(Settings())
    store.put_rollout(journal, "p", "m", Rollout(Target(3), action_id=3))
    store.finish_rollout(journal, "p.m", 3, live=True, said="")
    yield journal
    journal.close()


@dataclass
class Machine:
    """Its two clocks, and rounds that do what a test says."""

    home: Home
    journal: Journal
    program: str
    now: float = NOW
    tick: float = 500.0
    begun: int = 0

    def __post_init__(self) -> None:
        self.watch = MonitoringWatch(
            self.home, self.journal, None, WORKFLOW, lambda: self.now, self.start, lambda: self.tick
        )
        self.watch.turn()

    def start(self, _home: Home, _said: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
        self.begun += 1
        log.parent.mkdir(exist_ok=True)
        log.touch()
        return subprocess.Popen([sys.executable, "-S", "-c", self.program])

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.tick += seconds
        self.watch.turn()

    @property
    def child(self) -> "subprocess.Popen[bytes]":
        assert self.watch._child is not None
        return self.watch._child.process

    def buried(self) -> None:
        """Let the round end, and be noticed."""
        self.child.wait(30)
        self.watch.turn()


@pytest.fixture
def machine(home: Home, journal: Journal) -> Iterator[Machine]:
    made = Machine(home, journal, "import time; time.sleep(60)")
    made.passes(61)
    yield made
    if made.watch._child is not None:
        made.child.kill()
        made.child.wait()


@pytest.mark.parametrize("jump", [45 * 60, 30 * 24 * HOUR_S, -61, -HOUR_S, -400 * 24 * HOUR_S])
def test_a_clock_that_jumps_or_a_laptop_that_slept_ends_no_round(machine: Machine, jump: float):
    machine.now += jump
    for _ in range(3):
        machine.passes(5)
    assert machine.child.poll() is None
    assert machine.begun == 1
    assert record.read(machine.home) == Record()


def test_one_that_hangs_is_ended_though_the_clock_was_set_back_meanwhile(machine: Machine):
    machine.now -= 10 * HOUR_S
    machine.passes(told.LONGEST_S + 899)
    assert machine.child.poll() is None
    machine.passes(2)
    assert machine.child.wait(10) == -9
    machine.watch.turn()
    assert "ended with -9" in record.read(machine.home).error


def test_a_round_that_told_its_failure_by_an_earlier_clock_is_not_told_over(machine: Machine):
    """The clock was set back while it ran."""
    record.failed(machine.home, NOW - HOUR_S, "controller", "The log cannot be read.")
    machine.now -= HOUR_S
    machine.child.kill()
    machine.buried()
    assert record.read(machine.home).error == "The log cannot be read."


def test_what_a_check_says_of_its_length_is_by_no_clock_that_is_set(
    monkeypatch: pytest.MonkeyPatch,
):
    clock = SimpleNamespace(monotonic=lambda: 1000.0, time=lambda: NOW + 1e9)
    monkeypatch.setattr(told, "time", clock)
    one = told.Told(1, NOW, tick=1000.0)
    assert not one.hangs
    clock.monotonic = lambda: 1001.0 + told.LONGEST_S
    assert one.hangs
    clock.time = lambda: NOW - 1e9
    assert one.hangs


def test_what_was_told_before_ticks_were_goes_by_when_its_process_began(home: Home):
    path = told.path(home, "1-ab")
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"pid": 1, "created": 1.0, "said": "x", "done": false, "error": "",'
                     b' "hint": "", "lines": []}')  # fmt: skip
    one = told.read(home, "1-ab")
    assert one is not None
    assert (one.tick, one.hangs) == (None, True)
    told.write(path, told.Told(1, 1.0, "x", tick=2.5))
    again = told.read(home, "1-ab")
    assert again is not None
    assert again.tick == 2.5


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "monitoring", "64k") as small:
        yield small


def test_rounds_that_fail_for_want_of_room_are_not_begun_again_at_once(
    disk: SmallDisk, home: Home, journal: Journal
):
    """That a round failed cannot be noted: it is remembered for as long as it would be waited."""
    made = Machine(home, journal, "raise SystemExit(1)")
    disk.fill()
    made.passes(61)
    made.child.wait(30)
    with pytest.raises(PlatformError, match="could not be written: No space left"):
        made.watch.turn()
    for _ in range(100):
        made.passes(5)
    assert made.begun == 1
    assert record.read(home) == Record()
    disk.free()
    made.passes(101)
    assert made.begun == 2
    made.buried()
    assert "ended with 1" in record.read(home).error
    made.program = "pass"
    made.passes(601)
    made.buried()
    assert made.begun == 3
    record.write(home, Record(made.now, made.now, "controller"))
    made.passes(HOUR_S - 10)
    assert made.begun == 3
    made.passes(20)
    assert made.begun == 4
    made.buried()

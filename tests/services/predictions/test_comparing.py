"""The process that compares: what it writes, how often, and when it ends."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from services.errors import PlatformError
from services.home import Home
from services.predictions import comparing, sides
from services.predictions.comparing import Comparer
from services.predictions.worker import Worker
from services.serving import drift
from services.serving.drift import Found
from tests.live import ROOT, eventually
from tests.services.predictions.records import written
from tests.services.predictions.test_sides import CANARY, NEW, OLD, answered


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def found(home: Home):
    said = drift.read_found(home)
    return None if said is None else said.get(CANARY.name)


def test_nothing_wished_for_is_nothing_done(home: Home):
    assert not Comparer(home).turn()
    assert not drift.found_path(home).exists()
    assert comparing.run(Comparer(home), lambda: False) == 0


def test_what_is_wished_for_is_found(home: Home):
    written(home, *answered(NEW, moved=1.0), *answered(OLD, seed=2))
    drift.write_wishes(home, [replace(CANARY, began_at=CANARY.began_at)])
    comparer = Comparer(home)
    asked: list[float] = []

    def compare(*words: object):
        asked.append(time.monotonic())
        return Found(CANARY.name, NEW, CANARY.began_at, 0.5, "Half of them.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sides, "compare", compare)
        assert comparer.turn()
        assert comparer.turn()
    assert len(asked) == 1  # not again at once
    assert found(home) == Found(CANARY.name, NEW, CANARY.began_at, 0.5, "Half of them.")


def test_it_rests_as_long_as_it_can_afford(home: Home, clock, monkeypatch: pytest.MonkeyPatch):
    drift.write_wishes(home, [CANARY])
    asked = []

    def compare(*words: object):
        asked.append(clock[0])
        clock[0] += 0.5
        return Found(CANARY.name, NEW, CANARY.began_at, None, "")

    monkeypatch.setattr(sides, "compare", compare)
    comparer = Comparer(home)
    for _ in range(60):
        comparer.turn()
        clock[0] += 0.5
    assert asked == [1000.0, 1010.5, 1021.0]


def test_another_wish_is_looked_at_at_once_and_an_old_answer_goes(
    home: Home, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        sides, "compare", lambda _, wish, now: Found(wish.name, wish.version, 0.0, 0.0, "")
    )
    comparer = Comparer(home)
    drift.write_wishes(home, [CANARY])
    comparer.turn()
    drift.write_wishes(home, [replace(CANARY, name="other")])
    comparer.turn()
    said = drift.read_found(home)
    assert said is not None
    assert set(said) == {"other"}


def test_a_log_that_cannot_be_read_is_a_sentence(home: Home, monkeypatch: pytest.MonkeyPatch):
    def compare(*words: object):
        raise PlatformError("The prediction log cannot be read.", "Look.")

    monkeypatch.setattr(sides, "compare", compare)
    drift.write_wishes(home, [CANARY])
    Comparer(home).turn()
    one = found(home)
    assert one is not None
    assert one.share is None
    assert "The prediction log cannot be read." in one.said


def test_a_full_disk_ends_it_with_1(home: Home, monkeypatch: pytest.MonkeyPatch):
    def full(*words: object):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(drift, "write_found", full)
    drift.write_wishes(home, [CANARY])
    assert comparing.run(Comparer(home), lambda: False) == 1


def test_it_ends_when_its_engine_is_gone(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(comparing, "_LOOK_S", 0.0)
    drift.write_wishes(home, [CANARY])
    turns = iter([False, False, True])
    assert comparing.run(Comparer(home), lambda: next(turns)) == 0
    assert next(turns, None) is None


class Process:
    """Stands for the process."""

    started = 0

    def __init__(self, *words: object, **more: object) -> None:
        Process.started += 1
        self.code: int | None = None

    def poll(self) -> int | None:
        return self.code


def test_the_engine_starts_one_while_there_is_something_to_do(
    home: Home, clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(subprocess, "Popen", Process)
    monkeypatch.setattr(Process, "started", 0)
    worker = Worker(home)
    worker.turn()
    worker.end()
    assert Process.started == 0
    drift.write_wishes(home, [CANARY])
    for _ in range(3):
        worker.turn()
    assert Process.started == 1
    for code, started in ((0, 2), (1, 2)):  # one that failed is started again later
        assert worker._process is not None
        worker._process.code = code  # type: ignore[attr-defined]
        worker.turn()
        assert Process.started == started
    clock[0] += 11
    worker.turn()
    assert Process.started == 3


def test_old_wishes_start_nothing(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(subprocess, "Popen", Process)
    monkeypatch.setattr(Process, "started", 0)
    drift.wishes_path(home).write_text('{"v": 1, "at": 5, "wishes": []}')
    Worker(home).turn()
    assert Process.started == 0


@pytest.mark.engine
@pytest.mark.slow
def test_the_engine_has_it_compared_and_ends_with_it(home: Home):
    began = time.time() - 60
    at = began + 1
    written(home, *answered(NEW, at=at, moved=1.0), *answered(OLD, at=at, seed=2))
    wish = replace(CANARY, began_at=began)
    drift.write_wishes(home, [wish])
    with subprocess.Popen(
        [sys.executable, "-m", "services.predictions", "--interval", "0.1", "--days", "36500"],
        cwd=ROOT, env=os.environ | {"MLOPS_HOME": str(home.root)},
    ) as process:  # fmt: skip
        try:
            one = eventually(lambda: found(home), 60)
            assert one.share == 0.5
            assert "score: " in one.said
            first = drift.found_path(home).stat().st_mtime_ns
            eventually(lambda: drift.found_path(home).stat().st_mtime_ns > first, 60)
            drift.write_wishes(home, [])
            drift.found_path(home).unlink()
            time.sleep(3)
            assert not drift.found_path(home).exists()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0

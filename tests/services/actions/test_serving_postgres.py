"""Deploying with journal and mirror on Postgres, and with many executors at once."""

import threading
from pathlib import Path

import pytest

from services.actions import audit
from services.actions.executor import Executor
from services.actions.rollout_step import SteerRollout
from services.serving.models import Target
from tests.services.actions.conftest import Clock
from tests.services.actions.serving_lab import Lab, deploy, events, made

pytestmark = pytest.mark.engine


@pytest.fixture(params=["postgres"])
def folder(folder: Path) -> Path:
    """The folder of the other tests, on Postgres alone."""
    return folder


@pytest.fixture
def lab(folder: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Lab:
    monkeypatch.setenv("MLOPS_HOME", str(folder / "home"))
    return made(folder, clock)


def test_a_rollout_is_followed_to_its_end(lab: Lab):
    lab.live(1)
    record = lab.begin(deploy(version=2))
    lab.engine_rolls(record.id, "Check", "It is asked.")
    lab.turn()
    assert lab.record(record).error == "Check: It is asked."
    lab.engine_ends(live=True)
    lab.turn()
    assert lab.record(record).state == "done"
    again = lab.begin(deploy(version=6))
    assert lab.begin(SteerRollout("lora", "net", "abort")).state == "done"
    lab.turn()
    assert lab.record(again).state == "compensated"
    assert events(lab) == [
        ("live", 1), ("deploy", 2), ("live", 2), ("deploy", 6), ("rolled-back", 6),
    ]  # fmt: skip
    assert audit.verify(lab.context.journal).broken_at is None


def test_many_executors_begin_one_rollout(lab: Lab):
    lab.live(1)
    record = lab.submit(deploy(version=2))

    def often() -> None:
        executor = Executor(lab.context, now=lab.clock, elapsed=lab.clock.elapsed)
        for _ in range(5):
            lab.clock.ahead_s += 1
            executor.execute_pending()

    threads = [threading.Thread(target=often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert events(lab) == [("live", 1), ("deploy", 2)]
    assert lab.bench.calls.count("package 2") == 1
    lab.engine_ends(live=True)
    lab.turn()
    now = lab.endpoint()
    assert now is not None
    assert now.live is not None
    assert now.live == Target(2, memory_bytes=now.live.memory_bytes, memory_said="measured")
    assert lab.record(record).state == "done"

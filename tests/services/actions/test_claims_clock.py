"""Claims when the clock is set: who lives keeps its action, and nothing waits for hours."""

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from services.actions import claims as module
from services.actions import schema
from services.actions.action import Context
from services.actions.claims import Claims
from services.actions.executor import Executor
from services.actions.tag import TagRun
from services.process_identity import start_of
from tests.services.actions.conftest import OWNER, RUN


class Times:
    """The time of day, and the time that goes by."""

    def __init__(self) -> None:
        self.day_s, self.gone_s = 1_800_000_000.0, 50.0

    def now(self) -> int:
        return int(self.day_s * 1000)

    def elapsed(self) -> float:
        return self.gone_s

    def go_by(self, seconds: float) -> None:
        self.day_s += seconds
        self.gone_s += seconds

    def set_by(self, seconds: float) -> None:
        self.day_s += seconds


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(120)"]) as process:
        yield process
        process.kill()


def two(context: Context, times: Times) -> tuple[Claims, Claims]:
    return tuple(Claims(context.journal, times.now, times.elapsed) for _ in range(2))  # type: ignore[return-value]


def submitted(executor: Executor, key: str = "1") -> int:
    return executor.submit(OWNER, TagRun("p", RUN, "k", key), key).id


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, 31.0])
def test_who_lives_keeps_its_action_when_the_clock_is_set(
    context: Context, executor: Executor, times: Times, step_s: float
):
    number = submitted(executor)
    owner, other = two(context, times)
    held = owner.take(number)
    assert held is not None
    times.go_by(9)
    assert other.waiting() == []
    times.set_by(step_s)
    for _ in range(2):
        assert other.waiting() == []
        assert other.take(number) is None
        times.go_by(5)
    owner._write(held, lease_ms=times.now() + 30_000)  # as it does every ten seconds
    for _ in range(5):
        times.go_by(5)
        assert other.take(number) is None


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_one_that_does_not_renew_is_relieved_soon_after_the_clock_was_set(
    context: Context, executor: Executor, times: Times, step_s: float
):
    """Its process is stopped: it lives, and renews nothing."""
    number = submitted(executor)
    owner, other = two(context, times)
    assert owner.take(number) is not None
    times.set_by(step_s)
    assert other.take(number) is None
    times.go_by(16)
    assert other.take(number) is not None


def test_another_host_whose_clock_is_ahead_keeps_what_it_holds(
    context: Context, executor: Executor, times: Times
):
    number = submitted(executor)
    with context.journal.write() as connection:
        lease = times.now() + 600_000
        held = {"state": "running", "owner": "elsewhere:1:1.00:a", "lease_ms": lease}
        connection.execute(update(schema.actions).values(**held))
    (other, _) = two(context, times)
    for _ in range(5):
        times.go_by(30)
        assert other.take(number) is None


def test_what_waits_for_a_pause_waits_no_longer_because_the_clock_was_set_back(
    context: Context, executor: Executor, times: Times
):
    number = submitted(executor)
    with context.journal.write() as connection:
        connection.execute(update(schema.actions).values(not_before_ms=times.now() + 60_000))
    (claims, _) = two(context, times)
    assert claims.take(number) is None
    times.set_by(-3600)
    assert claims.take(number) is not None


@given(
    st.lists(
        st.tuples(st.floats(0.1, 9.5), st.floats(-1e6, 1e6), st.booleans()), min_size=1, max_size=15
    )
)
def test_nobody_takes_what_is_renewed_in_time_whatever_the_clock_does(
    steps: list[tuple[float, float, bool]],
):
    """Who looks once a second, as the controller does, sees each step of the clock."""
    times = Times()
    looking = Claims(None, times.now, times.elapsed)  # type: ignore[arg-type]  # it only judges
    lease_ms, renewed = times.now() + 30_000, times.gone_s
    owner = module._identity()

    def free() -> bool:
        values = {"id": 1, "state": "running", "owner": owner, "lease_ms": lease_ms}
        return looking._is_free(type("Row", (), values)())  # type: ignore[arg-type]

    for seconds, step_s, is_set in steps:
        if is_set:
            times.set_by(step_s)
        end = times.gone_s + seconds
        while times.gone_s < end:
            if times.gone_s - renewed >= 10:
                lease_ms, renewed = times.now() + 30_000, times.gone_s
            assert not free()
            times.go_by(min(1.0, end - times.gone_s) + 1e-6)


# Whose process lives


@pytest.mark.parametrize("moved_s", [0.0, 1.0, -3600.0])
def test_a_living_executor_is_known_though_the_boot_time_moved(monkeypatch, moved_s: float):
    """The boot time is told in whole seconds: a step of a millisecond can move it by one."""
    owner = module._identity()
    began = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda one: began(one) + moved_s)
    assert module._is_alive(owner)


def test_an_owner_of_an_earlier_version_is_known_by_the_time_of_day(child):
    host, created = module._identity().split(":")[0], psutil.Process(child.pid).create_time()
    assert module._is_alive(f"{host}:{child.pid}:{created:.2f}:abcd")
    assert module._is_alive(f"{host}:{child.pid}:{created - 1:.2f}:abcd")
    assert not module._is_alive(f"{host}:{child.pid}:{created - 60:.2f}:abcd")


def test_a_process_with_the_number_of_the_owner_is_not_the_owner(child):
    host, created = module._identity().split(":")[0], psutil.Process(child.pid).create_time()
    start = start_of(child.pid)
    assert module._is_alive(f"{host}:{child.pid}:{created:.2f}:abcd:{start}")
    assert not module._is_alive(f"{host}:{child.pid}:{created:.2f}:abcd:{start}0")


def test_the_longest_owner_fits_into_the_journal(
    context: Context, executor: Executor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module.socket, "gethostname", lambda: "h" * 253)
    own = psutil.Process()
    monkeypatch.setattr(module.os, "getpid", lambda: 4_194_303)
    monkeypatch.setattr(module.psutil, "Process", lambda: own)
    monkeypatch.setattr(module, "start_of", lambda _: "a3381245-999999999999999")
    claims = Claims(context.journal, lambda: 1_800_000_000_000)
    monkeypatch.undo()
    assert claims.take(submitted(executor)) is not None
    with context.journal.read() as connection:
        owner = connection.execute(select(schema.actions.c.owner)).scalar_one()
    assert owner == claims._me
    assert len(owner) <= schema.actions.c.owner.type.length

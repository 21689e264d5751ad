import threading
from pathlib import Path

import pytest
from sqlalchemy import select, update

from services.actions import audit, schema
from services.actions.action import Context
from services.actions.claims import Claims, LostClaimError
from services.actions.executor import Executor
from services.actions.promote import Promote
from services.actions.roles import Actor
from services.actions.tag import TagRun
from services.errors import (
    InputError,
)
from tests.services.actions.conftest import OWNER, RUN, Clock, FileEngine, build


def test_two_executors_never_run_the_same(folder: Path, ana: Actor, executor: Executor):
    for number in range(5):
        executor.submit(ana, TagRun("p", RUN, f"k{number}", "v"), f"key{number}")
    others = [Executor(build(folder)[0]) for _ in range(3)]
    threads = [threading.Thread(target=other.execute_pending) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, engine = build(folder)
    assert engine.calls.count("set_run_tag") == 5
    assert {record.state for record in executor.history()} == {"done"}


def test_one_at_a_time_on_a_subject_in_the_order_asked(
    engine: FileEngine, executor: Executor, clock: Clock, ana: Actor
):
    """The first waits for its engine; the second would overtake it, and be overwritten later."""
    engine.fail_at = "set_alias"
    first = executor.submit(ana, Promote("p", "m", 2), "1")
    executor.execute_pending()
    engine.fail_at = ""
    second = executor.submit(ana, Promote("p", "m", 3), "2")
    other = executor.submit(ana, TagRun("p", RUN, "k", "v"), "3")
    executor.execute_pending()
    states = [executor.record(a.id).state for a in (first, second, other)]
    assert states == ["pending", "pending", "done"]
    clock.ahead_s += 20
    executor.execute_pending()
    executor.execute_pending()
    assert engine.alias("p", "m", "champion") == 3


def test_one_that_ends_its_executor_each_time_is_given_up(
    context: Context, executor: Executor, engine: FileEngine, clock: Clock
):
    record = executor.submit(OWNER, Promote("p", "m", 2), "1")
    engine.set_alias("p", "m", "champion", 1)
    for _ in range(8):
        clock.ahead_s += 60
        other = Executor(context, now=clock)
        other._do = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt())  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            other.execute_pending()
    clock.ahead_s += 60
    executor.execute_pending()
    found = executor.record(record.id)
    assert found.state == "failed"
    assert "ended 8 times" in found.error


def test_another_hosts_claim_holds_as_long_as_its_lease(
    context: Context, executor: Executor, clock: Clock
):
    record = executor.submit(OWNER, TagRun("p", RUN, "k", "v"), "1")
    with context.journal.write() as connection:
        held = {"state": "running", "owner": "elsewhere:1:1.00:a", "lease_ms": clock() + 30_000}
        connection.execute(update(schema.actions).values(**held))
    assert executor.execute_pending() == 0
    clock.ahead_s += 31
    assert executor.execute_pending() == 1
    assert executor.record(record.id).state == "done"


def test_the_lease_is_renewed_while_a_step_takes_long(
    context: Context, executor: Executor, engine: FileEngine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("services.actions.claims._RENEW_S", 0.01)
    executor.submit(OWNER, TagRun("p", RUN, "k", "v"), "1")
    leases: list[int] = []

    def lease() -> int:
        with context.journal.read() as connection:
            return int(connection.execute(select(schema.actions.c.lease_ms)).scalar_one())

    def slow() -> None:
        first = lease()
        for _ in range(500):
            if lease() > first:
                break
            threading.Event().wait(0.01)
        leases.extend((first, lease()))

    engine.point = slow
    executor.execute_pending()
    assert leases[1] > leases[0]


def test_only_the_one_asked_for_and_no_more_than_the_limit(executor: Executor):
    records = [
        executor.submit(OWNER, TagRun("p", f"{n:032x}", "k", "v"), str(n)) for n in (1, 8, 9)
    ]
    assert executor.execute_pending(only=records[1].id) == 1
    assert executor.execute_pending(limit=1) == 1
    states = [executor.record(record.id).state for record in records]
    assert states == ["done", "done", "pending"]


def test_who_lost_the_claim_writes_nothing_more(context: Context, executor: Executor, clock: Clock):
    record = executor.submit(OWNER, TagRun("p", RUN, "k", "v"), "1")
    late, quick = (
        Claims(context.journal, clock, clock.elapsed),
        Claims(context.journal, clock, clock.elapsed),
    )
    lost = late.take(record.id)
    assert lost is not None
    assert quick.take(record.id) is None
    clock.ahead_s += 60
    held = quick.take(record.id)
    assert held is not None
    for write in (
        lambda: late.mark(lost, 0, "s", "done", "", {}),
        lambda: late.remember(lost, {}),
        lambda: late.put_back(lost, InputError("x"), 0),
        lambda: late.end(lost, "done"),
    ):
        with pytest.raises(LostClaimError):
            write()
    assert executor.record(record.id).steps == ()
    quick.end(held, "done")
    assert [e.what for e in audit.entries(context.journal)] == ["tag-run.done", "tag-run.requested"]


def test_nobody_takes_what_is_behind_another(context: Context, executor: Executor, clock: Clock):
    """Who looked before the first was taken must not take the second after it."""
    first = executor.submit(OWNER, TagRun("p", RUN, "k", "1"), "1")
    second = executor.submit(OWNER, TagRun("p", RUN, "k", "2"), "2")
    claims, others = (
        Claims(context.journal, clock, clock.elapsed),
        Claims(context.journal, clock, clock.elapsed),
    )
    assert others.take(second.id) is None
    held = claims.take(first.id)
    assert held is not None
    assert others.take(second.id) is None
    claims.end(held, "done")
    assert others.take(second.id) is not None

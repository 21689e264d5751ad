"""Steps that are asked again: nobody waits for them, and a crash or a click changes nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from services.actions import catalog
from services.actions.action import Context, Deed, Lane, NotYetError, Step, needed_role
from services.actions.executor import Executor
from services.actions.roles import Actor, Role
from services.errors import EngineUnreachableError
from tests.services.actions.conftest import OWNER, Clock

said: list[Any] = []


@dataclass(frozen=True)
class Waits:
    """Its second step does what the test says."""

    kind: ClassVar[str] = "waits"
    role: ClassVar[Role] = "operator"
    lane: ClassVar[Lane] = "serving"

    name: str = "a"
    project: str = "p"
    done: tuple[str, ...] = field(default=())

    @property
    def title(self) -> str:
        return f"Wait for {self.name}"

    @property
    def subject(self) -> str:
        return f"waits:{self.name}"

    def check(self, context: Context, actor: Actor) -> None: ...

    def consequences(self, context: Context) -> tuple[str, ...]:
        return ()

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        def first() -> str:
            deed.memory["first"] = deed.memory.get("first", 0) + 1
            return "done once"

        def second() -> str:
            answer = said.pop(0) if said else NotYetError("It goes on.", 1.0)
            if isinstance(answer, Exception):
                raise answer
            return str(answer)

        return (Step("First", first), Step("Second", second, lambda: said.append("undone")))


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalog.ACTIONS, "waits", Waits)
    said.clear()


@contextmanager
def asked(executor: Executor, *names: str) -> Iterator[list[int]]:
    ids = [executor.submit(OWNER, Waits(name), name).id for name in names]
    executor.execute_pending()
    yield ids


def test_it_is_asked_again_after_its_pause_alone(executor: Executor, clock: Clock):
    with asked(executor, "a") as (number,):
        found = executor.record(number)
        assert (found.state, found.error) == ("pending", "It goes on.")
        assert [step.detail for step in found.steps] == ["done once", "It goes on."]
        assert [step.state for step in found.steps] == ["done", "started"]
        said.append("well")
        executor.execute_pending()
        assert executor.record(number).state == "pending"
        clock.ahead_s += 2
        executor.execute_pending()
        ended = executor.record(number)
        assert (ended.state, ended.error, ended.result) == ("done", "", "done once; well")
        assert ended.memory["first"] == 1


def test_many_are_at_such_a_step_at_a_time(executor: Executor, clock: Clock):
    with asked(executor, "a", "b", "c") as ids:
        assert [executor.record(number).state for number in ids] == ["pending"] * 3
        said.extend(["x", "y", "z"])
        clock.ahead_s += 2
        assert executor.execute_pending() == 3


def test_one_subject_goes_one_after_another(executor: Executor, clock: Clock):
    first = executor.submit(OWNER, Waits("a"), "1")
    executor.execute_pending()
    second = executor.submit(OWNER, Waits("a"), "2")
    executor.execute_pending()
    assert executor.record(second.id).steps == ()
    said.append("x")
    clock.ahead_s += 2
    executor.execute_pending()
    assert executor.record(first.id).state == "done"
    assert executor.record(second.id).steps[1].detail == "It goes on."


def test_it_never_counts_as_a_try(executor: Executor, clock: Clock):
    with asked(executor, "a") as (number,):
        for _ in range(50):
            clock.ahead_s += 2
            executor.execute_pending()
        assert executor.record(number).state == "pending"
        # An engine that is away does count, and is taken back in the end.
        said.extend(EngineUnreachableError("It is away.") for _ in range(9))
        for _ in range(9):
            clock.ahead_s += 20
            executor.execute_pending()
        assert executor.record(number).state == "compensated"
        assert said[-1] == "undone"


def test_each_lane_is_executed_by_its_own_loop(executor: Executor):
    made = executor.submit(OWNER, Waits("a"), "1")
    executor.execute_pending(lane="quick")
    executor.execute_pending(lane="data")
    assert executor.record(made.id).steps == ()
    executor.execute_pending(lane="serving")
    assert executor.record(made.id).steps != ()
    assert {kind for kind in catalog.ACTIONS if catalog.lane_of(kind) == "serving"} == {
        "deploy", "deploy-rollback", "rollout", "undeploy", "waits",
    }  # fmt: skip
    assert catalog.lane_of("nothing") == "quick"


def test_the_role_is_that_of_the_kind_where_none_is_said():
    assert needed_role(Waits()) == "operator"

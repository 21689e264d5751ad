import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from services.access import store
from services.actions import audit, catalog, history
from services.actions.action import Context, Deed, Step
from services.actions.executor import Executor
from services.actions.promote import Promote
from services.actions.roles import Actor, Role
from services.actions.tag import TagRun
from services.errors import (
    JournalError,
)
from tests.services.actions.conftest import OWNER, RUN, Clock, FileEngine


def test_an_engine_away_is_tried_again_after_a_pause(
    engine: FileEngine, executor: Executor, clock: Clock, ana: Actor
):
    engine.fail_at, engine.after = "set_alias", False
    record = executor.submit(ana, Promote("p", "m", 2), "k")
    executor.execute_pending()
    waiting = executor.record(record.id)
    assert (waiting.state, waiting.error) == ("pending", "MLflow went away before set_alias.")
    engine.fail_at = ""
    executor.execute_pending()
    assert executor.record(record.id).state == "pending"
    clock.ahead_s += 20
    executor.execute_pending()
    found = executor.record(record.id)
    assert (found.state, found.error) == ("done", "")


def test_an_error_is_not_not_done(engine: FileEngine, executor: Executor, clock: Clock, ana: Actor):
    """The alias was moved and only the answer was lost: the next try reads that, and goes on."""
    engine.set_alias("p", "m", "champion", 1)
    engine.fail_at, engine.after = "set_alias", True
    record = executor.submit(ana, Promote("p", "m", 2), "k")
    executor.execute_pending()
    assert engine.alias("p", "m", "champion") == 2
    clock.ahead_s += 20
    executor.execute_pending()
    assert executor.record(record.id).state == "done"
    assert engine.calls.count("set_alias") == 2
    assert executor.record(record.id).steps[0].detail == "champion was version 1"


def test_an_engine_away_too_long_has_it_taken_back_when_it_returns(
    context: Context, engine: FileEngine, executor: Executor, clock: Clock, ana: Actor
):
    """The answer was lost each time and the engine stays away: what was moved is moved back."""
    engine.set_alias("p", "m", "champion", 1)
    record = executor.submit(ana, Promote("p", "m", 2), "k")
    engine.fail_at, engine.after = "set_alias", True
    executor.execute_pending()
    engine.fail_at = "alias"
    for _ in range(12):
        clock.ahead_s += 90
        executor.execute_pending()
    away = executor.record(record.id)
    assert away.state == "pending"
    engine.fail_at = ""
    clock.ahead_s += 90
    executor.execute_pending()
    found = executor.record(record.id)
    assert found.state == "compensated"
    assert "went away" in found.error
    assert engine.alias("p", "m", "champion") == 1
    spans = history.alias_spans(context.journal, "p", "m", "champion")
    assert [(s.version, s.reason) for s in spans] == [(1, "taken back"), (2, ""), (1, "")]


def test_an_engine_that_never_returns_ends_it_with_both_reasons(
    engine: FileEngine, executor: Executor, clock: Clock, ana: Actor
):
    record = executor.submit(ana, Promote("p", "m", 2), "k")
    engine.fail_at, engine.after = "set_alias", True
    executor.execute_pending()
    engine.fail_at = "alias"
    for _ in range(60):
        clock.ahead_s += 90
        executor.execute_pending()
    found = executor.record(record.id)
    assert found.state == "failed"
    assert "Taking it back failed too: MLflow went away" in found.hint


def test_the_role_taken_away_half_way_takes_it_back(
    context: Context, engine: FileEngine, executor: Executor, clock: Clock, ana: Actor
):
    engine.set_alias("p", "m", "champion", 1)
    engine.fail_at, engine.after = "set_alias", True
    record = executor.submit(ana, Promote("p", "m", 2), "k")
    executor.execute_pending()
    engine.fail_at = ""
    store.change(context.journal, "ana", role="viewer")
    clock.ahead_s += 20
    executor.execute_pending()
    found = executor.record(record.id)
    assert (found.state, found.error) == (
        "denied",
        "Promote m version 2 to champion takes the role approver; ana is viewer.",
    )
    assert engine.alias("p", "m", "champion") == 1


@dataclass(frozen=True, slots=True)
class Buggy:
    """Sets a tag, then meets a defect."""

    kind: ClassVar[str] = "buggy"
    role: ClassVar[Role] = "operator"

    project: str = "p"
    title: str = "Meet a defect"
    subject: str = ""
    back: bool = True

    def check(self, context: Context, actor: Actor) -> None:
        pass

    def consequences(self, context: Context) -> tuple[str, ...]:
        return ()

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        def tag() -> str:
            context.tracking.set_run_tag("p", RUN, "half", "done")
            return ""

        def untag() -> None:
            if not self.back:
                raise ZeroDivisionError
            context.tracking.delete_run_tag("p", RUN, "half")

        def defect() -> str:
            raise ZeroDivisionError("by hand")

        return (Step("Tag", tag, untag), Step("Defect", defect))


@pytest.mark.parametrize(("back", "state"), [(True, "compensated"), (False, "failed")])
def test_a_defect_is_raised_told_and_taken_back(
    engine: FileEngine, executor: Executor, monkeypatch: pytest.MonkeyPatch, back: bool, state: str
):
    monkeypatch.setitem(catalog.ACTIONS, "buggy", Buggy)
    record = executor.submit(OWNER, Buggy(back=back), "1")
    with pytest.raises(ZeroDivisionError):
        executor.execute_pending()
    assert engine.tags == {"half": "done"}
    if back:
        executor.execute_pending()
    else:
        with pytest.raises(ZeroDivisionError):
            executor.execute_pending()
    found = executor.record(record.id)
    assert found.state == state
    assert "ZeroDivisionError: by hand" in found.error
    assert engine.tags == ({} if back else {"half": "done"})
    assert executor.execute_pending() == 0


FULL = "The journal could not be used (database or disk is full)."


@pytest.mark.parametrize("failing", range(1, 12))
def test_a_full_disk_stops_it_and_it_goes_on_when_there_is_room(
    context: Context, engine: FileEngine, executor: Executor, ana: Actor, failing: int
):
    """The n-th write fails and all after it, until space is freed: nothing is lost or doubled."""
    record = executor.submit(ana, Promote("p", "m", 2), "k")
    write, left = context.journal.write, failing

    def full() -> object:
        nonlocal left
        left -= 1
        if left <= 0:
            raise JournalError(FULL)
        return write()

    context.journal.write = full  # type: ignore[method-assign, assignment]
    with contextlib.suppress(JournalError):
        executor.execute_pending()
    context.journal.write = write  # type: ignore[method-assign]
    executor.execute_pending()
    assert executor.record(record.id).state == "done"
    assert engine.calls == ["set_alias"]
    assert audit.verify(context.journal).broken_at is None


def test_a_submission_whose_answer_was_lost_is_found_again(
    context: Context, executor: Executor, monkeypatch: pytest.MonkeyPatch
):
    """The error came after the commit: an error is not "not done"."""
    write = context.journal.write

    @contextlib.contextmanager
    def failing() -> Iterator[object]:
        with write() as connection:
            yield connection
        raise JournalError("The journal could not be used (disk I/O error).")

    monkeypatch.setattr(context.journal, "write", failing)
    assert executor.submit(OWNER, TagRun("p", RUN, "k", "v"), "1").state == "pending"

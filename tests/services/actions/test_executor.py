import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from sqlalchemy import select, update

from services.access import store
from services.actions import audit, catalog, history, schema
from services.actions.action import Context, Deed, Step
from services.actions.archive import ArchiveRun
from services.actions.claims import Claims, LostClaimError
from services.actions.executor import Executor
from services.actions.history import AliasEvent
from services.actions.promote import Promote, Rollback
from services.actions.register_project import ForgetProject, RegisterProject
from services.actions.roles import Actor, Role, machine_owner, policy, require_another
from services.actions.tag import TagRun, TagVersion
from services.actions.users import AddUser, ChangeUser
from services.errors import (
    ConflictError,
    DeniedError,
    GateError,
    InputError,
    JournalError,
    NotFoundError,
)
from tests.services.actions.conftest import OWNER, RUN, Clock, FileEngine, build


def done(executor: Executor, actor: Actor, action: object, key: str = "k") -> object:
    record = executor.submit(actor, action, key)  # type: ignore[arg-type]
    executor.execute_pending()
    return executor.record(record.id)


def test_promote_moves_the_alias_and_is_remembered(
    context: Context, engine: FileEngine, executor: Executor, ana: Actor
):
    record = done(executor, ana, Promote("p", "m", 2))
    assert record.state == "done"
    assert [step.state for step in record.steps] == ["done", "done", "done"]
    assert engine.alias("p", "m", "champion") == 2
    (span,) = history.alias_spans(context.journal, "p", "m", "champion")
    assert (span.version, span.actor, span.action_id) == (2, "ana", record.id)
    assert audit.verify(context.journal).broken_at is None


def test_the_same_key_is_the_same_action(executor: Executor, engine: FileEngine, ana: Actor):
    first = executor.submit(ana, Promote("p", "m", 2), "click")
    second = executor.submit(ana, Promote("p", "m", 2), "click")
    assert first.id == second.id
    executor.execute_pending()
    third = executor.submit(ana, Promote("p", "m", 2), "click")
    assert (third.id, third.state) == (first.id, "done")
    assert engine.calls == ["set_alias"]


def test_a_failing_gate_names_metric_value_and_bound(executor: Executor, ana: Actor):
    with pytest.raises(GateError, match=r"acc is 0\.1, which fails the gate >= 0\.5"):
        executor.submit(ana, Promote("p", "m", 1), "k")
    with pytest.raises(GateError):
        executor.submit(ana, Promote("p", "m", 1, reason="a reason alone sets none aside"), "r")
    record = done(executor, ana, Promote("p", "m", 1, override="demo needs it"))
    assert record.state == "done"
    assert record.params["override"] == "demo needs it"


def test_rollback_goes_to_the_version_before(
    context: Context, engine: FileEngine, executor: Executor, ana: Actor
):
    done(executor, ana, Promote("p", "m", 2), "1")
    done(executor, ana, Promote("p", "m", 3), "2")
    assert done(executor, ana, Rollback("p", "m"), "3").state == "done"
    assert engine.alias("p", "m", "champion") == 2
    versions = [s.version for s in history.alias_spans(context.journal, "p", "m", "champion")]
    assert versions == [2, 3, 2]


def test_nothing_to_roll_back_to_is_a_sentence(executor: Executor, ana: Actor):
    with pytest.raises(ConflictError, match="no earlier champion"):
        executor.submit(ana, Rollback("p", "m"), "k")


def test_roles_and_scopes_are_enforced_and_denials_audited(context: Context, executor: Executor):
    for actor in (
        Actor("vic", "viewer"),
        Actor("olga", "operator"),
        Actor("ann", "approver", ("other",)),
    ):
        with pytest.raises(DeniedError):
            executor.submit(actor, Promote("p", "m", 2), "k")
    denied = [entry for entry in audit.entries(context.journal) if entry.what == "promote.denied"]
    assert len(denied) == 3


def test_a_role_taken_away_before_execution_counts(
    context: Context, engine: FileEngine, executor: Executor, ana: Actor
):
    record = executor.submit(ana, Promote("p", "m", 2), "k")
    store.change(context.journal, "ana", role="viewer")
    executor.execute_pending()
    assert executor.record(record.id).state == "denied"
    assert engine.calls == []


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (Promote("p", "m", 9), NotFoundError),
        (Promote("p", "none", 1), NotFoundError),
        (Promote("none", "m", 1), NotFoundError),
        (Promote("p", "m", 2, alias="v2"), InputError),
        (Promote("p", "m", 2, alias="latest"), InputError),
        (Promote("p", "m", 2, alias="a b"), InputError),
        (TagRun("p", RUN, "mlflow.user", "x"), InputError),
        (TagRun("p", RUN, "", "x"), InputError),
        (TagRun("p", RUN, "k", "x" * 9000), InputError),
        (TagRun("p", "f" * 32, "k", "v"), NotFoundError),
        (TagRun("q", RUN, "k", "v"), NotFoundError),
        (ArchiveRun("p", "f" * 32), NotFoundError),
        (RegisterProject("relative", "p2"), InputError),
        (RegisterProject("/nowhere", "p2"), InputError),
        (ForgetProject("/nowhere"), NotFoundError),
        (AddUser("a b", "viewer", None, "x"), InputError),
        (AddUser("bob", "king", None, "x"), InputError),
        (ChangeUser("nobody"), NotFoundError),
    ],
)
def test_wrong_input_is_refused_before_anything_is_journalled(
    executor: Executor, action: object, error: type[Exception]
):
    with pytest.raises(error):
        executor.submit(OWNER, action, "k")  # type: ignore[arg-type]
    assert executor.history() == ()


def test_tag_archive_and_restore(engine: FileEngine, executor: Executor):
    assert done(executor, OWNER, TagRun("p", RUN, "note", "good"), "1").state == "done"
    assert done(executor, OWNER, TagVersion("p", "m", 2, "stage", "qa"), "2").state == "done"
    assert done(executor, OWNER, ArchiveRun("p", RUN), "3").state == "done"
    assert engine.run_lifecycle("p", RUN) == "deleted"
    assert done(executor, OWNER, ArchiveRun("p", RUN, back=True), "4").state == "done"
    assert engine.run_lifecycle("p", RUN) == "active"


def test_users_are_made_and_changed_and_the_last_admin_stays(context: Context, executor: Executor):
    hashed = store.password_hash("bob", "correct horse battery")
    record = done(executor, OWNER, AddUser("bob", "admin", None, hashed), "1")
    assert "password_hash" not in record.params
    assert store.require(context.journal, "bob").role == "admin"
    with pytest.raises(InputError, match="last admin"):
        executor.submit(OWNER, ChangeUser("bob", disabled=True), "2")
    with pytest.raises(InputError, match="already"):
        executor.submit(OWNER, AddUser("bob", "viewer", None, hashed), "3")
    with pytest.raises(InputError, match="last admin"):
        executor.submit(OWNER, ChangeUser("bob", projects=("p",)), "2")
    done(executor, OWNER, AddUser("ann", "admin", None, "x"), "5")
    done(executor, OWNER, ChangeUser("bob", projects=("p",)), "4")
    assert store.require(context.journal, "bob").projects == ("p",)


def test_projects_are_registered_once_and_forgotten(
    context: Context, executor: Executor, tmp_path: Path
):
    home = tmp_path / "mine"
    home.mkdir()
    (home / "pyproject.toml").touch()
    done(executor, OWNER, RegisterProject(str(home), "mine"), "1")
    done(executor, OWNER, RegisterProject(str(home), "mine"), "2")
    assert context.journal.project_paths() == (home,)
    done(executor, OWNER, ForgetProject(str(home)), "3")
    assert context.journal.project_paths() == ()


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


def test_a_key_used_for_something_else_is_refused(executor: Executor, ana: Actor):
    executor.submit(ana, Promote("p", "m", 2), "click")
    with pytest.raises(ConflictError, match="used for something else: Promote m version 2"):
        executor.submit(ana, TagRun("p", RUN, "k", "v"), "click")
    assert executor.submit(OWNER, TagRun("p", RUN, "k", "v"), "click").kind == "tag-run"


@pytest.mark.parametrize("key", ["", "x" * 501])
def test_a_key_is_a_few_characters(executor: Executor, key: str):
    with pytest.raises(InputError, match="key"):
        executor.submit(OWNER, Promote("p", "m", 2), key)


def test_long_keys_that_differ_at_the_end_are_two(executor: Executor):
    first = executor.submit(OWNER, TagRun("p", RUN, "k", "v"), "x" * 300 + "1")
    second = executor.submit(OWNER, TagRun("p", RUN, "k", "v"), "x" * 300 + "2")
    assert first.id != second.id


@pytest.mark.parametrize("bad", ["nul\0", "half \ud800"])
def test_text_no_database_holds_is_refused(executor: Executor, bad: str):
    with pytest.raises(InputError, match="value has a NUL"):
        executor.submit(OWNER, TagRun("p", RUN, "k", bad), "k")
    assert executor.submit(OWNER, TagRun("p", RUN, "k", "say \\u0000"), "k")


def test_what_was_confirmed_is_rolled_back_to(executor: Executor, engine: FileEngine, ana: Actor):
    done(executor, ana, Promote("p", "m", 2), "1")
    done(executor, ana, Promote("p", "m", 3), "2")
    promoted = executor.submit(ana, Promote("p", "m", 1, override="try"), "3")
    record = executor.submit(ana, Rollback("p", "m"), "4")
    assert record.params["to_version"] == 2
    assert record.title == "Roll m back to version 2 as champion"
    executor.execute_pending()
    executor.execute_pending()
    assert executor.record(promoted.id).state == "done"
    assert engine.alias("p", "m", "champion") == 2


def test_rolling_back_twice_goes_back_two_versions(
    context: Context, executor: Executor, engine: FileEngine, ana: Actor
):
    for key, version in enumerate((1, 2, 3)):
        done(executor, ana, Promote("p", "m", version, override="x"), str(key))
    for key, expected in ((10, 2), (11, 1)):
        done(executor, ana, Rollback("p", "m"), str(key))
        assert engine.alias("p", "m", "champion") == expected
    with pytest.raises(ConflictError, match="no earlier"):
        executor.submit(ana, Rollback("p", "m"), "12")
    done(executor, ana, Promote("p", "m", 3), "13")
    assert history.earlier_versions(context.journal, "p", "m", "champion") == (1,)


def test_a_version_that_is_gone_is_not_rolled_back_to(
    context: Context, executor: Executor, engine: FileEngine, ana: Actor
):
    for version in (2, 7):
        event = AliasEvent("p", "m", "champion", version, history.OBSERVED, None)
        history.record(context.journal, event)
    engine.set_alias("p", "m", "champion", 7)
    done(executor, ana, Promote("p", "m", 3), "1")
    done(executor, ana, Rollback("p", "m"), "2")
    assert engine.alias("p", "m", "champion") == 2


def test_the_champion_nobody_noted_can_be_rolled_back_to(
    executor: Executor, engine: FileEngine, ana: Actor
):
    engine.set_alias("p", "m", "champion", 1)
    done(executor, ana, Promote("p", "m", 2), "1")
    done(executor, ana, Rollback("p", "m"), "2")
    assert engine.alias("p", "m", "champion") == 1


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


def test_a_policy_keeps_the_scope_it_asked_with(context: Context, executor: Executor):
    actor = policy("nightly", "operator", ("p",))
    record = executor.submit(actor, TagRun("p", RUN, "k", "v"), "1")
    assert record.actor == "policy:nightly"
    table = schema.actions
    with context.journal.write() as connection:
        connection.execute(update(table).values(actor_projects=json.dumps(["q"])))
    executor.execute_pending()
    assert executor.record(record.id).state == "denied"


def test_another_versions_action_ends_with_a_sentence(context: Context, executor: Executor):
    record = executor.submit(OWNER, TagRun("p", RUN, "k", "v"), "1")
    with context.journal.write() as connection:
        connection.execute(update(schema.actions).values(kind="transmogrify"))
    executor.execute_pending()
    found = executor.record(record.id)
    assert found.state == "failed"
    assert "does not know the action transmogrify" in found.error


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


def test_history_is_filtered_and_paged(executor: Executor, ana: Actor):
    for number in range(5):
        done(executor, OWNER, TagRun("p", RUN, f"k{number}", "v"), f"t{number}")
    done(executor, ana, Promote("p", "m", 2), "p")
    newest = executor.history(limit=2)
    assert [record.kind for record in newest] == ["promote", "tag-run"]
    assert len(executor.history(before=newest[-1].id)) == 4
    assert len(executor.history(kinds=("promote",))) == 1
    assert len(executor.history(actor="ana")) == 1
    assert executor.history(projects=("q",)) == ()
    assert executor.history(states=("failed",)) == ()
    assert len(executor.history(since=newest[0].submitted_at)) == 1
    assert newest[0].steps[0].name == "Remember the present version"


def test_secrets_leave_the_journal_when_the_action_ended(context: Context, executor: Executor):
    hashed = store.password_hash("bob", "correct horse battery")
    done(executor, OWNER, AddUser("bob", "viewer", None, hashed), "1")
    with context.journal.read() as connection:
        params = connection.execute(select(schema.actions.c.params)).scalar_one()
    assert hashed not in params


def test_an_account_somebody_else_made_meanwhile_is_left_alone(
    context: Context, executor: Executor
):
    record = executor.submit(OWNER, AddUser("bob", "admin", None, "hash-1"), "1")
    store.insert(context.journal, "Bob", "hash-2", "viewer", None)
    executor.execute_pending()
    assert executor.record(record.id).state == "compensated"
    assert [u.role for u in store.everyone(context.journal)] == ["viewer"]


def test_two_admins_cannot_unmake_each_other(context: Context, executor: Executor):
    for name in ("ann", "ben"):
        store.insert(context.journal, name, "x", "admin", None)
    first = executor.submit(OWNER, ChangeUser("ann", user_role="viewer"), "1")
    second = executor.submit(OWNER, ChangeUser("ben", disabled=True), "2")
    executor.execute_pending()
    executor.execute_pending()
    assert executor.record(first.id).state == "done"
    refused = executor.record(second.id)
    assert (refused.state, refused.error) == ("compensated", "ben is the last admin.")
    assert store.admins(context.journal) == ("ben",)


def test_nobody_approves_what_they_asked_for():
    require_another(Actor("ana", "approver"), "bob", "Retraining of p")
    with pytest.raises(DeniedError, match="asked for by ana"):
        require_another(Actor("ana", "approver"), "ana", "Retraining of p")


def test_the_owner_of_the_home_is_admin_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    actor = machine_owner(tmp_path)
    assert (actor.role, actor.kind, actor.name[:3]) == ("admin", "os", "os:")
    monkeypatch.setattr("os.geteuid", lambda: 65534)
    with pytest.raises(DeniedError, match="another user"):
        machine_owner(tmp_path)


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
    late, quick = Claims(context.journal, clock), Claims(context.journal, clock)
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
    claims, others = Claims(context.journal, clock), Claims(context.journal, clock)
    assert others.take(second.id) is None
    held = claims.take(first.id)
    assert held is not None
    assert others.take(second.id) is None
    claims.end(held, "done")
    assert others.take(second.id) is not None

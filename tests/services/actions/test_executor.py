import json
from pathlib import Path

import pytest
from sqlalchemy import select, update

from services.access import store
from services.actions import audit, history, schema
from services.actions.action import Context
from services.actions.archive import ArchiveRun
from services.actions.executor import Executor
from services.actions.promote import Promote
from services.actions.register_project import ForgetProject, RegisterProject
from services.actions.roles import Actor, machine_owner, policy, require_another
from services.actions.tag import TagRun, TagVersion
from services.actions.users import AddUser, ChangeUser
from services.errors import (
    ConflictError,
    DeniedError,
    GateError,
    InputError,
    NotFoundError,
)
from tests.services.actions.carried_out import done
from tests.services.actions.conftest import OWNER, RUN, FileEngine


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

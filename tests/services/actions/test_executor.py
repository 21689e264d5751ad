import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.access import store
from services.actions import audit, history
from services.actions.action import Context
from services.actions.archive import ArchiveRun
from services.actions.executor import Executor
from services.actions.promote import Promote, Rollback
from services.actions.register_project import ForgetProject, RegisterProject
from services.actions.roles import Actor
from services.actions.tag import TagRun, TagVersion
from services.actions.users import AddUser, ChangeUser
from services.errors import ConflictError, DeniedError, GateError, InputError, NotFoundError
from tests.services.actions.conftest import OWNER, RUN, FileEngine, build


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


def test_an_engine_away_is_tried_again_then_taken_back(
    engine: FileEngine, executor: Executor, ana: Actor
):
    engine.fail_at, engine.after = "set_alias", False
    record = executor.submit(ana, Promote("p", "m", 2), "k")
    executor.execute_pending()
    assert executor.record(record.id).state == "pending"
    engine.fail_at = ""
    executor.execute_pending()
    assert executor.record(record.id).state == "done"


def test_an_error_is_not_not_done(engine: FileEngine, executor: Executor, ana: Actor):
    """The alias was moved and only the answer was lost: giving up takes the move back."""
    engine.set_alias("p", "m", "champion", 1)
    engine.fail_at, engine.after = "set_alias", True
    record = executor.submit(ana, Promote("p", "m", 2), "k")
    executor.execute_pending()
    assert engine.alias("p", "m", "champion") == 2
    executor.execute_pending()
    found = executor.record(record.id)
    assert found.state == "done"
    assert engine.calls.count("set_alias") == 2


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


CRASH = """
import os, signal, sys
from pathlib import Path
from services.actions.executor import Executor
from tests.services.actions.conftest import build

folder, at = Path(sys.argv[1]), int(sys.argv[2])
context, engine = build(folder)
seen = 0
def trace(frame, event, arg):
    global seen
    interesting = ("_mark", "_claim", "_remember", "_end", "set_alias", "record", "_do")
    if event in ("call", "return") and frame.f_code.co_name in interesting:
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)
    return trace
sys.settrace(trace)
Executor(context).execute_pending()
sys.settrace(None)
print("ended", seen)
"""


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, 40, 3))
def test_killed_at_any_step_it_is_finished_by_the_next(
    folder: Path, context: Context, engine: FileEngine, executor: Executor, ana: Actor, first: int
):
    done(executor, ana, Promote("p", "m", 2), "before")
    record = executor.submit(ana, Promote("p", "m", 3), "k")
    ended = subprocess.run(
        [sys.executable, "-c", CRASH, str(folder), str(first)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.getcwd()},  # noqa: PTH109 - as the tests were started
    )
    assert ended.returncode in {0, -signal.SIGKILL}, ended.stderr
    executor.execute_pending()
    found = executor.record(record.id)
    assert found.state == "done"
    assert engine.alias("p", "m", "champion") == 3
    spans = history.alias_spans(context.journal, "p", "m", "champion")
    assert [span.version for span in spans] == [3, 2]
    assert audit.verify(context.journal).broken_at is None


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(plan=st.lists(st.tuples(st.sampled_from([2, 3]), st.sampled_from(["", "before", "after"]))))
def test_whatever_fails_history_and_engine_agree(
    context: Context,
    engine: FileEngine,
    executor: Executor,
    plan: list[tuple[int, str]],
):
    for number, (version, fault) in enumerate(plan):
        engine.fail_at, engine.after = ("set_alias" if fault else ""), fault == "after"
        executor.submit(OWNER, Promote("p", "m", version), f"{id(plan)}-{number}")
        executor.execute_pending()
        engine.fail_at = ""
        executor.execute_pending()
        spans = history.alias_spans(context.journal, "p", "m", "champion")
        assert spans[0].version == engine.alias("p", "m", "champion") == version
    assert audit.verify(context.journal).broken_at is None

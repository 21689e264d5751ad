"""kill -9 at every point: before, within and after each write of the journal and of the engine."""

import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from services.access import store
from services.actions import audit, history, schema
from services.actions.action import Action, Context
from services.actions.archive import ArchiveRun
from services.actions.executor import ActionRecord, Executor
from services.actions.promote import Promote, Rollback
from services.actions.register_project import RegisterProject
from services.actions.tag import TagRun
from services.actions.users import AddUser, ChangeUser
from services.errors import MlopsError
from tests.services.actions.conftest import (
    OWNER,
    RUN,
    Clock,
    FileEngine,
    Sabotage,
    build,
)

FAR = 10_000


def executed_until(folder: Path, point: int, run: Callable[[Executor], object]) -> bool:
    """Run in a process of its own that is killed at a point; return whether it got that far."""
    child = os.fork()
    if child == 0:
        context, engine = build(folder)
        Sabotage(context, engine, lambda: os.kill(os.getpid(), signal.SIGKILL)).left = point
        run(Executor(context))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def submitted(folder: Path, action: Action) -> ActionRecord:
    return Executor(build(folder)[0]).submit(OWNER, action, os.urandom(4).hex())


def killed_everywhere(folder: Path, action: Action, check: Callable[[ActionRecord], None]) -> int:
    """Execute the action killed at each point in turn, and finish it in another process."""
    for point in range(1, FAR):
        record = submitted(folder, action)
        reached = executed_until(folder, point, Executor.execute_pending)
        context, _ = build(folder)
        executor = Executor(context)
        executor.execute_pending()
        found = executor.record(record.id)
        check(found)
        verdict = audit.verify(context.journal)
        assert verdict.broken_at is None, verdict
        said = [e.what for e in audit.entries(context.journal, limit=FAR)]
        assert said.count(f"{action.kind}.requested") == point
        assert sum(what == f"{action.kind}.done" for what in said) == point
        context.journal.close()
        if not reached:
            return point
    raise AssertionError("It never ended by itself.")


def take_away(folder: Path, context: Context) -> None:
    """Make room for another journal."""
    if context.journal.path is None:
        with context.journal.write() as connection:
            schema.metadata.drop_all(connection)
    context.journal.close()
    for file in folder.glob("journal.sqlite*"):
        file.unlink()


def champion(folder: Path) -> int | None:
    return FileEngine(folder / "engine.json").alias("p", "m", "champion")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_promote_killed_anywhere_is_finished_once(folder: Path):
    def check(found: ActionRecord) -> None:
        assert found.state == "done"
        assert champion(folder) == 3
        context, engine = build(folder)
        spans = history.alias_spans(context.journal, "p", "m", "champion")
        assert [s.version for s in spans][:1] == [3]
        assert all(a.version != b.version for a, b in itertools.pairwise(spans))
        assert engine.calls == ["set_alias"]
        # The next round begins with another champion.
        engine.set_alias("p", "m", "champion", 1)
        state = engine._load()
        state["calls"] = []
        engine._save(state)

    assert killed_everywhere(folder, Promote("p", "m", 3), check) > 15


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_rollback_killed_anywhere_goes_back_one_version_only(folder: Path):
    context, _ = build(folder)
    executor = Executor(context)

    def again() -> None:
        for version in (1, 2, 3):
            executor.submit(OWNER, Promote("p", "m", version, override="x"), os.urandom(4).hex())
        executor.execute_pending()

    again()

    def check(found: ActionRecord) -> None:
        assert found.state == "done"
        assert champion(folder) == 2
        assert found.params["to_version"] == 2
        again()

    assert killed_everywhere(folder, Rollback("p", "m"), check) > 15


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tag", "archive", "add-user", "change-user", "register"])
def test_every_other_action_killed_anywhere_is_finished(folder: Path, name: str):
    (folder / "mine").mkdir()
    (folder / "mine" / "pyproject.toml").touch()
    journal = build(folder)[0].journal
    store.insert(journal, "ann", "x", "admin", None)
    actions: dict[str, Action] = {
        "tag": TagRun("p", RUN, "k", "v"),
        "archive": ArchiveRun("p", RUN),
        "add-user": AddUser("bob", "viewer", None, "hash"),
        "change-user": ChangeUser("ann", projects=("p",), user_role="viewer"),
        "register": RegisterProject(str(folder / "mine"), "mine"),
    }

    def check(found: ActionRecord) -> None:
        assert found.state == "done", found
        store.remove(journal, "bob", "hash")
        store.change(journal, "ann", role="admin", all_projects=True)
        if name == "archive":
            engine = FileEngine(folder / "engine.json")
            assert engine.run_lifecycle("p", RUN) == "deleted"
            engine.restore_run("p", RUN)

    # A change that would leave no admin is refused; here the machine's owner is another.
    store.insert(journal, "root", "x", "admin", None)
    assert killed_everywhere(folder, actions[name], check) > 8


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_taking_back_killed_anywhere_is_finished(folder: Path):
    """The move was done, its answer lost, and MLflow refuses: it must come out as it was before."""
    FileEngine(folder / "engine.json").set_alias("p", "m", "champion", 1)

    def refused(executor: Executor) -> None:
        engine = executor._context.registry
        assert isinstance(engine, FileEngine)
        setting = engine.set_alias

        def set_alias(workspace: str, model: str, alias: str, version: int) -> None:
            setting(workspace, model, alias, version)
            if version == 2:
                raise MlopsError("MLflow refused.")

        engine.set_alias = set_alias  # type: ignore[method-assign]
        executor.execute_pending()

    outcomes = set()
    for point in range(1, FAR):
        record = submitted(folder, Promote("p", "m", 2))
        reached = executed_until(folder, point, refused)
        executor = Executor(build(folder)[0])
        refused(executor)
        found = executor.record(record.id)
        spans = history.alias_spans(executor._journal, "p", "m", "champion")
        if found.state == "done":  # killed before the refusal came, and the move was there
            assert (champion(folder), spans[0].version) == (2, 2)
            FileEngine(folder / "engine.json").set_alias("p", "m", "champion", 1)
        else:
            assert (found.state, found.error) == ("compensated", "MLflow refused.")
            assert champion(folder) == 1
            assert spans[0].version == 1, (point, found.steps, spans)
        outcomes.add(found.state)
        executor._journal.close()
        if not reached:
            break
    assert point > 15
    assert "compensated" in outcomes


def test_submit_killed_anywhere_is_there_whole_or_not_at_all(folder: Path):
    action = TagRun("p", RUN, "k", "v")
    for point in range(1, FAR):
        reached = executed_until(folder, point, lambda e: e.submit(OWNER, action, "click"))
        context, _ = build(folder)
        requested = [e for e in audit.entries(context.journal) if e.what == "tag-run.requested"]
        assert len(requested) == len(Executor(context).history())
        record = Executor(context).submit(OWNER, action, "click")
        (only,) = Executor(context).history()
        assert record.id == only.id
        take_away(folder, context)
        if not reached:
            break
    assert point == 4


def test_two_processes_with_one_click_make_one_action(folder: Path):
    build(folder)[0].journal.close()
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            executor = Executor(build(folder)[0])
            record = executor.submit(OWNER, TagRun("p", RUN, "k", "v"), "click")
            executor.execute_pending()
            os._exit(record.id)
        children.append(child)
    assert {os.WEXITSTATUS(os.waitpid(child, 0)[1]) for child in children} == {1}
    context, engine = build(folder)
    assert engine.calls == ["set_run_tag"]
    assert audit.verify(context.journal).broken_at is None


def test_many_processes_write_one_unbroken_audit(folder: Path):
    build(folder)[0].journal.close()
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            journal = build(folder)[0].journal
            for entry in range(15):
                with journal.write() as connection:
                    audit.append(connection, f"p{number}", "x", str(entry))
            os._exit(0)
        children.append(child)
    assert [os.WEXITSTATUS(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    verdict = audit.verify(build(folder)[0].journal)
    assert (verdict.entries, verdict.broken_at) == (45, None)


def test_a_stopped_executor_that_wakes_up_late_writes_nothing(folder: Path):
    """SIGSTOP within a step: the lease runs out, another finishes, the late one is refused."""
    context, engine = build(folder)
    record = submitted(folder, Promote("p", "m", 2))
    child = os.fork()
    if child == 0:
        mine, registry = build(folder)
        registry.point = lambda: os.kill(os.getpid(), signal.SIGSTOP)
        ended = Executor(mine).execute_pending()
        os._exit(40 + ended)
    try:
        _, status = os.waitpid(child, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        executor = Executor(context)
        assert executor.execute_pending() == 0
        late = Clock()
        late.ahead_s = 60
        assert Executor(context, now=late).execute_pending() == 1
        done = executor.record(record.id)
        assert done.state == "done"
    finally:
        os.kill(child, signal.SIGCONT)
    while os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1]):
        os.kill(child, signal.SIGCONT)
    assert executor.record(record.id) == done
    said = [e.what for e in audit.entries(context.journal)]
    assert said.count("promote.done") == 1
    assert engine.alias("p", "m", "champion") == 2

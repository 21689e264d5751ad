"""Data actions: journalled, allowed by role, idempotent, and resumed by whoever comes next."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from services.access import store
from services.actions import catalog
from services.actions.action import Action, Context
from services.actions.data_add import DataAdd
from services.actions.data_checkout import DataCheckout
from services.actions.data_prune import DataPrune
from services.actions.data_pull import DataPull
from services.actions.data_push import DataPush
from services.actions.data_share import DataShare
from services.actions.executor import Executor
from services.actions.records import ActionRecord
from services.actions.roles import Actor
from services.data.remote import Remote
from services.data.service import DataService
from services.errors import ConflictError, DeniedError, InputError, NotFoundError
from services.home import Home
from tests.services.actions.conftest import OWNER, Clock, build
from tests.services.data.conftest import content, contract, put

pytestmark = pytest.mark.engine  # DVC itself works


@pytest.fixture
def folder(tmp_path: Path, mould: Path) -> Path:
    for name in ("mirror.sqlite", "journal.sqlite"):
        shutil.copy(mould / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def context(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setenv("MLOPS_HOME", str(folder / "home"))
    Home.locate().create()
    made, _ = build(folder)
    return made


@pytest.fixture
def project(folder: Path, context: Context) -> Path:
    path = folder / "p"
    path.mkdir()
    contract(path, "pp", ["data/"], ["models/"])
    put(path, data__a="one", models__m="weights")
    context.data.configure("pp", path)
    return path


@pytest.fixture
def executor(context: Context, clock: Clock) -> Executor:
    return Executor(context, now=clock, elapsed=clock.elapsed)


def done(executor: Executor, action: Action, who: Actor = OWNER, key: str = "") -> ActionRecord:
    submitted = executor.submit(who, action, key or os.urandom(8).hex())
    executor.execute_pending(only=submitted.id)
    return executor.record(submitted.id)


def two(executor: Executor, project: Path, data: DataService) -> tuple[str, str]:
    done(executor, DataAdd("pp"))
    first = data.versions("pp", "data")[0].revision
    put(project, data__a="two", data__b="new")
    done(executor, DataAdd("pp"))
    return first, data.versions("pp", "data")[0].revision


def test_adding_makes_versions_of_both_kinds(executor: Executor, project: Path, context: Context):
    said = DataAdd("pp").consequences(context)
    assert said == ("What data and models hold now becomes a version.",)
    record = done(executor, DataAdd("pp"))
    assert record.state == "done"
    assert [step.name for step in record.steps] == ["Track data", "Track models"]
    assert {v.kind for v in context.data.versions("pp")} == {"data", "models"}
    again = done(executor, DataAdd("pp"))
    assert "data is still" in again.result
    assert len(context.data.versions("pp")) == 2
    assert DataAdd("pp").consequences(context) == ("Nothing changed since the last versions.",)


def test_checkout_is_fixed_to_the_version_that_was_confirmed(
    executor: Executor, project: Path, context: Context
):
    first, second = two(executor, project, context.data)
    said = " ".join(DataCheckout("pp", first).consequences(context))
    assert "0 added, 1 changed, 1 removed" in said
    assert second in said
    record = done(executor, DataCheckout("pp", first[:5]))
    assert (record.state, record.params["revision"]) == ("done", first)
    assert content(project / "data") == {"a": b"one"}
    assert "already" in DataCheckout("pp", first).consequences(context)[0]


def test_a_dirty_folder_is_refused_before_anything_is_journalled(
    executor: Executor, project: Path, context: Context
):
    first, _ = two(executor, project, context.data)
    put(project, data__mine="mine")
    with pytest.raises(ConflictError, match="data/mine"):
        executor.submit(OWNER, DataCheckout("pp", first), "k")
    assert [r.kind for r in executor.history()] == ["data-add", "data-add"]


def test_what_became_dirty_after_it_was_asked_for_is_not_lost_either(
    executor: Executor, project: Path, context: Context
):
    first, second = two(executor, project, context.data)
    submitted = executor.submit(OWNER, DataCheckout("pp", first), "k")
    put(project, data__mine="mine")
    executor.execute_pending()
    record = executor.record(submitted.id)
    assert record.state == "compensated"
    assert "data/mine" in record.error
    assert "mlops data add" in record.hint
    assert content(project / "data") == {"a": b"two", "b": b"new", "mine": b"mine"}
    current = context.data.project("pp").current("data")
    assert current is not None
    assert current.revision == second


def test_a_checkout_whose_executor_was_killed_is_finished_by_the_next(
    executor: Executor, project: Path, folder: Path, context: Context
):
    first, _ = two(executor, project, context.data)
    record = executor.submit(OWNER, DataCheckout("pp", first), "k")
    for path in ("services.engines.dvc.adapter.DVC.place", "services.data.checkout._settle"):
        child = os.fork()
        if child == 0:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(path, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
                fresh, _ = build(folder)
                Executor(fresh).execute_pending()
            os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status)
        assert executor.record(record.id).state == "running"
    executor.execute_pending()
    assert executor.record(record.id).state == "done"
    assert content(project / "data") == {"a": b"one"}


def test_pushing_while_the_remote_is_away_waits_and_says_so(
    executor: Executor, project: Path, folder: Path, context: Context
):
    (folder / "disk").mkdir()
    remote = Remote(context.data.remote.home, str(folder / "disk" / "remote"))
    away = Executor(
        Context(
            context.journal,
            context.mirror,
            context.tracking,
            context.registry,
            DataService(remote),
        )
    )
    done(away, DataAdd("pp"))
    DataService(remote).push_waiting()
    (folder / "disk").rename(folder / "taken")
    put(project, data__a="two")
    done(away, DataAdd("pp"))
    revision = context.data.versions("pp", "data")[0].revision
    record = done(away, DataPush("pp", revision))
    assert record.state == "done"
    assert "it waits, and is sent by itself" in record.result
    (folder / "taken").rename(folder / "disk")
    assert DataService(remote).push_waiting() == 1
    assert done(away, DataPush("pp", revision)).result == "the remote has it already"


def test_push_pull_and_prune_say_what_they_did(executor: Executor, project: Path, context: Context):
    first, second = two(executor, project, context.data)
    assert done(executor, DataPush("pp", first)).result == "2 files sent"
    assert done(executor, DataPrune("pp")).result == "1 file removed, 3 bytes became free"
    assert done(executor, DataPull("pp", first)).result == "1 file fetched"
    assert done(executor, DataPull("pp", first)).result == "all of it was here, undamaged"
    assert "stayed" not in done(executor, DataPrune("pp")).result
    assert done(executor, DataCheckout("pp", second)).state == "done"


def test_sharing_is_an_approvers_and_can_be_taken_back(
    executor: Executor, project: Path, folder: Path, context: Context
):
    other = folder / "q"
    other.mkdir()
    contract(other, "qq", ["data/"], [])
    context.data.configure("qq", other)
    first, _ = two(executor, project, context.data)
    store.insert(context.journal, "olga", "x", "operator", None)
    olga = Actor("olga", "operator")
    with pytest.raises(DeniedError):
        executor.submit(olga, DataShare("pp", "qq"), "k1")
    with pytest.raises(NotFoundError, match="no project shares"):
        executor.submit(olga, DataCheckout("qq", first), "k2")
    assert done(executor, DataShare("pp", "qq")).state == "done"
    assert context.data.shares("pp")[0].by == "owner"
    assert done(executor, DataCheckout("qq", first), olga).state == "done"
    assert content(other / "data") == {"a": b"one"}
    assert done(executor, DataShare("pp", "qq", "data", back=True)).state == "done"
    assert context.data.shares("pp") == ()


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (DataAdd("nobody"), NotFoundError),
        (DataPush("nobody", "ffff"), NotFoundError),
        (DataPull("pp", "ffff"), NotFoundError),
        (DataCheckout("pp", "ffff"), NotFoundError),
        (DataCheckout("../pp", "ffff"), InputError),
        (DataPrune("pp", 0), InputError),
        (DataPrune("nobody"), NotFoundError),
        (DataShare("pp", "nobody"), NotFoundError),
        (DataShare("pp", "pp"), InputError),
        (DataShare("pp", "pp", "x"), InputError),  # type: ignore[arg-type]  # the point of it
    ],
)
def test_what_is_not_there_is_refused(
    executor: Executor, project: Path, action: Action, error: type[Exception]
):
    with pytest.raises(error):
        executor.submit(OWNER, action, "k")


def test_a_viewer_may_do_none_of_it(executor: Executor, project: Path, context: Context):
    store.insert(context.journal, "vera", "x", "viewer", None)
    vera = Actor("vera", "viewer")
    for number, action in enumerate((DataAdd("pp"), DataPrune("pp"), DataShare("pp", "qq"))):
        with pytest.raises(DeniedError):
            executor.submit(vera, action, f"k{number}")


def test_what_moves_much_data_keeps_nobody_waiting(
    executor: Executor, project: Path, context: Context
):
    moving = executor.submit(OWNER, DataAdd("pp"), "k1")
    executor.execute_pending(lane="quick")
    assert executor.record(moving.id).state == "pending"
    executor.execute_pending(lane="data")
    assert executor.record(moving.id).state == "done"
    assert {kind for kind in catalog.ACTIONS if catalog.lane_of(kind) == "data"} == {
        "data-add", "data-collect", "data-push", "data-pull", "data-checkout", "data-prune",
    }  # fmt: skip

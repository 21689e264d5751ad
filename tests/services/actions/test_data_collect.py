"""Collecting rows of the prediction log into a project's data: journalled, and made once."""

import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from services.access import store as people
from services.actions import catalog
from services.actions.action import Context
from services.actions.data_collect import DataCollect
from services.actions.executor import Executor
from services.actions.records import ActionRecord
from services.actions.roles import Actor
from services.data.collected import collections
from services.errors import ConflictError, DeniedError, InputError, NotFoundError
from services.home import Home
from services.lineage.sources.collected import brought
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback, Record
from services.projects.contract import require
from services.serving import store
from services.serving.models import Endpoint, Privacy, Target
from tests.services.actions.conftest import OWNER, build
from tests.services.data.conftest import contract, put
from tests.services.predictions.records import record

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
    return build(folder)[0]


@pytest.fixture
def project(folder: Path, context: Context) -> Path:
    path = folder / "p"
    path.mkdir()
    contract(path, "pp", ["data/"], ["models/"])
    put(path, data__a="one")
    context.data.configure("pp", path)
    return path


def asked(*privacies: Privacy, labelled: int = 0) -> tuple[Record, ...]:
    log = PredictionLog.open(Home.locate(), "test", reserve_bytes=1 << 16)
    now = time.time() - 60
    made = tuple(record(now + n, project="pp", model="m") for n in range(len(privacies)))
    for one, privacy in zip(made, privacies, strict=True):
        log.append(one, privacy=privacy)
    for one in made[:labelled]:
        log.append_feedback(Feedback(one.id, now + 9, ["yes", "no"]))
    log.close()
    return made


def _hashed(now: Endpoint) -> Endpoint:
    return replace(now, live=Target(1), privacy="hash")


def collect(**changes: object) -> DataCollect:
    return DataCollect("pp", "m", **{"since": time.time() - 3600, **changes})  # type: ignore[arg-type]


def done(executor: Executor, action: DataCollect, key: str = "k") -> ActionRecord:
    submitted = executor.submit(OWNER, action, key)
    executor.execute_pending(only=submitted.id)
    return executor.record(submitted.id)


def test_rows_become_a_file_and_a_version(project: Path, context: Context):
    made = asked("full", "full", "hash", labelled=1)
    executor = Executor(context)
    said = collect().consequences(context)
    assert "2 requests (4 rows; 1 label)" in said[0]
    assert said[-1] == "Left out: 1 request was kept as hashes."
    record = done(executor, collect())
    assert record.state == "done", record.error
    assert "4 rows of 2 requests, 2 with a label, in collected/m." in record.result
    assert "1 request was kept as hashes" in record.result
    (found,) = collections(project, require(project), "m")
    assert (found.rows, found.labelled) == (4, 2)
    assert found.path.parent == project / "data" / "collected"
    assert record.params["until"] == found.until <= time.time()
    (version,) = context.data.versions("pp", "data")
    assert (version.current, version.files) == (True, 2)
    assert version.revision in record.result
    (held,) = version.collected  # whose predictions are in it
    assert (held.project, held.model, held.rows, held.labelled) == ("pp", "m", 4, 2)
    assert (held.since, held.until) == (found.since, found.until)
    (told,) = brought(context.journal)
    assert (told.action_id, told.project) == (record.id, "pp")
    assert (told.revision, told.rows) == (version.revision, version.collected)
    assert context.data.underway("pp") is None
    assert "collected/ has 4 rows in 1 file" in collect().consequences(context)[-1]
    again = done(executor, collect(labelled=True), "again")
    assert "2 rows of 1 request, 2 with a label" in again.result
    assert len(collections(project, require(project), "m")) == 2
    newest = context.data.versions("pp", "data")[0]
    assert [(one.rows, one.labelled) for one in newest.collected] == [(6, 4)]  # of both files
    later, earlier = brought(context.journal)
    assert (later.revision, [one.rows for one in later.rows]) == (newest.revision, [2])
    assert earlier == told
    assert made[0].id != made[1].id


def test_what_privacy_forbids_is_refused_with_the_reason(project: Path, context: Context):
    executor = Executor(context)
    with pytest.raises(ConflictError, match="nothing was answered"):
        executor.submit(OWNER, collect(), "a")
    asked("hash", "off")
    with pytest.raises(
        ConflictError, match=r"1 request was not kept.*1 request was kept as hashes"
    ):
        executor.submit(OWNER, collect(), "b")
    asked("full")
    store.change(context.journal, "pp", "m", _hashed)
    with pytest.raises(ConflictError, match=r"The privacy of pp\.m is hash"):
        executor.submit(OWNER, collect(), "c")
    assert executor.history() == ()
    assert not (project / "data" / "collected").exists()


def test_what_cannot_be_collected_is_a_sentence(project: Path, context: Context):
    asked("full")
    executor = Executor(context)
    with pytest.raises(ConflictError, match="No request of this time has a label"):
        executor.submit(OWNER, collect(labelled=True), "a")
    with pytest.raises(InputError, match="begins before it ends"):
        executor.submit(OWNER, collect(until=1.0), "b")
    with pytest.raises(NotFoundError, match="no project"):
        executor.submit(OWNER, DataCollect("nobody", "m", 0.0), "c")
    contract(project, "pp", [], ["models/"])
    with pytest.raises(InputError, match="lists no folder as data"):
        executor.submit(OWNER, collect(), "d")
    people.insert(context.journal, "vic", "x", "viewer", None)
    with pytest.raises(DeniedError):
        executor.submit(Actor("vic", "viewer"), collect(), "e")


def test_a_killed_collection_is_gone_on_with_and_makes_one_file(
    project: Path, folder: Path, context: Context
):
    asked("full", labelled=1)
    executor = Executor(context)
    submitted = executor.submit(OWNER, collect(), "k")
    for path in ("replaced", "services.data.tracking.track"):
        child = os.fork()
        if child == 0:
            with pytest.MonkeyPatch.context() as patch:
                if path.endswith("replaced"):
                    patch.setattr(Path, "replace", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
                else:
                    patch.setattr(path, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
                Executor(build(folder)[0]).execute_pending()
            os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status)
    executor.execute_pending()
    record = executor.record(submitted.id)
    assert record.state == "done", record.error
    names = [path.name for path in (project / "data" / "collected").iterdir()]
    assert len(names) == 1
    assert names[0].endswith(f"-{submitted.id}.parquet")


def test_a_journalled_one_is_built_again(context: Context):
    action = collect(until=time.time(), labelled=True)
    assert catalog.load("data-collect", catalog.dump(action)) == action
    assert catalog.lane_of("data-collect") == "data"
    assert action.pinned(context) is action

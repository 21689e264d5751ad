"""``mlops workflows why`` on the evidence of a home."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from services.cli import mlops
from services.home import Home
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.workflow_queries import Workflows
from services.mirror.workflow_store import WorkflowStore
from services.settings import Settings
from services.workflows import evidence
from tests.services.mirror.workflow_things import at, dag_run, task
from tests.services.workflows.test_failure import BEFORE, FAILED


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    Home.locate().create()
    made = WorkflowStore(schema.prepare(Settings().mirror_url)[0])
    yield made
    made.engine.dispose()


def fill(store: WorkflowStore, run_id: str, state: str, said: dict[str, Any], ended: float) -> None:
    store.write_runs([("lora", dag_run(run_id=run_id, state=state))], {})
    found = task("train", state, run_id=run_id, started_at=at(ended - 10), ended_at=at(ended))
    store.write_tasks([("lora", found)])
    mirror = Mirror(Settings().mirror_url)
    (known,) = Workflows(mirror).tasks("lora.train", run_id)
    mirror.engine.dispose()
    path = evidence.path_of(Home.locate().airflow / "evidence", known)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(said))


def why(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(mlops, ["workflows", "why", *words])
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def test_it_compares_with_the_last_success_before_it(store: WorkflowStore):
    fill(store, "old", "success", BEFORE | {"revisions": {"data": "d0"}}, 100)
    fill(store, "bad", "failed", FAILED, 200)
    fill(store, "new", "success", BEFORE | {"revisions": {"data": "d9"}}, 300)
    told = why("lora.train/bad")
    assert told.startswith("train: It ended with exit code 1: KeyError: 'loss'.")
    assert "d0 → d1" in told
    assert "▸ KeyError: 'loss'" in told
    assert "(not known: nobody noted when it ran)" in told
    (found,) = json.loads(why("lora.train/bad", "--json"))
    assert (found["kind"], found["different"][0]["before"]) == ("failed", "d0")


def test_what_did_not_fail_and_what_is_not_there(store: WorkflowStore):
    fill(store, "old", "success", BEFORE, 100)
    assert "No task of it failed." in why("lora.train/old")
    assert "has no task 'gate'" in why("lora.train/old", "gate", code=1)
    assert "There is no run" in why("lora.train/never", code=1)

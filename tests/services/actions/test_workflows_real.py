"""Actions on workflows, and the command line, with a real Airflow."""

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner, Result

from services.actions.action import Action
from services.actions.executor import Executor
from services.actions.records import ActionRecord
from services.actions.workflow_cancel import CancelRun
from services.actions.workflow_clear import ClearTasks
from services.actions.workflow_launch import LaunchWorkflow, launched
from services.actions.workflow_pause import PauseWorkflow
from services.cli import mlops
from services.engines.airflow.adapter import Airflow
from services.engines.registry import build_airflow
from services.errors import ConflictError, EngineRefusedError
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.projects.contract import require
from services.settings import Settings
from services.workflows.specs import document
from tests.airflow_lab import DRILL, Lab
from tests.live import eventually
from tests.services.actions.conftest import OWNER, Clock, build

pytestmark = [
    pytest.mark.airflow, pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(400),
]  # fmt: skip

TRAIN = "drill.train"
STUBBORN = """
[project]
name = "stubborn"
version = "1"

[tool.mlops]
id = "stubborn"
title = "Stubborn"
train = "python train.py"
memory_limit_gb = 1
retries = 0
"""
IGNORES = """
import os, pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path("pid.new").write_text(str(os.getpid()))
os.replace("pid.new", "pid")
print("nothing ends me", flush=True)
time.sleep(600)
"""


@pytest.fixture
def lab(airflow_lab_shared: Lab) -> Lab:
    return airflow_lab_shared


@pytest.fixture
def folder(tmp_path: Path, mould: Path, monkeypatch: pytest.MonkeyPatch, lab: Lab) -> Path:
    """A home of its own, whose Airflow is the lab's."""
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLOPS_AIRFLOW_PORT", str(lab.settings.airflow_port))
    home = Home.locate()
    home.create()
    shutil.copy(lab.home.secrets / "airflow-passwords.json", home.secrets)
    for name in ("mirror.sqlite", "journal.sqlite"):
        shutil.copy(mould / name, tmp_path / name)
    connect(tmp_path, f"sqlite:///{tmp_path / 'mirror.sqlite'}", "drill", DRILL)
    return tmp_path


def connect(folder: Path, mirror: str, project: str, contract: str) -> Path:
    path = folder / project
    path.mkdir(exist_ok=True)
    (path / "pyproject.toml").write_text(contract)
    database, _ = schema.prepare(mirror)
    Store(database).write_project(project, "connected", {"title": project, "path": str(path)})
    database.dispose()
    return path


@pytest.fixture
def executor(folder: Path, lab: Lab, clock: Clock) -> Executor:
    context = replace(build(folder)[0], airflow=lab.airflow)
    return Executor(context, now=clock, elapsed=clock.elapsed)


def done(executor: Executor, action: Action) -> ActionRecord:
    submitted = executor.submit(OWNER, action, os.urandom(8).hex())
    executor.execute_pending(only=submitted.id)
    return executor.record(submitted.id)


def launch(executor: Executor, dag_id: str = TRAIN, **params: Any) -> str:
    record = done(executor, LaunchWorkflow(dag_id, json.dumps(params)))
    assert record.state == "done", record.error
    found = launched(record)
    assert found is not None
    return found[1]


def ended(lab: Lab, run_id: str, dag_id: str = TRAIN) -> str:
    states = {"success", "failed"}
    return str(eventually(lambda: (s := lab.airflow.dag_run(dag_id, run_id).state) in states and s))


def fits(lab: Lab, run_id: str) -> dict[int, tuple[str, int]]:
    tasks = lab.airflow.task_instances(TRAIN, run_id)
    return {one.map_index: (one.state, one.tries) for one in tasks if one.task_id == "fit"}


def test_a_run_is_launched_runs_and_is_cancelled(executor: Executor, lab: Lab):
    run_id = launch(executor, wait_s=300.0)
    eventually(lambda: [s for s, _ in fits(lab, run_id).values()] == ["running", "running"])
    run = lab.airflow.dag_run(TRAIN, run_id)
    assert (run.conf["wait_s"], run.note) == (300.0, "Launched by owner.")
    with pytest.raises(ConflictError, match=r"fit\[0\] has not ended: it is running"):
        executor.submit(OWNER, ClearTasks(TRAIN, run_id, ("fit[0]",)), "k")
    record = done(executor, CancelRun(TRAIN, run_id))
    assert (record.state, record.error) == ("done", "")
    eventually(lambda: all(state == "failed" for state, _ in fits(lab, run_id).values()))
    assert lab.airflow.dag_run(TRAIN, run_id).state == "failed"
    with pytest.raises(ConflictError, match="ended already: it failed"):
        executor.submit(OWNER, CancelRun(TRAIN, run_id), "k")


def test_what_failed_is_done_again_and_a_task_alone(executor: Executor, lab: Lab):
    run_id = launch(executor, fail=True)
    assert ended(lab, run_id) == "failed"
    record = done(executor, ClearTasks(TRAIN, run_id))
    assert record.params["tasks"] == ["fit[0]", "fit[1]", "register"]
    assert record.state == "done", record.error
    assert ended(lab, run_id) == "failed"
    assert fits(lab, run_id) == {0: ("failed", 2), 1: ("failed", 2)}
    record = done(executor, ClearTasks(TRAIN, run_id, ("fit[1]",), downstream=True))
    assert record.state == "done", record.error
    eventually(lambda: fits(lab, run_id)[1] == ("failed", 3))
    assert ended(lab, run_id) == "failed"
    assert fits(lab, run_id)[0] == ("failed", 2)


def test_a_paused_workflow_keeps_its_runs_until_it_is_resumed(executor: Executor, lab: Lab):
    assert done(executor, PauseWorkflow(TRAIN, paused=True)).state == "done"
    try:
        run_id = launch(executor)
        time.sleep(3.0)
        assert lab.airflow.dag_run(TRAIN, run_id).state == "queued"
    finally:
        assert done(executor, PauseWorkflow(TRAIN, paused=False)).state == "done"
    assert ended(lab, run_id) == "success"


def test_clicks_at_the_same_time_launch_once(folder: Path, executor: Executor, lab: Lab):
    before = {run.run_id for run in lab.airflow.dag_runs(TRAIN).runs}
    found: list[ActionRecord] = []

    def click() -> None:
        context = replace(build(folder)[0], airflow=lab.airflow)
        own = Executor(context)
        found.append(own.submit(OWNER, LaunchWorkflow(TRAIN), "one click"))
        own.execute_pending()

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join(60)
    assert len({record.id for record in found}) == 1
    (run_id,) = {run.run_id for run in lab.airflow.dag_runs(TRAIN).runs} - before
    assert ended(lab, run_id) == "success"


@pytest.fixture
def stubborn(folder: Path, lab: Lab) -> Iterator[Path]:
    """A project whose training ignores SIGTERM, in the lab as long as the test."""
    path = connect(folder, f"sqlite:///{folder / 'mirror.sqlite'}", "stubborn", STUBBORN)
    (path / "requirements.txt").touch()
    (path / "train.py").write_text(IGNORES)
    said = document(path, require(path), lab.home, sys.executable)
    spec = lab.home.airflow / "specs" / "stubborn.json"
    dag = lab.home.airflow / "dags" / "mlops_dag_stubborn.py"
    spec.parent.mkdir(exist_ok=True)
    spec.write_text(json.dumps(said))
    dag.write_text(f"from mlops_workflows import build\n\nglobals().update(build({str(spec)!r}))\n")
    eventually(lambda: "stubborn.train" in {one.dag_id for one in lab.airflow.dags()})
    yield path
    dag.unlink()
    spec.unlink()
    eventually(lambda: all(one.dag_id.startswith("drill.") for one in lab.airflow.dags()), 90)


def test_a_training_that_ignores_sigterm_is_ended_all_the_same(
    stubborn: Path, executor: Executor, lab: Lab
):
    run_id = launch(executor, "stubborn.train")
    eventually((stubborn / "pid").exists, 180)
    process = psutil.Process(int((stubborn / "pid").read_text()))
    assert done(executor, CancelRun("stubborn.train", run_id)).state == "done"
    began = time.monotonic()
    eventually(lambda: not process.is_running(), 90)
    assert time.monotonic() - began > 15.0  # it had its grace
    evidence = lab.home.airflow / "evidence" / "stubborn.train" / run_id / "train.1.json"
    eventually(lambda: json.loads(evidence.read_bytes())["outcome"] == "cancelled")
    assert lab.airflow.dag_run("stubborn.train", run_id).state == "failed"


# The command line


def run(*words: str, code: int = 0) -> Result:
    said = CliRunner().invoke(mlops, list(words))
    assert said.exit_code == code, said.output
    return said


@pytest.fixture
def typed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home as the command line finds it; what it opens to Airflow is closed."""
    connect(folder, Settings().mirror_url, "drill", DRILL)
    opened: list[Airflow] = []

    def build(*given: Any) -> Airflow:
        opened.append(build_airflow(*given))
        return opened[-1]

    monkeypatch.setattr("services.engines.registry.build_airflow", build)
    yield folder
    assert opened
    for one in opened:
        one._client.close()


def test_a_run_is_launched_and_followed_to_its_end(typed: Path, lab: Lab):
    said = run("run", "drill", "--param", "epochs=2", "--note", "from the tests", "--wait")
    lines = said.stdout.splitlines()
    assert lines.count("part 0 for 2 epochs") + lines.count("[fit[0]] part 0 for 2 epochs") == 1
    assert "[fit[1]] part 1 for 2 epochs" in lines
    assert "registered 2 parts" in lines
    assert lines[-1].endswith(" s.")
    assert " succeeded after " in lines[-1]
    assert "4 of 4 tasks ended" in said.stderr
    name = lines[-1].partition(" ")[0]
    assert lab.airflow.dag_run(*name.split("/")).note == "Launched by os:root. from the tests"


def test_a_run_that_fails_exits_1_with_the_sentence_and_is_retried(typed: Path, lab: Lab):
    said = run("run", "drill", "--param", "fail=true", "--wait", code=1)
    assert "ValueError: the loss is not a number" in said.stdout
    told = said.stderr.splitlines()[-2]
    assert told.startswith("Error: drill.train/mlops-1-")
    assert ": ValueError: the loss is not a number" in told
    name = told.split()[1]
    again = run("workflows", "retry", name, "--wait", code=1)
    assert "3 tasks are done again" in again.stdout
    shown = run("workflows", "logs", name, "fit[0]", "--try", "2")
    assert "ValueError: the loss is not a number" in shown.stdout
    assert "::group::" not in shown.stdout


def test_what_airflow_itself_refuses_is_a_sentence(executor: Executor, lab: Lab, folder: Path):
    """The contract was changed, and Airflow has yet to read it."""
    connect(
        folder,
        f"sqlite:///{folder / 'mirror.sqlite'}",
        "drill",
        DRILL.replace("max = 100", "max = 900"),
    )
    record = done(executor, LaunchWorkflow(TRAIN, '{"epochs": 500}'))
    assert record.state == "compensated"
    assert "epochs: 500 is greater than the maximum of 100" in record.error
    with pytest.raises(EngineRefusedError):
        lab.airflow.dag_run(*(launched(record) or ("", "")))

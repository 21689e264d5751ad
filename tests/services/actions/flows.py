"""A journal, a mirror and a small Airflow with one connected project, for actions on workflows."""

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from services.actions.action import Action, Context
from services.actions.executor import Executor
from services.actions.records import ActionRecord
from services.actions.roles import Actor
from services.engines.airflow.models import DagRun, TaskInstance
from services.home import Home
from services.mirror.models import EngineState
from services.mirror.store import Store
from services.mirror.workflow_models import Workflow, WorkflowParam
from services.mirror.workflow_store import WorkflowStore
from tests.services.actions.conftest import OWNER, Clock, build
from tests.services.actions.small_airflow import SmallAirflow
from tests.services.mirror.workflow_things import workflow

DAG = "lora.train"
CONTRACT = """
[project]
name = "lora"
version = "1"

[tool.mlops]
id = "lora"
title = "LoRA"
train = "python train.py"
memory_limit_gb = {limit}
data = ["data/"]
params.epochs = {{ type = "int", default = 3, min = 1, max = 10 }}
params.rate = {{ type = "float" }}
params.technique = {{ type = "choice", choices = ["lora", "full"], default = "lora" }}
{more}
"""
EPOCHS = {"epochs": {"type": "integer", "minimum": 1, "maximum": 10}}
REVISION = {"data_revision": {"type": ["null", "string"], "pattern": "^[0-9a-f]{6,64}$"}}


@dataclass
class Flows:
    """What a test works with."""

    folder: Path
    context: Context
    airflow: SmallAirflow
    executor: Executor

    @property
    def project(self) -> Path:
        return self.folder / "lora"

    def contract(self, more: str = "", limit: float = 1) -> None:
        self.project.mkdir(exist_ok=True)
        text = CONTRACT.format(more=more, limit=limit)
        (self.project / "pyproject.toml").write_text(text)

    def connect(self, state: str = "connected", **document: Any) -> None:
        said = {"title": "LoRA", "path": str(self.project)} | document
        Store(self.context.mirror.engine).write_project("lora", state, said)

    def know(self, *workflows: Workflow) -> None:
        WorkflowStore(self.context.mirror.engine).write_workflows(workflows)

    def know_runs(self, *runs: DagRun) -> None:
        named = [(run.dag_id.partition(".")[0], run) for run in runs]
        WorkflowStore(self.context.mirror.engine).write_runs(named, {})

    def know_tasks(self, *tasks: TaskInstance) -> None:
        named = [(one.dag_id.partition(".")[0], one) for one in tasks]
        WorkflowStore(self.context.mirror.engine).write_tasks(named)

    def said_of_airflow(self, state: EngineState, reason: str = "") -> None:
        store = Store(self.context.mirror.engine)
        store.write_engine("controller", "Controller", "live")
        store.write_engine("airflow", "Airflow", state, reason, "Ask `mlops status`.")

    def submit(self, action: Action, who: Actor = OWNER, key: str = "") -> ActionRecord:
        return self.executor.submit(who, action, key or os.urandom(8).hex())

    def done(self, action: Action, who: Actor = OWNER, key: str = "") -> ActionRecord:
        submitted = self.submit(action, who, key)
        self.executor.execute_pending(only=submitted.id)
        return self.executor.record(submitted.id)


def opened(folder: Path, clock: Clock | None = None) -> Flows:
    """Open the journal, mirror and small Airflow of a folder."""
    context, _ = build(folder)
    airflow = SmallAirflow(folder / "airflow.json")
    context = replace(context, airflow=airflow.adapter())
    clock = clock or Clock()
    executor = Executor(context, now=clock, elapsed=clock.elapsed)
    return Flows(folder, context, airflow, executor)


def laid(folder: Path, mould: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a mirror, a journal and a home."""
    for name in ("mirror.sqlite", "journal.sqlite"):
        shutil.copy(mould / name, folder / name)
    monkeypatch.setenv("MLOPS_HOME", str(folder / "home"))
    Home.locate().create()
    return folder


def connected(folder: Path, clock: Clock) -> Flows:
    """Return a folder's things with the project ``lora`` and its workflow ``train``."""
    made = opened(folder, clock)
    made.contract()
    made.connect()
    params = tuple(WorkflowParam(n, None, s) for n, s in (EPOCHS | REVISION).items())
    made.know(workflow(params=params))
    made.airflow.add_dag(DAG)
    return made

"""A real journal and mirror, a small Airflow, and a serving engine played by the test."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from services.access import store as accounts
from services.actions.action import Action, Context
from services.actions.executor import Executor
from services.actions.records import ActionRecord
from services.actions.roles import Actor
from services.alerting import deciding
from services.alerting.models import Event, Policy
from services.alerting.rules.drift import REPORT
from services.controller.retraining import RetrainingWatch
from services.engines.mlflow.models import Metric, Model, Version
from services.home import Home
from services.mirror.store import Store
from services.mirror.workflow_models import WorkflowParam
from services.mirror.workflow_store import WorkflowStore
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback, Record
from services.retraining import store
from services.retraining.models import Proposal
from services.serving import figures
from services.serving import store as deployments
from services.serving.figures import Figures, VersionFigures
from tests.services.actions import serving_lab
from tests.services.actions.conftest import Clock, FileEngine, Sabotage, fill
from tests.services.actions.small_airflow import SmallAirflow
from tests.services.mirror.conftest import tracked
from tests.services.mirror.workflow_things import dag_run, task, workflow
from tests.services.predictions.records import request_id

PROJECT, MODEL, NAME, DAG = "lora", "net", "lora.net", "lora.retrain"
CONTRACT = """
[project]
name = "lora"
version = "1"

[tool.mlops]
id = "lora"
title = "LoRA"
train = "python train.py"
gates = { acc = ">= 0.5" }
"""
PARAMS = {
    "reason": {"type": "string", "maxLength": 500},
    "data_revision": {"type": ["null", "string"], "pattern": "^[0-9a-f]{6,64}$"},
}
ANA, BEN = Actor("ana", "approver"), Actor("ben", "approver")
OPS, EVE = Actor("ops", "operator"), Actor("eve", "viewer")
RUNS = {1: 1, 2: 2}
NEW_RUN = f"{77:032x}"


class KilledError(BaseException):
    """Where a controller was killed."""


@dataclass
class Lab:
    """What a test works with; time goes on as much as it says."""

    folder: Path
    context: Context
    engine: FileEngine
    airflow: SmallAirflow
    executor: Executor
    clock: Clock
    home: Home
    serving: serving_lab.Lab
    watch: RetrainingWatch
    kills: int = 0
    sabotage: Sabotage | None = None
    """Ends looks of the controller at the points that ``chance`` gives."""
    chance: Callable[[], int] = lambda: 0

    def look(self) -> None:
        """Look once, as the controller does, and be killed where the test wants."""
        if self.sabotage is None:
            self.watch.turn()
            return
        self.sabotage.left = self.chance()
        try:
            self.watch.turn()
        except KilledError:
            self.kills += 1
        self.sabotage.left = 0

    def restart(self) -> None:
        """Have another controller go on."""
        self.watch = RetrainingWatch(self.context, self.home, self.now)

    def kill(self, chance: Callable[[], int]) -> None:
        """From now on kill the controller around its writes."""

        def end() -> None:
            raise KilledError

        self.chance = chance
        self.sabotage = Sabotage(self.context, self.engine, end)

    def now(self) -> float:
        return time.time() + self.clock.ahead_s

    def later(self, hours: float) -> None:
        self.clock.ahead_s += hours * 3600

    # Alerts

    def alert(
        self, what: str = "data", severity: Any = "warning", state: Any = "firing", **said: Any
    ) -> int:
        """Have a verdict be news; return the alert's id."""
        given: dict[str, Any] = {
            "title": "The inputs of net drifted", "said": "3 of 20 columns drifted.",
            "labels": {"project": PROJECT, "model": MODEL, "version": "2", "verdict": "v1"},
            "evidence": ("pixels moved by 0.6.", f"{REPORT}/monitoring/report/x"),
            "project": PROJECT,
        } if state == "firing" else {"said": "All columns are as they were."}  # fmt: skip
        event = Event(f"drift/{PROJECT}/{MODEL}/{what}", self.now(), state, severity,
                      **{**given, **said})  # fmt: skip
        deciding.decide(self.context.journal, (event,), self.now(), Policy(), "")
        from services.alerting import store as alerts

        return alerts.alerts(self.context.journal, ended=True, key=event.key)[0].id

    # Actions

    def submit(self, action: Action, who: Actor, key: str = "") -> ActionRecord:
        return self.executor.submit(who, action, key or os.urandom(8).hex())

    def done(self, action: Action, who: Actor) -> ActionRecord:
        made = self.submit(action, who)
        self.execute()
        return self.executor.record(made.id)

    def execute(self) -> None:
        """Let the executor look again, however long it wanted to pause."""
        self.clock.ahead_s += 10
        self.executor.execute_pending()

    def turn(self) -> None:
        """One look of the controller, and its executor after it."""
        self.look()
        self.execute()

    def until(self, reached: Callable[[Proposal], bool], turns: int = 12) -> Proposal:
        for _ in range(turns):
            self.turn()
            if reached(self.one()):
                return self.one()
        raise AssertionError(f"it is {self.one()}")

    def one(self) -> Proposal:
        return store.proposals(self.context.journal)[0]

    def actions(self, kind: str) -> list[ActionRecord]:
        return list(self.executor.history(kinds=(kind,), limit=100))

    # Engines

    def trained(self, *, acc: float = 0.9, state: str = "success", register: bool = True) -> None:
        """Have the workflow end, with version 7 and what it took."""
        found = self.one().workflow
        assert found is not None
        flows = WorkflowStore(self.context.mirror.engine)
        flows.write_runs([(PROJECT, dag_run(*found, state))], {})
        after = "upstream_failed" if state != "success" else "success" if register else "skipped"
        tasks = [task("train", state, *found), task("register", after, *found)]
        flows.write_tasks([(PROJECT, one) for one in tasks])
        said = {"runs": [{"run_id": NEW_RUN}], "sentence": "It ran out of memory."}
        flows.write_evidence((*found, "train", -1), said, settled=True)
        if state != "success":
            return
        written = Store(self.context.mirror.engine)
        run = tracked(
            77, run_id=NEW_RUN, metrics={"acc": Metric(acc, 1, 0), "system/energy_j":
                                         Metric(40.0, 1, 0)},
            tags={"mlops.task": "/".join((*found, "train", "1")), "mlops.technique": "lora"},
        )  # fmt: skip
        written.write_runs(PROJECT, [run])
        if register:
            register_versions(written, {**RUNS, 7: 77})

    def stands(self, requests: int = 500) -> None:
        """Have the serving engine put the new version beside the live one."""
        deployments.record_event(
            self.context.journal, NAME, "canary", "It answers 10 % of the requests.", version=7
        )
        self.answered(requests)

    def answered(self, requests: int) -> None:
        found = {
            NAME: {7: VersionFigures(7, total=9 * requests, answered=requests, compared=requests)}
        }
        figures.write(self.home, Figures(time.time(), 1, 1, found))

    def predicted(self, version: int, rows: int, right: float) -> None:
        """Have a version have answered just now, and labels have come."""
        log = PredictionLog.open(self.home, "test", reserve_bytes=1 << 16)
        for n in range(rows):
            at = self.now() - 60 + n * 0.1
            one, label = request_id(at), n % 2
            self._answer(log, one, at, version, label)
            said = label if n < rows * right else 1 - label
            log.append_feedback(Feedback(one, at + 0.05, said), privacy="full")
        log.close()

    @staticmethod
    def _answer(log: PredictionLog, one: str, at: float, version: int, label: int) -> None:
        log.append(
            Record(one, at, PROJECT, MODEL, version, "plain", 200, 1.0, inputs={"a": [1.0]},
                   outputs={"label": [label]}),
            privacy="full",
        )  # fmt: skip

    def rollout_ends(self, *, live: bool, said: str = "It answers well.") -> None:
        found = deployments.endpoint(self.context.journal, NAME).rollout
        assert found is not None
        deployments.finish_rollout(
            self.context.journal, NAME, found.target.version, live=live, said=said,
            action_id=found.action_id,
        )  # fmt: skip


def register_versions(written: Store, made: dict[int, int]) -> None:
    versions = [
        Version(MODEL, number, f"{run:032x}", 0, "READY", "", "", {"mlops.technique": "lora"})
        for number, run in made.items()
    ]
    written.write_registry(PROJECT, [Model(MODEL, "", 0, 0, {"champion": 2}, {})], versions)


def made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Return a lab; version 2 of the model is live and champion."""
    monkeypatch.setenv("MLOPS_HOME", str(folder / "home"))
    fill(folder)
    clock = Clock()
    serving = serving_lab.made(folder, clock)
    (folder / "lora" / "pyproject.toml").write_text(CONTRACT)
    airflow = SmallAirflow(folder / "airflow.json")
    airflow.add_dag(DAG)
    context = replace(serving.context, airflow=airflow.adapter())
    written = Store(context.mirror.engine)
    document = {"title": "LoRA", "path": str(folder / "lora"), "primary_metric": "acc",
                "goal": "max", "gates": {"acc": ">= 0.5"}}  # fmt: skip
    written.write_project(PROJECT, "connected", document)
    runs = [
        tracked(number, metrics={"acc": Metric(0.6 + number / 10, 1, 0),
                                 "system/energy_j": Metric(30.0, 1, 0)},
                tags={"mlops.technique": "lora"})
        for number in (1, 2)
    ]  # fmt: skip
    written.write_runs(PROJECT, runs)
    register_versions(written, RUNS)
    params = tuple(WorkflowParam(name, None, schema) for name, schema in PARAMS.items())
    found = workflow(PROJECT, "retrain", params=params)
    WorkflowStore(context.mirror.engine).write_workflows([found])
    for who in (ANA, BEN, OPS, EVE):
        accounts.insert(context.journal, who.name, "x", who.role, None)
    engine = context.registry
    assert isinstance(engine, FileEngine)
    executor = Executor(context, now=clock, elapsed=clock.elapsed)
    lab = Lab(folder, context, engine, airflow, executor, clock, serving.home, serving,
              RetrainingWatch(context, serving.home))  # fmt: skip
    lab.restart()
    serving.live(2)
    return lab

"""Workflows of several projects with runs of every state, as the controller would mirror them."""

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.engines.airflow.models import DagRun, TaskInstance
from services.mirror import schema
from services.mirror.store import Store
from services.mirror.workflow_models import Workflow, WorkflowFault, WorkflowParam, WorkflowTask
from services.mirror.workflow_store import WorkflowStore
from services.mirror.workflow_tables import QUEUE
from tests import seed

LORA, DIFFUSION, CLIP, FEDERATED = (
    "lora-finetuning", "stable-diffusion", "clip-finetuning", "federated-learning",
)  # fmt: skip
TRAIN, RELEASE = f"{LORA}.train", f"{LORA}.release"
RUNNING, FAILED, MADE, RELEASED = "train-running", "train-03", "train-11", "release-1"
CAUSE = "KeyError: 'no such metric: val_acuracy'"
OPERATORS = {"evaluate": "ProjectTask"} | dict.fromkeys(("train", "client", "server"), "HeavyTask")
STEPS = ("data_pull", "train", "evaluate", "register", "gate")
PASSED = f"mlops://{LORA}/passed-gates"
EPOCHS = WorkflowParam(
    "epochs", 3, {"type": "integer", "minimum": 1, "maximum": 100, "title": "Epochs"}
)
RATE = WorkflowParam(
    "learning_rate",
    0.001,
    {"type": "number", "minimum": 1e-6, "maximum": 1.0, "title": "Learning rate"},
)
OPTIMIZER = WorkflowParam(
    "optimizer", "adam", {"type": "string", "enum": ["adam", "sgd", "lion"], "title": "Optimizer"}
)
HALF = WorkflowParam("half", default=True, schema={"type": "boolean", "title": "Half precision"})
REVISION = WorkflowParam(
    "data_revision",
    None,
    {"type": ["null", "string"], "pattern": "^[0-9a-f]{6,64}$", "title": "Version of the data"},
)
_LAST = 12
"""Ended runs of the training."""


def fill(url: str, *, airflow: str = "live") -> None:
    """Write the mirror of ``seed`` and workflows into it."""
    seed.fill(url)
    add(url)
    engine, _ = schema.prepare(url)
    beat(Store(engine), airflow)
    engine.dispose()


def beat(store: Store, airflow: str = "live") -> None:
    """Write how Airflow is."""
    reason, hint = "", ""
    if airflow != "live":
        reason, hint = "Its API server does not answer.", "See `mlops logs airflow`."
    store.write_engine("airflow", "Airflow", airflow, reason, hint)  # type: ignore[arg-type]  # a state


def keep_fresh(url: str, over: threading.Event) -> None:
    """Report Airflow live every second until ``over``."""
    engine, _ = schema.prepare(url)
    store = Store(engine)
    while not over.wait(1.0):
        beat(store)
    engine.dispose()


def add(url: str) -> None:
    """Write workflows, runs, tasks and the queue into a mirror."""
    engine, _ = schema.prepare(url)
    store = WorkflowStore(engine)
    now = datetime.now(UTC)
    store.write_workflows(_workflows(now))
    store.write_faults([fault(now)])
    runs = list(_runs(now))
    causes = {(RELEASE, RELEASED): (TRAIN, MADE)}
    store.write_runs([(run.dag_id.partition(".")[0], run) for run in runs], causes)
    for run in runs:
        tasks = list(_tasks(run, now))
        store.write_tasks([(run.dag_id.partition(".")[0], task) for task in tasks])
        for task in tasks:
            said = _evidence(run, task)
            if said:
                key = (task.dag_id, task.run_id, task.task_id, task.map_index)
                store.write_evidence(key, said, settled=run.ended_at is not None)
    engine.dispose()
    decide(url, now)


def decide(url: str, now: datetime | None = None) -> None:
    """Have the queue be decided at this moment."""
    engine, _ = schema.prepare(url)
    at = now or datetime.now(UTC)
    WorkflowStore(engine).write_picture(QUEUE, int(at.timestamp() * 1000), _queue(at))
    engine.dispose()


def fault(now: datetime) -> WorkflowFault:
    """Return the file that makes no workflow."""
    stack = f'Traceback (most recent call last):\n  File "dags.py", line 14, in build\n{CAUSE}\n'
    file = f"mlops_dag_{DIFFUSION}.py"
    return WorkflowFault(file, DIFFUSION, CAUSE, stack, now - timedelta(minutes=7))


def workflow(project: str, of: str, name: str = "train", **more: Any) -> Workflow:
    """Return a workflow of the usual five tasks."""
    said: dict[str, Any] = {
        "dag_id": f"{project}.{name}",
        "project": project,
        "name": name,
        "title": f"{of}: {name}",
        "paused": False,
        "broken": False,
        "schedule": None,
        "next_run_at": None,
        "parsed_at": datetime.now(UTC) - timedelta(minutes=3),
        "file": f"mlops_dag_{project}.py",
        "tasks": line_of(STEPS),
        "params": (EPOCHS, RATE, OPTIMIZER, HALF, REVISION),
    }
    return Workflow(**said | more)


def line_of(steps: tuple[str, ...], mapped: str = "") -> tuple[WorkflowTask, ...]:
    """Return tasks one after the other."""
    return tuple(
        WorkflowTask(
            step,
            step.replace("_", " "),
            OPERATORS.get(step, "PlatformTask"),
            steps[n + 1 : n + 2],
            "default_pool",
            step == mapped,
            1,
        )
        for n, step in enumerate(steps)
    )


def _workflows(now: datetime) -> Iterator[Workflow]:
    for project, title, *_ in seed.PROJECTS:
        more: dict[str, Any] = {"makes": (f"mlops://{project}/passed-gates",)}
        more |= {"broken": project == DIFFUSION, "paused": project == CLIP}
        yield workflow(project, title, **more)
    yield workflow(
        LORA, "LoRA fine-tuning", "retrain", schedule="0 3 * * *", makes=(PASSED,),
        next_run_at=now + timedelta(hours=5),
    )  # fmt: skip
    release = line_of(("package", "deploy"))
    yield workflow(
        LORA, "LoRA fine-tuning", "release", starts_on=(PASSED,), tasks=release, params=()
    )
    clients = (
        WorkflowTask("server", "server", "HeavyTask", ("evaluate",), "default_pool", False, 0),
        WorkflowTask("client", "client", "HeavyTask", ("evaluate",), "default_pool", True, 0),
        WorkflowTask("evaluate", "evaluate", "ProjectTask", (), "default_pool", False, 0),
    )
    yield workflow(FEDERATED, "Federated learning", "federated", tasks=clients)
    yield workflow(
        "platform",
        "Platform",
        "compare",
        title="Compare techniques",
        tasks=line_of(("plan", "train", "table"), "train"),
        params=(),
    )


def dag_run(dag_id: str, run_id: str, state: str, begin: datetime, **more: Any) -> DagRun:
    """Return a run."""
    said: dict[str, Any] = {
        "dag_id": dag_id,
        "run_id": run_id,
        "state": state,
        "kind": "manual",
        "conf": {},
        "queued_at": begin,
        "started_at": begin + timedelta(seconds=2) if state != "queued" else None,
        "ended_at": None,
        "run_after": begin,
        "logical_at": None,
        "triggered_by": "rest_api",
        "user": "platform",
        "note": None,
        "versions": (1,),
    }
    return DagRun(**said | more)


def _runs(now: datetime) -> Iterator[DagRun]:
    for n in range(_LAST):
        begin = now - timedelta(hours=8 * (_LAST - n), minutes=13)
        state = "failed" if n in {3, 8} else "success"
        took = timedelta(seconds=150 + 37 * (n * 7 % 5) if state == "success" else 80)
        yield dag_run(
            TRAIN, f"train-{n:02d}", state, begin, ended_at=begin + took,
            conf={"epochs": 3 + n, "learning_rate": 0.002, "optimizer": "lion", "half": False},
            note="Launched by mira.",
        )  # fmt: skip
    yield dag_run(
        TRAIN, RUNNING, "running", now - timedelta(seconds=94), note="Launched by omar. Nightly",
        conf={"epochs": 12, "learning_rate": 0.002, "optimizer": "lion", "half": False},
    )  # fmt: skip
    made_at = now - timedelta(hours=8, minutes=9)
    yield dag_run(
        RELEASE, RELEASED, "success", made_at, kind="asset_triggered",
        ended_at=made_at + timedelta(seconds=48), user=None,
    )  # fmt: skip
    yield dag_run(f"{CLIP}.train", "clip-1", "queued", now - timedelta(minutes=4))
    yield dag_run(f"{FEDERATED}.federated", "fed-1", "running", now - timedelta(minutes=6))


def task(
    run: DagRun, task_id: str, state: str, begin: datetime | None, seconds: float = 0, **more: Any
) -> TaskInstance:
    """Return a task of a run that waited four seconds and then ran so long."""
    begun = begin is not None and state not in {"queued", "scheduled", "none", "upstream_failed"}
    over = begun and state != "running" and begin is not None
    said: dict[str, Any] = {
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "task_id": task_id,
        "map_index": -1,
        "map_label": None,
        "title": task_id.replace("_", " "),
        "state": state,
        "tries": 1 if begun else 0,
        "max_tries": 1,
        "operator": OPERATORS.get(task_id, "PlatformTask"),
        "scheduled_at": begin,
        "queued_at": begin,
        "started_at": begin + timedelta(seconds=4) if begun and begin else None,
        "ended_at": begin + timedelta(seconds=4 + seconds) if over and begin else None,
        "pool": "default_pool",
        "pool_slots": 1,
        "queue": None,
        "priority_weight": 1005,
        "host": "studio" if begun else None,
        "pid": 4711,
        "executor": None,
        "note": None,
    }
    return TaskInstance(**said | more)


def _tasks(run: DagRun, now: datetime) -> Iterator[TaskInstance]:
    begin = run.started_at or run.run_after
    if run.dag_id == RELEASE:
        yield task(run, "package", "success", begin, 20)
        yield task(run, "deploy", "success", begin + timedelta(seconds=24), 18)
    elif run.dag_id.startswith(FEDERATED):
        yield task(run, "server", "running", begin)
        for n, state in enumerate(("success", "running", "running", "queued")):
            yield task(run, "client", state, begin + timedelta(seconds=3 * n), 60, map_index=n)
        yield task(run, "evaluate", "none", None)
    elif run.state == "queued":
        for step in STEPS:
            yield task(run, step, "none", None)
    else:
        yield from _training(run, begin, now)


def _training(run: DagRun, begin: datetime, now: datetime) -> Iterator[TaskInstance]:
    yield task(run, "data_pull", "success", begin, 6)
    begin += timedelta(seconds=10)
    if run.state == "running":
        yield task(run, "train", "running", begin)
        for step in STEPS[2:]:
            yield task(run, step, "none", None)
        return
    whole = ((run.ended_at or now) - begin).total_seconds()
    if run.state == "failed":
        yield task(run, "train", "failed", begin, whole - 4, tries=2)
        for step in STEPS[2:]:
            yield task(run, step, "upstream_failed", None)
        return
    yield task(run, "train", "success", begin, whole - 44)
    begin += timedelta(seconds=whole - 40)
    for step, seconds in (("evaluate", 14.0), ("register", 4.0), ("gate", 3.0)):
        yield task(run, step, "success", begin, seconds)
        begin += timedelta(seconds=seconds + 4)


def _evidence(run: DagRun, made: TaskInstance) -> Mapping[str, Any]:
    if made.task_id != "train" or made.started_at is None or run.dag_id != TRAIN:
        return {}
    said: dict[str, Any] = {
        "v": 1,
        "outcome": "running",
        "try": made.tries,
        "project": LORA,
        "started_at": made.started_at.isoformat(),
        "host": {"name": "studio"},
        "memory": {"peak_bytes": 6_400_000_000, "limit_bytes": 8_000_000_000},
    }
    if made.state == "failed":
        return said | {
            "outcome": "failed",
            "ended_at": made.ended_at.isoformat() if made.ended_at else None,
            "sentence": f"It ended with exit code 1: {CAUSE}.",
            "hint": "Log the metric that the contract names.",
            "exception": {"name": "KeyError", "text": "'no such metric: val_acuracy'"},
        }
    if made.state == "success":
        ended = made.ended_at.isoformat() if made.ended_at else None
        said |= {"outcome": "succeeded", "ended_at": ended, "sentence": "It ended well."}
        if run.run_id == MADE:
            said["runs"] = [{"run_id": seed.run_id(0, 1)}]
    return said


def _queue(now: datetime) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": f"{TRAIN}/{RUNNING}/train", "project": LORA, "what": "train of LoRA fine-tuning",
        "state": "running", "kind": "running", "said": "It runs.", "position": None,
        "expected_at": None, "expected_late_at": None, "expected_said": "", "priority": 5,
        "weight": None, "unblock": "", "host": "studio", "since": now.isoformat(),
        "ends_at": (now + timedelta(minutes=2, seconds=30)).isoformat(),
    }  # fmt: skip
    host = {
        "host": "studio", "here": True, "memory_bytes": 64_000_000_000, "gpu_slots": 1,
        "free_bytes": 50_000_000_000, "free_slots": 0, "absent": False, "stance": "open",
        "rule": "", "said": "", "since": 0.0, "unknown": [],
    }  # fmt: skip
    return {"rows": [row], "hosts": [host], "shares": [], "pools": []}


CONTRACT = """
[project]
name = "lora"
version = "1"

[tool.mlops]
id = "lora-finetuning"
title = "LoRA fine-tuning"
train = "python train.py"
memory_limit_gb = 8
models = ["models/"]
gates = { val_accuracy = ">= 0.90" }
primary_metric = { name = "val_accuracy", goal = "max" }
params.epochs = { type = "int", default = 3, min = 1, max = 100, title = "Epochs" }
params.learning_rate = { type = "float", default = 0.001, min = 1e-6, max = 1.0 }
params.optimizer = { type = "choice", choices = ["adam", "sgd", "lion"], default = "adam" }
params.half = { type = "bool", default = true }
"""


def connect(url: str, folder: Path) -> None:
    """Have the training's project a folder with a contract, as a launch wants it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(CONTRACT)
    engine, _ = schema.prepare(url)
    said = {"title": "LoRA fine-tuning", "path": str(folder), "priority": 5}
    Store(engine).write_project(LORA, "connected", said)
    engine.dispose()

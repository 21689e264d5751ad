"""Workflows, runs and tasks for tests, as Airflow would tell them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.engines.airflow.models import DagRun, TaskInstance
from services.mirror.workflow_models import Workflow, WorkflowParam, WorkflowTask

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
STEPS = ("data_pull", "train", "evaluate", "register", "gate")


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def workflow(project: str = "lora", name: str = "train", **more: Any) -> Workflow:
    tasks = tuple(
        WorkflowTask(
            task_id=step,
            title=step.replace("_", " "),
            operator="HeavyTask" if step == "train" else "PlatformTask",
            downstream=STEPS[n + 1 : n + 2],
            pool="default_pool",
            mapped=False,
            retries=0,
        )
        for n, step in enumerate(STEPS)
    )
    schema = {"type": "integer", "minimum": 1, "maximum": 100, "title": "Epochs"}
    said: dict[str, Any] = {
        "dag_id": f"{project}.{name}",
        "project": project,
        "name": name,
        "title": f"{project.title()}: {name}",
        "paused": False,
        "broken": False,
        "schedule": None,
        "next_run_at": None,
        "parsed_at": T0,
        "file": f"mlops_dag_{project}.py",
        "tasks": tasks,
        "params": (WorkflowParam("epochs", 3, schema),),
    }
    return Workflow(**{**said, **more})


def dag_run(
    dag_id: str = "lora.train", run_id: str = "one", state: str = "running", **more: Any
) -> DagRun:
    said: dict[str, Any] = {
        "dag_id": dag_id,
        "run_id": run_id,
        "state": state,
        "kind": "manual",
        "conf": {"epochs": 3},
        "queued_at": at(0),
        "started_at": at(1) if state != "queued" else None,
        "ended_at": at(60) if state in {"success", "failed"} else None,
        "run_after": at(0),
        "logical_at": None,
        "triggered_by": "rest_api",
        "user": "platform",
        "note": None,
        "versions": (1,),
    }
    return DagRun(**{**said, **more})


def task(
    task_id: str = "train",
    state: str = "running",
    dag_id: str = "lora.train",
    run_id: str = "one",
    **more: Any,
) -> TaskInstance:
    begun = state in {"running", "success", "failed"}
    said: dict[str, Any] = {
        "dag_id": dag_id,
        "run_id": run_id,
        "task_id": task_id,
        "map_index": -1,
        "map_label": None,
        "title": task_id,
        "state": state,
        "tries": 1 if begun else 0,
        "max_tries": 0,
        "operator": "HeavyTask",
        "scheduled_at": at(1),
        "queued_at": at(2),
        "started_at": at(3) if begun else None,
        "ended_at": at(50) if state in {"success", "failed"} else None,
        "pool": "default_pool",
        "pool_slots": 1,
        "queue": None,
        "priority_weight": 1005,
        "host": "studio",
        "pid": 4711,
        "executor": None,
        "note": None,
    }
    return TaskInstance(**{**said, **more})

"""Runs, tasks and colours for the tests of drawings."""

from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.charts.theme import Colours
from services.mirror.workflow_models import TaskRun, WorkflowRun

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HUES = Colours(
    tuple(f"#{n}{n}{n}" for n in range(8)), (), (),
    "#text", "#muted", "#line", "#back", "#surf", "#good", "#bad", "#warn", "#acc",
)  # fmt: skip


def run(**more: Any) -> WorkflowRun:
    said: dict[str, Any] = {
        "dag_id": "lora.train",
        "run_id": "one",
        "project": "lora",
        "state": "success",
        "kind": "manual",
        "conf": {},
        "queued_at": NOW - timedelta(seconds=122),
        "started_at": NOW - timedelta(seconds=120),
        "ended_at": NOW,
        "triggered_by": None,
        "user": None,
        "note": None,
    }
    return WorkflowRun(**said | more)


def task(state: str = "success", task_id: str = "train", **more: Any) -> TaskRun:
    begun = state not in {"none", "queued", "scheduled", "upstream_failed"}
    said: dict[str, Any] = {
        "dag_id": "lora.train",
        "run_id": "one",
        "task_id": task_id,
        "map_index": -1,
        "project": "lora",
        "title": task_id,
        "operator": "HeavyTask",
        "state": state,
        "tries": 1 if begun else 0,
        "max_tries": 1,
        "scheduled_at": NOW - timedelta(seconds=100),
        "queued_at": NOW - timedelta(seconds=100),
        "started_at": NOW - timedelta(seconds=80) if begun else None,
        "ended_at": NOW - timedelta(seconds=20) if begun and state != "running" else None,
        "pool": "default_pool",
        "queue": None,
        "weight": None,
        "host": "studio",
        "note": None,
    }
    return TaskRun(**said | more)

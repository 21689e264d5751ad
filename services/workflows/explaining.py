"""Explains a failure of this installation: looks up what ``failure.explain`` needs."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from services.errors import MlopsError
from services.mirror.workflow_models import TaskRun
from services.mirror.workflow_queries import Workflows
from services.telemetry.asking import samples_of
from services.telemetry.conditions import Conditions, conditions
from services.telemetry.models import Telemetry
from services.workflows import evidence
from services.workflows.failure import Explanation, explain

_BEGUN = frozenset({"failed", "up_for_retry"})


def explained(
    task: TaskRun,
    tasks: Sequence[TaskRun],
    workflows: Workflows,
    folder: Path,
    telemetry: Telemetry,
    here: str,
) -> Explanation:
    """Return why a task failed.

    Args:
        task: The task.
        tasks: All of its run.
        workflows: What the mirror knows of earlier runs.
        folder: Of the tasks' evidence.
        telemetry: Of the machines.
        here: The machine of the platform, as telemetry names it.

    Raises:
        PlatformError: The mirror cannot be read.
    """
    found = evidence.whole(folder, task) or dict(task.evidence)
    before = _last_success(task, workflows, folder)
    ran_under = _ran_under(task, found, telemetry, here) if task.state in _BEGUN else ""
    return explain(task, found, before=before, ran_under=ran_under, tasks=tasks)


def _last_success(task: TaskRun, workflows: Workflows, folder: Path) -> dict[str, object] | None:
    """Return the evidence of the task's last success before this try."""
    began = task.started_at or task.scheduled_at
    for one in workflows.earlier(task.dag_id, task.task_id):
        is_before = began is None or one.ended_at is None or one.ended_at <= began
        same = one.map_index == task.map_index  # parts of a mapped task are not alike
        if same and is_before and (said := evidence.whole(folder, one)):
            return said
    return None


def _ran_under(
    task: TaskRun, found: dict[str, object], telemetry: Telemetry, here: str
) -> Conditions | str:
    try:
        start = datetime.fromisoformat(str(found.get("started_at")))
        end = datetime.fromisoformat(str(found.get("ended_at") or found.get("at")))
        if end <= start:
            return "not known: it ended as it began"
    except (ValueError, TypeError):  # no time, or one with a zone and one without
        return "not known: nobody noted when it ran"
    try:
        states = {one.machine.host: one.machine for one in telemetry.hosts()}
        machine = found.get("host")
        elsewhere = isinstance(machine, dict) and machine.get("worker") is not None
        host = task.host if task.host in states or elsewhere else here
        if host not in states:
            return "not known: its machine sends no telemetry"
        assert host is not None  # noqa: S101 - it is one of them
        samples = samples_of(telemetry, host, start, end)
        return conditions(samples, start, end, host=host, machine=states[host])
    except MlopsError as error:
        return f"not known: {error.message}"

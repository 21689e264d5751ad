"""Explains a failure of this installation: looks up what ``failure.explain`` needs."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from services.errors import MlopsError, NotFoundError
from services.mirror.workflow_models import TaskRun
from services.mirror.workflow_queries import Workflows
from services.telemetry.asking import samples_of
from services.telemetry.conditions import conditions
from services.telemetry.diagnosis import why_slow
from services.telemetry.energy import energy
from services.telemetry.figures import Figure, estimated, unavailable
from services.telemetry.identity import owner_of
from services.telemetry.models import Telemetry
from services.telemetry.shares import OTHERS
from services.telemetry.spans import Span, spans
from services.workflows import evidence
from services.workflows.failure import Explanation, Surroundings, explain

_BEGUN = frozenset({"failed", "up_for_retry"})
_LOOKED_AT = timedelta(hours=2)
"""So much of the end of a task is looked at: a day of samples takes seconds to read."""
_POWERS = {
    "system_w": "the whole machine",
    "package_w": "CPU, GPU and Neural Engine",
    "gpu_w": "the GPU alone",
    "cpu_w": "the CPU alone",
}
Log = Callable[[TaskRun], Sequence[str]]
"""Returns what Airflow's log of a task's newest try says; none when Airflow cannot be asked."""


def explained(
    task: TaskRun,
    tasks: Sequence[TaskRun],
    workflows: Workflows,
    folder: Path,
    telemetry: Telemetry,
    here: str,
    log: Log | None = None,
) -> Explanation:
    """Return why a task failed.

    Args:
        task: The task.
        tasks: All of its run.
        workflows: What the mirror knows of earlier runs.
        folder: Of the tasks' evidence.
        telemetry: Of the machines.
        here: The machine of the platform, as telemetry names it.
        log: Asked when a task left no evidence of how it ended; None: it is not.

    Raises:
        PlatformError: The mirror cannot be read.
    """
    found = evidence.whole(folder, task) or dict(task.evidence)
    before = _last_success(task, workflows, folder)
    ran_under = _ran_under(task, found, telemetry, here) if task.state in _BEGUN else ""
    untold = task.state in _BEGUN and found.get("outcome") in {None, "running", "succeeded"}
    said = log(task) if log is not None and untold else ()
    if task.state == "upstream_failed":
        tasks = _before(task, tasks, workflows)
    return explain(task, found, before=before, ran_under=ran_under, tasks=tasks, log=said)


def _before(task: TaskRun, tasks: Sequence[TaskRun], workflows: Workflows) -> Sequence[TaskRun]:
    """Return the tasks of its run that it waits for; all when its workflow is not known now."""
    try:
        known = workflows.workflow(task.dag_id)
    except NotFoundError:
        return tasks
    found: set[str] = set()
    new = {task.task_id}
    while new:
        new = {one.task_id for one in known.tasks if new.intersection(one.downstream)} - found
        found |= new
    return [one for one in tasks if one.task_id in found]


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
) -> Surroundings | str:
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
        is_long = end - start > _LOOKED_AT
        start = end - _LOOKED_AT if is_long else start
        samples = samples_of(telemetry, host, start, end)
        machine_of = states[host]
        owner = owner_of(task.run_ids[0]) if task.run_ids else OTHERS
        power, power_of = _power(spans(samples, start, end), start, end)
        return Surroundings(
            conditions(samples, start, end, host=host, machine=machine_of),
            power,
            power_of,
            why_slow(samples, start, end, machine=machine_of, owner=owner).causes,
            _LOOKED_AT.total_seconds() if is_long else None,
        )
    except MlopsError as error:
        return f"not known: {error.message}"


def _power(within: Sequence[Span], start: datetime, end: datetime) -> tuple[Figure, str]:
    """Return the mean watts of the most that is told of a machine, and what they are of."""
    whole = energy(within, "system_w", start, end).mean_w
    for metric, of in _POWERS.items():
        found = energy(within, metric, start, end).mean_w
        if found.value is None:
            continue
        readings = [span.readings.get(metric) for span in within]
        if any(one is not None and one.quality == "estimated" for one in readings):
            return estimated(found.value, "some of its readings are estimates"), of
        return found, of
    return unavailable(whole.reason), ""

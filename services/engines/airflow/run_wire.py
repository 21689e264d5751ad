"""What Airflow's REST API (3.3) says of runs and their tasks: the fields we read."""

import json
from datetime import datetime
from typing import get_args

from pydantic import JsonValue

from services.engines.airflow.models import (
    DagRun,
    RunPage,
    RunState,
    TaskInstance,
    TaskState,
)
from services.engines.airflow.wire import DagVersionWire, Wire

_RUN_STATES: tuple[RunState, ...] = get_args(RunState)
_TASK_STATES: tuple[TaskState, ...] = get_args(TaskState)


class RunWire(Wire):
    """A run of a workflow."""

    dag_id: str
    dag_run_id: str
    state: str
    run_type: str
    conf: dict[str, JsonValue] | None
    queued_at: datetime | None
    start_date: datetime | None
    end_date: datetime | None
    run_after: datetime
    logical_date: datetime | None
    triggered_by: str | None
    triggering_user_name: str | None
    note: str | None
    dag_versions: tuple[DagVersionWire, ...] = ()

    def to_model(self) -> DagRun:
        """Return it in our words."""
        return DagRun(
            dag_id=self.dag_id,
            run_id=self.dag_run_id,
            state=next((word for word in _RUN_STATES if word == self.state), "running"),
            kind=self.run_type,
            conf=self.conf or {},
            queued_at=self.queued_at,
            started_at=self.start_date,
            ended_at=self.end_date,
            run_after=self.run_after,
            logical_at=self.logical_date,
            triggered_by=self.triggered_by,
            user=self.triggering_user_name,
            note=self.note,
            versions=tuple(version.version_number for version in self.dag_versions),
        )


class RunsWire(Wire):
    """A page of runs."""

    dag_runs: list[RunWire]
    next_cursor: str | None = None

    def to_model(self) -> RunPage:
        """Return it in our words."""
        return RunPage(tuple(run.to_model() for run in self.dag_runs), self.next_cursor)


def task_state(said: str | None) -> TaskState:
    """Return the state of a task in the words we know."""
    return next((word for word in _TASK_STATES if word == (said or "none")), "other")


class TaskInstanceWire(Wire):
    """A task of a run."""

    dag_id: str
    dag_run_id: str
    task_id: str
    map_index: int
    rendered_map_index: str | None = None
    task_display_name: str
    state: str | None
    try_number: int
    max_tries: int
    operator_name: str | None
    scheduled_when: datetime | None
    queued_when: datetime | None
    start_date: datetime | None
    end_date: datetime | None
    pool: str
    pool_slots: int
    queue: str | None
    priority_weight: int | None
    hostname: str | None
    pid: int | None
    executor: str | None
    note: str | None = None

    def to_model(self) -> TaskInstance:
        """Return it in our words."""
        return TaskInstance(
            dag_id=self.dag_id,
            run_id=self.dag_run_id,
            task_id=self.task_id,
            map_index=self.map_index,
            map_label=self.rendered_map_index,
            title=self.task_display_name,
            state=task_state(self.state),
            tries=self.try_number,
            max_tries=self.max_tries,
            operator=self.operator_name,
            scheduled_at=self.scheduled_when,
            queued_at=self.queued_when,
            started_at=self.start_date,
            ended_at=self.end_date,
            pool=self.pool,
            pool_slots=self.pool_slots,
            queue=self.queue,
            priority_weight=self.priority_weight,
            host=self.hostname or None,
            pid=self.pid,
            executor=self.executor,
            note=self.note,
        )


class TaskInstancesWire(Wire):
    """Tasks of runs; also what came of clearing some."""

    task_instances: list[TaskInstanceWire]
    next_cursor: str | None = None

    def to_models(self) -> tuple[TaskInstance, ...]:
        """Return them in our words."""
        return tuple(one.to_model() for one in self.task_instances)


class _Cleared(Wire):
    task_id: str
    map_index: int = -1


class ClearedWire(Wire):
    """What came of clearing tasks."""

    task_instances: list[_Cleared]

    def to_pairs(self) -> tuple[tuple[str, int], ...]:
        """Return (task, map index) of each."""
        return tuple((one.task_id, one.map_index) for one in self.task_instances)


class XComWire(Wire):
    """What a task handed on."""

    value: JsonValue = None

    def to_json(self) -> JsonValue:
        """Return the value; one that came as JSON text is read."""
        if not isinstance(self.value, str):
            return self.value
        try:
            read: JsonValue = json.loads(self.value)
        except ValueError:
            return self.value
        return read

"""What Airflow says of workers on other machines: the fields we read (its provider edge3, 5.1)."""

from datetime import datetime
from typing import get_args

from pydantic import JsonValue

from services.engines.airflow.models import EdgeJob, EdgeWorker, WorkerState
from services.engines.airflow.run_wire import task_state
from services.engines.airflow.wire import Wire

_STATES: tuple[WorkerState, ...] = get_args(WorkerState)


class _Worker(Wire):
    worker_name: str
    queues: list[str] | None
    state: str
    jobs_active: int
    sysinfo: dict[str, JsonValue]
    maintenance_comments: str | None = None
    first_online: datetime | None = None
    last_heartbeat: datetime | None = None

    def to_model(self) -> EdgeWorker:
        return EdgeWorker(
            name=self.worker_name,
            state=next((word for word in _STATES if word == self.state), "other"),
            queues=tuple(sorted(self.queues or ())),
            active=self.jobs_active,
            heartbeat=self.last_heartbeat,
            since=self.first_online,
            comment=self.maintenance_comments,
            facts=self.sysinfo,
        )


class EdgeWorkersWire(Wire):
    """All workers that ever came and were not removed."""

    workers: list[_Worker]

    def to_models(self) -> tuple[EdgeWorker, ...]:
        """Return them in our words."""
        return tuple(one.to_model() for one in self.workers)


class _Job(Wire):
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    state: str | None
    queue: str
    edge_worker: str | None = None
    queued_dttm: datetime | None = None
    last_update: datetime | None = None

    def to_model(self) -> EdgeJob:
        return EdgeJob(
            dag_id=self.dag_id,
            run_id=self.run_id,
            task_id=self.task_id,
            map_index=self.map_index,
            attempt=self.try_number,
            state=task_state(self.state),
            queue=self.queue,
            worker=self.edge_worker,
            queued_at=self.queued_dttm,
            changed_at=self.last_update,
        )


class EdgeJobsWire(Wire):
    """Tries of tasks that were given to workers."""

    jobs: list[_Job]

    def to_models(self) -> tuple[EdgeJob, ...]:
        """Return them in our words."""
        return tuple(one.to_model() for one in self.jobs)

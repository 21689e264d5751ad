"""What Airflow's REST API (3.3) says of itself and its workflows: the fields we read."""

import re
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from services.engines.airflow.models import (
    Dag,
    DagDetail,
    Health,
    ImportFault,
    Param,
    PartHealth,
    Task,
)

_DURATION = re.compile(
    r"P(?:(?P<d>[\d.]+)D)?(?:T(?:(?P<h>[\d.]+)H)?(?:(?P<m>[\d.]+)M)?(?:(?P<s>[\d.]+)S)?)?"
)
_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


class Wire(BaseModel):
    """Unknown fields are the engine's business."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class TokenWire(Wire):
    """The answer to a login."""

    access_token: str


class VersionWire(Wire):
    """The server's version."""

    version: str


class _Database(Wire):
    status: str | None


class _Scheduler(Wire):
    status: str | None
    beat: datetime | None = Field(None, alias="latest_scheduler_heartbeat")


class _Processor(Wire):
    status: str | None
    beat: datetime | None = Field(None, alias="latest_dag_processor_heartbeat")


class _Triggerer(Wire):
    status: str | None
    beat: datetime | None = Field(None, alias="latest_triggerer_heartbeat")


class HealthWire(Wire):
    """The health route; it answers with status 200 also when all is lost."""

    metadatabase: _Database
    scheduler: _Scheduler
    dag_processor: _Processor
    triggerer: _Triggerer

    def to_model(self) -> Health:
        """Return it in our words."""
        return Health(
            self.metadatabase.status == "healthy",
            _part(self.scheduler),
            _part(self.dag_processor),
            _part(self.triggerer),
        )


def _part(said: _Scheduler | _Processor | _Triggerer) -> PartHealth:
    return PartHealth(None if said.status is None else said.status == "healthy", said.beat)


class _Tag(Wire):
    name: str


class DagWire(Wire):
    """A workflow."""

    dag_id: str
    dag_display_name: str
    description: str | None
    is_paused: bool
    is_stale: bool
    has_import_errors: bool
    fileloc: str
    timetable_summary: str | None
    tags: list[_Tag]
    owners: list[str]
    last_parsed_time: datetime | None
    next_dagrun_run_after: datetime | None
    max_active_runs: int | None
    max_active_tasks: int

    def to_model(self) -> Dag:
        """Return it in our words."""
        return Dag(
            dag_id=self.dag_id,
            title=self.dag_display_name,
            description=self.description,
            paused=self.is_paused,
            stale=self.is_stale,
            broken=self.has_import_errors,
            file=self.fileloc,
            schedule=self.timetable_summary,
            tags=tuple(tag.name for tag in self.tags),
            owners=tuple(self.owners),
            parsed_at=self.last_parsed_time,
            next_run_at=self.next_dagrun_run_after,
            max_active_runs=self.max_active_runs,
            max_active_tasks=self.max_active_tasks,
        )


class DagsWire(Wire):
    """A page of workflows."""

    dags: list[DagWire]
    total_entries: int


class _Param(Wire):
    value: JsonValue = None
    description: str | None = None
    schema_: dict[str, JsonValue] = Field({}, alias="schema")


class DagVersionWire(Wire):
    """A state of a workflow's structure."""

    version_number: int


class DagDetailWire(DagWire):
    """A workflow with what a launch asks for."""

    params: dict[str, _Param] | None
    doc_md: str | None
    dag_run_timeout: str | None
    catchup: bool
    latest_dag_version: DagVersionWire | None

    def to_detail(self) -> DagDetail:
        """Return it in our words."""
        return DagDetail(
            dag=self.to_model(),
            params=tuple(
                Param(name, said.value, said.description, said.schema_)
                for name, said in (self.params or {}).items()
            ),
            documentation=self.doc_md,
            timeout_s=seconds(self.dag_run_timeout),
            catchup=self.catchup,
            version=self.latest_dag_version.version_number if self.latest_dag_version else None,
        )


def seconds(duration: str | None) -> float | None:
    """Return an ISO 8601 duration ("PT1H30M") in seconds, None for none or an odd one."""
    found = _DURATION.fullmatch(duration or "")
    if found is None or not any(found.groups()):
        return None
    return sum(float(value) * _SECONDS[unit] for unit, value in found.groupdict().items() if value)


class _Task(Wire):
    task_id: str
    task_display_name: str | None
    operator_name: str | None
    downstream_task_ids: list[str] | None
    pool: str | None
    pool_slots: float | None
    priority_weight: float | None
    retries: float | None
    trigger_rule: str | None
    is_mapped: bool | None

    def to_model(self) -> Task:
        return Task(
            task_id=self.task_id,
            title=self.task_display_name or self.task_id,
            operator=self.operator_name or "",
            downstream=tuple(self.downstream_task_ids or ()),
            pool=self.pool or "default_pool",
            pool_slots=int(self.pool_slots or 1),
            priority_weight=self.priority_weight,
            retries=int(self.retries or 0),
            trigger_rule=self.trigger_rule or "all_success",
            mapped=bool(self.is_mapped),
        )


class TasksWire(Wire):
    """The tasks of a workflow."""

    tasks: list[_Task]

    def to_models(self) -> tuple[Task, ...]:
        """Return them in our words."""
        return tuple(task.to_model() for task in self.tasks)


class _ImportError(Wire):
    timestamp: datetime
    filename: str
    bundle_name: str | None
    stack_trace: str


class ImportErrorsWire(Wire):
    """Files that cannot be imported."""

    import_errors: list[_ImportError]
    total_entries: int

    def to_models(self) -> tuple[ImportFault, ...]:
        """Return them in our words."""
        return tuple(
            ImportFault(one.filename, one.bundle_name, one.stack_trace, one.timestamp)
            for one in self.import_errors
        )

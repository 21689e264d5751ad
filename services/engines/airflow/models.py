"""What Airflow told us, in our words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

RunState = Literal["queued", "running", "success", "failed"]
TaskState = Literal[
    "none", "removed", "scheduled", "queued", "running", "success", "restarting", "failed",
    "up_for_retry", "up_for_reschedule", "upstream_failed", "skipped", "deferred", "awaiting_input",
    "other",
]  # fmt: skip
"""Airflow's own words; ``none`` is not yet looked at, ``other`` a state newer than we know."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class PartHealth:
    """One part of Airflow, as its API server knows it."""

    healthy: bool | None
    """None: it has never run."""
    heartbeat: datetime | None


@dataclass(frozen=True, slots=True)
class Health:
    """How Airflow is."""

    database: bool
    scheduler: PartHealth
    dag_processor: PartHealth
    triggerer: PartHealth

    @property
    def well(self) -> bool:
        """Whether everything that ever ran is healthy, and a scheduler is."""
        parts = (self.dag_processor, self.triggerer)
        return (
            self.database
            and self.scheduler.healthy is True
            and not any(part.healthy is False for part in parts)
        )


@dataclass(frozen=True, slots=True)
class Dag:
    """One workflow."""

    dag_id: str
    title: str
    description: str | None
    paused: bool
    stale: bool
    """Its file no longer makes it."""
    broken: bool
    """Its file cannot be imported now; what is shown is the last that could."""
    file: str
    schedule: str | None
    tags: tuple[str, ...]
    owners: tuple[str, ...]
    parsed_at: datetime | None
    next_run_at: datetime | None
    max_active_runs: int | None
    max_active_tasks: int


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter; ``schema`` is JSON schema (type, minimum, maximum, enum, title …)."""

    name: str
    default: Json
    description: str | None
    schema: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class DagDetail:
    """One workflow with what a launch asks for."""

    dag: Dag
    params: tuple[Param, ...]
    documentation: str | None
    timeout_s: float | None
    catchup: bool
    version: int | None
    """Counts the changes of its structure."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a workflow, as its file says."""

    task_id: str
    title: str
    operator: str
    downstream: tuple[str, ...]
    pool: str
    pool_slots: int
    priority_weight: float | None
    retries: int
    trigger_rule: str
    mapped: bool


@dataclass(frozen=True, slots=True)
class ImportFault:
    """A file that cannot be made into workflows."""

    file: str
    bundle: str | None
    stacktrace: str
    at: datetime

    @property
    def cause(self) -> str:
        """The exception: the last line that is not empty."""
        lines = [line.strip() for line in self.stacktrace.splitlines() if line.strip()]
        return lines[-1] if lines else "no reason was given"


@dataclass(frozen=True, slots=True)
class DagRun:
    """One run of a workflow."""

    dag_id: str
    run_id: str
    state: RunState
    kind: str
    """manual, scheduled, backfill, asset_triggered …"""
    conf: Mapping[str, Json]
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    run_after: datetime
    logical_at: datetime | None
    triggered_by: str | None
    """rest_api, cli, ui, timetable, asset …"""
    user: str | None
    note: str | None
    versions: tuple[int, ...]
    """Those of the workflow its tasks ran under."""


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some runs, those changed first coming first, and where the next page begins."""

    runs: tuple[DagRun, ...]
    next_page: str | None


@dataclass(frozen=True, slots=True)
class Launch:
    """What came of a trigger: the run, and whether this call made it."""

    run: DagRun
    created: bool


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """One task of one run."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    """-1 for a task that is not mapped."""
    map_label: str | None
    title: str
    state: TaskState
    tries: int
    """Which try this is; 0 before the first."""
    max_tries: int
    operator: str | None
    scheduled_at: datetime | None
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    pool: str
    pool_slots: int
    queue: str | None
    priority_weight: int | None
    host: str | None
    pid: int | None
    executor: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line a task or Airflow said of it."""

    at: datetime | None
    level: str | None
    logger: str | None
    text: str
    error: str | None
    """The traceback it carries, as text."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """A part of a task's log; ``next_page`` is None at its end."""

    lines: tuple[LogLine, ...]
    next_page: str | None


@dataclass(frozen=True, slots=True)
class Pool:
    """Slots that tasks share; -1 is without limit."""

    name: str
    slots: int
    description: str | None
    occupied: int
    running: int
    queued: int
    scheduled: int
    deferred: int
    open: int
    counts_deferred: bool
    """Whether a deferred task keeps its slot."""


@dataclass(frozen=True, slots=True)
class Asset:
    """Something tasks make and workflows wait for."""

    asset_id: int
    name: str
    uri: str
    group: str
    extra: Mapping[str, Json]
    producers: tuple[tuple[str, str], ...]
    """(dag, task) of each that makes it."""
    triggers: tuple[str, ...]
    """The workflows that start when it is made."""
    last_event_at: datetime | None


@dataclass(frozen=True, slots=True)
class AssetEvent:
    """An asset was made; ``started`` are the (dag, run) it started."""

    event_id: int
    asset_id: int
    name: str | None
    uri: str | None
    at: datetime
    extra: Mapping[str, Json]
    dag_id: str | None
    run_id: str | None
    task_id: str | None
    started: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AssetEvents:
    """When assets were made, the first first."""

    events: tuple[AssetEvent, ...]
    untold: int = 0
    """How many Airflow cannot tell before the runs they set off have started: ask again."""


WorkerState = Literal[
    "starting", "running", "idle", "shutdown request", "terminating", "offline", "unknown",
    "maintenance request", "maintenance pending", "maintenance mode", "maintenance exit",
    "offline maintenance", "other",
]  # fmt: skip
"""Airflow's own words; ``unknown`` is a worker whose heartbeats ceased, ``other`` newer than us."""


@dataclass(frozen=True, slots=True)
class EdgeWorker:
    """A worker on some machine, as Airflow knows it."""

    name: str
    state: WorkerState
    queues: tuple[str, ...]
    active: int
    """How many tasks it said it runs."""
    heartbeat: datetime | None
    since: datetime | None
    """When it came first."""
    comment: str | None
    """Why it is drained."""
    facts: Mapping[str, Json]
    """What it tells with each heartbeat: versions, ``concurrency`` and what it was set up to."""


@dataclass(frozen=True, slots=True)
class EdgeJob:
    """One try of a task that was given to workers; Airflow forgets it minutes after its end."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    attempt: int
    state: TaskState
    queue: str
    worker: str | None
    """Who fetched it; None: nobody yet."""
    queued_at: datetime | None
    changed_at: datetime | None

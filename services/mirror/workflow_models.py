"""Workflows, their runs and the queue, as the mirror holds them. Lengths: seconds; sizes: bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.engines.airflow.models import RunState, TaskState

ACTIVE_RUNS = frozenset({"queued", "running"})
BEGUN_TASKS = frozenset({"running", "restarting", "success", "failed", "skipped", "up_for_retry"})
ENDED_TASKS = frozenset({"success", "failed", "upstream_failed", "skipped", "removed"})


@dataclass(frozen=True, slots=True)
class WorkflowTask:
    """One task of a workflow, as its file says."""

    task_id: str
    title: str
    operator: str
    downstream: tuple[str, ...]
    pool: str
    mapped: bool
    retries: int


@dataclass(frozen=True, slots=True)
class WorkflowParam:
    """What a launch asks for; ``schema`` is JSON schema (type, minimum, maximum, enum, title …)."""

    name: str
    default: Any
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Workflow:
    """One DAG."""

    dag_id: str
    project: str
    """``platform`` for those over all projects."""
    name: str
    """``train``, ``retrain``, ``release``, ``federated``, ``compare`` …: the id behind the dot."""
    title: str
    paused: bool
    broken: bool
    """Its file cannot be made into a workflow now; what is shown is the last that could."""
    schedule: str | None
    next_run_at: datetime | None
    parsed_at: datetime | None
    file: str
    tasks: tuple[WorkflowTask, ...]
    params: tuple[WorkflowParam, ...]
    makes: tuple[str, ...] = ()
    """URIs of the assets its tasks announce."""
    starts_on: tuple[str, ...] = ()
    """URIs of the assets that start it."""


@dataclass(frozen=True, slots=True)
class WorkflowFault:
    """A file that makes no workflow, and why."""

    file: str
    project: str
    cause: str
    stacktrace: str
    at: datetime


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """One run of a DAG."""

    dag_id: str
    run_id: str
    project: str
    state: RunState
    kind: str
    """manual, scheduled, backfill, asset_triggered …"""
    conf: Mapping[str, Any]
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    triggered_by: str | None
    user: str | None
    note: str | None
    caused_by: tuple[str, str] | None = None
    """(dag, run) that set it off through an asset."""


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One task of one run, its newest try."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    """-1 for a task that is not mapped."""
    project: str
    title: str
    operator: str | None
    """``HeavyTask``: a command of a project that waits for its turn, ``ProjectTask``: another one,
    ``PlatformTask``: a step of the platform."""
    state: TaskState
    tries: int
    max_tries: int
    scheduled_at: datetime | None
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    pool: str
    queue: str | None
    weight: int | None
    host: str | None
    note: str | None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """What its runner measured (``mlops_workflows.evidence``) without its lines; empty: it has not
    begun, or it runs no command."""

    @property
    def label(self) -> str:
        """Return the task's id, a mapped one with its number: ``client[3]``."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"

    @property
    def job(self) -> str:
        """Return its name in the queue: ``DAG/RUN/TASK``."""
        return f"{self.dag_id}/{self.run_id}/{self.label}"

    @property
    def heavy(self) -> bool:
        """Return whether it waits for its turn: it trains, whatever its project calls it."""
        return self.operator == "HeavyTask"

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Return the MLflow runs it made."""
        return tuple(str(one["run_id"]) for one in self.evidence.get("runs") or ())


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One job of the queue, as the controller decided last; see ``services.workflows.queue``."""

    id: str
    project: str
    what: str
    state: str
    """running, starting, waiting, held"""
    kind: str
    """One of ``services.workflows.queue.KINDS``."""
    said: str
    position: int | None
    expected_at: datetime | None
    expected_late_at: datetime | None
    """Nine of ten times not later; None: not known."""
    expected_said: str
    priority: int
    weight: int | None
    unblock: str
    host: str | None
    since: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Decided:
    """The queue at one time, with what it rests on; documents as JSON gives them."""

    at: datetime
    rows: tuple[QueueRow, ...]
    hosts: tuple[Mapping[str, Any], ...]
    """{"host", "here", "memory_bytes", "gpu_slots", "free_bytes", "free_slots", "total_bytes",
    "power_w", "given", "absent", "stance", "rule", "said", "since", "unknown"}: machines, what is
    free, what an administrator said of them, where the thermal policy stands."""
    shares: tuple[Mapping[str, Any], ...]
    """{"project", "weight", "priority", "quota_hours", "used_s", "committed_s", "share", "due",
    "waiting"}: what a project may take, and how much of it it had (``fair.Standing``)."""
    pools: tuple[Mapping[str, Any], ...]
    """{"name", "slots", "said"}."""
    asks: tuple[Mapping[str, Any], ...] = ()
    """{"what", "jobs", "memory_bytes", "gpu_slots", "power_w", "hosts"}: what waiting jobs ask of a
    machine, and which are of the kind they ask for."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A stretch of time in which one job ran, or waited for one thing."""

    job: str
    project: str
    kind: str
    said: str
    begin: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """One change of the thermal policy's stance, with the readings it rests on."""

    host: str
    at: datetime
    before: str
    stance: str
    rule: str
    said: str
    figures: tuple[Mapping[str, Any], ...]
    """{"metric", "value", "source", "at", "reason"}, as ``thermal.Figure``."""

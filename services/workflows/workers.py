"""The machines that take tasks: how each is, what it can do, and what became of one that was lost.

Airflow knows a worker by its heartbeat, each five seconds; after five that did not come it calls it
unknown. A task on it is given up a minute after its last sign and tried again, as often as the
project's ``retries`` say: the lost try counts as one of them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from services.engines.airflow.models import EdgeJob, EdgeWorker
from services.resources.capacity import Rule, measured, ruled
from services.resources.models import gib
from services.workflows.routes import QUEUE, Machine

State = Literal["starting", "idle", "busy", "draining", "drained", "lost", "left"]
_STATES: Mapping[str, State] = {
    "starting": "starting",
    "running": "busy",
    "idle": "idle",
    "shutdown request": "draining",
    "terminating": "draining",
    "offline": "left",
    "unknown": "lost",
    "maintenance request": "draining",
    "maintenance pending": "draining",
    "maintenance mode": "drained",
    "maintenance exit": "drained",
    "offline maintenance": "left",
}
_SAID: Mapping[State, str] = {
    "starting": "It is starting.",
    "idle": "It waits for tasks.",
    "busy": "It runs tasks.",
    "draining": "It takes no new task and ends its last ones.",
    "drained": "It takes no task.",
    "lost": "Its heartbeat ceased: the machine sleeps, is off, or cannot be reached.",
    "left": "It ended.",
}
TAKES: frozenset[State] = frozenset({"starting", "idle", "busy"})
"""States in which a worker takes tasks."""
_OPEN = frozenset({"queued", "restarting", "running"})


@dataclass(frozen=True, slots=True)
class Worker:
    """One machine that takes tasks, or did."""

    host: str
    """As telemetry names it."""
    state: State
    said: str
    """The state as a sentence."""
    heartbeat_at: datetime | None
    queues: tuple[str, ...]
    chip: str | None
    gpu_cores: int | None
    memory_bytes: int | None
    system: str | None
    projects: tuple[str, ...] | None
    """Those whose folder is there; None: all (the machine of the platform)."""
    slots: int | None
    """How many tasks at once at most."""
    running: tuple[str, ...]
    """``DAG/RUN/TASK/TRY`` of what it was given and did not end."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A try of a task that was lost with its machine, and what came of it."""

    host: str
    job: str
    """``DAG/RUN/TASK`` with the number of a mapped one."""
    attempt: int
    """The try that was lost."""
    again_on: str | None
    """The machine of the next try; None: there is none yet."""
    lost_at: datetime | None
    """Its last sign."""
    said: str


def seen(workers: Iterable[EdgeWorker], jobs: Sequence[EdgeJob]) -> tuple[Worker, ...]:
    """Return the machines as Airflow knows them, by name."""
    found = (_worker(one, jobs) for one in workers)
    return tuple(sorted(found, key=lambda one: one.host))


def losses(workers: Iterable[Worker], jobs: Sequence[EdgeJob], here: str = "") -> tuple[Loss, ...]:
    """Return what was lost with machines that are silent, the last first.

    A task that went on elsewhere has a later try; one that was refused another has none. Airflow
    gives a lost try the state of its task: ``deferred`` when its next one already waits.

    Args:
        workers: All machines.
        jobs: What Airflow gave to them; it forgets a try five minutes to an hour after its end.
        here: The machine of the platform: a try that waits to be told its machine waits there.
    """
    lost = {one.host: one for one in workers if one.state == "lost"}
    found = [
        _loss(job, lost[job.worker], _next(job, jobs), here)
        for job in jobs
        if job.worker in lost and job.state not in {"success", "skipped"}
    ]
    return tuple(sorted(found, key=lambda one: str(one.lost_at), reverse=True))


def machines(
    workers: Iterable[Worker], here: str, rules: Mapping[str, Rule] | None = None
) -> tuple[Machine, ...]:
    """Return the machines as the ledger and the routes know them; those that left are none."""
    said = rules or {}
    there = (one for one in workers if one.state != "left")
    return tuple(_machine(one, here, said.get(one.host)) for one in there)


def job_of(job: EdgeJob) -> str:
    """Return the name of a task as everywhere else: ``DAG/RUN/TASK``, a mapped one ``TASK[3]``."""
    label = job.task_id if job.map_index < 0 else f"{job.task_id}[{job.map_index}]"
    return f"{job.dag_id}/{job.run_id}/{label}"


def _worker(one: EdgeWorker, jobs: Sequence[EdgeJob]) -> Worker:
    facts = one.facts
    state = _STATES.get(one.state, "lost")
    why = f" {one.comment}" if one.comment and state in {"draining", "drained"} else ""
    given = [job for job in jobs if job.worker == one.name and job.state in _OPEN]
    return Worker(
        host=one.name,
        state=state,
        said=_SAID[state] + why,
        heartbeat_at=one.heartbeat,
        queues=one.queues,
        chip=_text(facts.get("mlops_chip")),
        gpu_cores=_whole(facts.get("mlops_gpu_cores")),
        memory_bytes=_whole(facts.get("mlops_memory_bytes")),
        system=_text(facts.get("mlops_system")),
        projects=_names(facts.get("mlops_projects")),
        slots=_whole(facts.get("concurrency")),
        running=tuple(f"{job_of(job)}/{job.attempt}" for job in given),
    )


def _machine(one: Worker, here: str, rule: Rule | None) -> Machine:
    total = one.memory_bytes
    own = replace(
        measured(one.host, total, platform=one.host == here),
        chip=one.chip,
        gpu_cores=one.gpu_cores,
        said="" if total is None else f"{gib(total)}, as its worker tells",
        absent="" if one.state in TAKES or one.host == here else f"its worker is {one.state}",
    )
    projects = None if one.projects is None else frozenset(one.projects)
    return Machine(ruled(own, rule), projects)


def _next(job: EdgeJob, jobs: Iterable[EdgeJob]) -> EdgeJob | None:
    later = [one for one in jobs if job_of(one) == job_of(job) and one.attempt > job.attempt]
    return min(later, key=lambda one: one.attempt, default=None)


def _loss(job: EdgeJob, worker: Worker, again: EdgeJob | None, here: str) -> Loss:
    name = job_of(job)
    host = (again.worker or again.queue.removeprefix(QUEUE)) if again else None
    # Where it is told to wait is no machine it was given.
    waits = again is not None and again.state == "deferred" and host == here
    told = f"Worker {worker.host} was lost; its task {name} "
    if again is None:
        told += "is given up a minute after its last sign, and tried again if it has a try left."
    elif waits or not host:
        told += "is tried again as soon as it is given a machine."
    else:
        told += f"is tried again on {host} (try {again.attempt})."
    return Loss(
        host=worker.host,
        job=name,
        attempt=job.attempt,
        again_on=None if waits else host,
        lost_at=job.changed_at or worker.heartbeat_at,
        said=told,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _names(value: object) -> tuple[str, ...] | None:
    """Return a list that was told as JSON text; None: it was not told."""
    if not isinstance(value, str):
        return None
    try:
        found = json.loads(value)
    except ValueError:
        return ()
    return tuple(str(one) for one in found) if isinstance(found, list) else ()

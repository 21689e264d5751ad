"""Heavy tasks of Airflow as jobs of the queue: what waits, what runs, and what ran."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from services.mirror.workflow_models import ENDED_TASKS, TaskRun, Workflow, WorkflowRun
from services.projects.contract import Contract
from services.resources.ledger import cost
from services.resources.models import Capacity, Needs
from services.workflows.forecast import Lengths
from services.workflows.models import Blocked, Job, Share, Use
from services.workflows.routing import required
from services.workflows.simulation import Running

_WAITING = frozenset(
    {"none", "scheduled", "queued", "deferred", "up_for_retry", "up_for_reschedule", "restarting"}
)
_ORDINARY = 5


class Known(Protocol):
    """What is known of projects and of earlier tasks."""

    def contract(self, project: str, /) -> Contract | None:
        """Return a project's contract, None of one that has none now."""

    def needs(self, project: str, /) -> Needs:
        """Return what a training of the project needs."""

    def lengths(self, dag_id: str, task_id: str, /) -> Lengths:
        """Return how long earlier ones took."""

    def project(self, task: TaskRun, /) -> str:
        """Return whose job it is: of a workflow over all projects, that of its part."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """All heavy tasks that have not ended."""

    waiting: tuple[Job, ...]
    running: tuple[Running, ...]


def jobs(
    tasks: Iterable[TaskRun],
    runs: Iterable[WorkflowRun],
    workflows: Iterable[Workflow],
    known: Known,
    *,
    hosts: Sequence[Capacity],
    here: str,
    machines_of: Callable[[str], frozenset[str] | None] = lambda _project: None,
    away: str = "",
) -> Jobs:
    """Return what waits and what runs.

    Args:
        tasks: All tasks of runs that have not ended, light ones too: others wait for them.
        runs: Those runs.
        workflows: All workflows: who waits for whom.
        known: What is known of projects.
        hosts: All machines.
        here: The machine that runs the platform.
        machines_of: Returns on which machines a project is; None: on all.
        away: Why Airflow starts nothing now; empty when it does.
    """
    found = list(tasks)
    of_run = {(one.dag_id, one.run_id): one for one in runs}
    of_dag = {one.dag_id: one for one in workflows}
    look = _Look(found, of_run, of_dag, known, away)
    waiting, running = [], []
    for task in found:
        if not task.heavy:
            continue
        job = look.job(task)
        host = host_of(task, hosts, here)
        begun = began_at(task) if host == here else _elsewhere_since(task)
        if begun is not None:
            end = math.inf if job.expected_s is None else begun + job.expected_s
            running.append(Running(job, host, begun, end))
        elif task.state in _WAITING or task.state == "running":
            machines = machines_of(job.project)
            waiting.append(replace(job, machines=machines, **look.blocked(task)))
    return Jobs(tuple(waiting), tuple(running))


def began_at(task: TaskRun) -> float | None:
    """Return when the command of this try began, None when it did not, or has ended.

    A task whose state is ``running`` may only be asking whether it may start.
    """
    said = task.evidence
    same = said.get("try") == task.tries and said.get("outcome") == "running"
    return _seconds(said.get("started_at")) if same and task.state == "running" else None


def seconds_of(task: TaskRun) -> float | None:
    """Return how long the command of a task that ended took, without what it waited."""
    begin, end = _seconds(task.evidence.get("started_at")), _seconds(task.evidence.get("ended_at"))
    return None if begin is None or end is None or end <= begin else end - begin


def uses(ended: Iterable[TaskRun], known: Known, hosts: Sequence[Capacity]) -> tuple[Use, ...]:
    """Return what jobs that ended took: the facts shares are counted from."""
    found = []
    for task in ended:
        begin, end = (
            _seconds(task.evidence.get("started_at")),
            _seconds(task.evidence.get("ended_at")),
        )
        if task.heavy and begin is not None and end is not None and end > begin:
            project = known.project(task)
            price = cost(needs_of_task(task, known.needs(project)), hosts)
            found.append(Use(project, begin, end, price, task.job))
    return tuple(found)


def needs_of_task(task: TaskRun, needs: Needs) -> Needs:
    """Return what a task needs: of a federated training the server alone takes a slot."""
    return replace(needs, gpu_slots=0) if task.task_id == "client" else needs


def share_of(project: str, contract: Contract | None) -> Share:
    """Return what a project may take."""
    if contract is None:
        return Share(project)
    return Share(project, contract.weight, contract.priority, contract.quota_hours)


def host_of(task: TaskRun, hosts: Sequence[Capacity], here: str) -> str:
    """Return on which machine a task runs; a worker calls itself as telemetry calls its machine."""
    return next((one.host for one in hosts if one.host == task.host), here)


def _elsewhere_since(task: TaskRun) -> float | None:
    """Return since when a task runs on another machine; its evidence comes with its end alone.

    Airflow's start of a task that was held is when it began to wait.
    """
    known = [at.timestamp() for at in (task.started_at, task.queued_at) if at]
    return max(known, default=None) if task.state == "running" else None


class _Look:
    def __init__(
        self,
        tasks: Iterable[TaskRun],
        runs: Mapping[tuple[str, str], WorkflowRun],
        workflows: Mapping[str, Workflow],
        known: Known,
        away: str,
    ) -> None:
        self._runs = runs
        self._workflows = workflows
        self._known = known
        self._away = away
        self._states: dict[tuple[str, str, str], list[str]] = {}
        for one in tasks:
            self._states.setdefault((one.dag_id, one.run_id, one.task_id), []).append(one.state)

    def job(self, task: TaskRun) -> Job:
        project = self._known.project(task)
        contract = self._known.contract(project)
        run = self._runs.get((task.dag_id, task.run_id))
        lengths = self._known.lengths(task.dag_id, task.task_id)
        return Job(
            id=task.job,
            project=project,
            submitted=_submitted(task, run),
            needs=needs_of_task(task, self._known.needs(project)),
            what=self._what(task, project, contract),
            priority=contract.priority if contract else _ORDINARY,
            expected_s=lengths.median_s,
            late_s=lengths.late_s,
            requires=required(contract),
            no_estimate="" if lengths.median_s is not None else lengths.said,
        )

    def _what(self, task: TaskRun, project: str, contract: Contract | None) -> str:
        title = contract.title if contract else project
        name = task.dag_id.partition(".")[2] or task.dag_id
        return f"{title}: {name}" if task.task_id == "train" else f"{title}: {name}, {task.label}"

    def blocked(self, task: TaskRun) -> dict[str, Any]:
        """Return what holds it before anybody asks about its turn."""

        def by(blocked: Blocked, said: str) -> dict[str, Any]:
            return {"blocked": blocked, "blocked_by": said}

        if self._away:
            return by("engine", self._away)
        workflow = self._workflows.get(task.dag_id)
        if workflow is not None and workflow.paused:
            return by("paused", "")
        run = self._runs.get((task.dag_id, task.run_id))
        if run is not None and run.state == "queued":
            return by("dependency", self._run_before(task))
        before = self._before(task, workflow)
        return by("dependency", f"the task {before}") if before else {}

    def _run_before(self, task: TaskRun) -> str:
        """A run that has not begun: another one of its workflow runs, or Airflow takes a moment."""
        other = any(
            run.dag_id == task.dag_id and run.run_id != task.run_id and run.state == "running"
            for run in self._runs.values()
        )
        return f"the run of {task.dag_id} before it" if other else "the beginning of its run"

    def _before(self, task: TaskRun, workflow: Workflow | None) -> str:
        for one in workflow.tasks if workflow else ():
            if task.task_id not in one.downstream:
                continue
            states = self._states.get((task.dag_id, task.run_id, one.task_id), [])
            if any(state not in ENDED_TASKS for state in states):
                return one.task_id
        return ""


def _submitted(task: TaskRun, run: WorkflowRun | None) -> float:
    asked = (run.queued_at or run.started_at) if run else None
    at = asked or task.scheduled_at or task.queued_at
    return at.timestamp() if at else 0.0


def _seconds(said: object) -> float | None:
    try:
        return datetime.fromisoformat(str(said)).timestamp()
    except ValueError:
        return None

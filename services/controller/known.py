"""What the queue's loop knows of projects: contracts, needs and lengths, looked up at times."""

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from services.engines.airflow.adapter import Airflow
from services.errors import EngineError
from services.mirror.queries import Mirror
from services.mirror.workflow_models import TaskRun
from services.mirror.workflow_queries import PLATFORM, Workflows
from services.projects.contract import Contract, Project
from services.resources.models import Needs
from services.resources.needs import needs_of_project
from services.workflows.forecast import Lengths, lengths
from services.workflows.jobs import seconds_of

_FRESH_S = 30.0
_PLAN = "plan"


class Known:
    """See ``services.workflows.jobs.Known``."""

    def __init__(
        self,
        mirror: Mirror,
        workflows: Workflows,
        airflow: Airflow,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mirror = mirror
        self._workflows = workflows
        self._airflow = airflow
        self._now = now
        self._lock = threading.Lock()
        self._contracts: dict[str, Contract] = {}
        self._needs: dict[str, tuple[float, Needs]] = {}
        self._lengths: dict[tuple[str, str], tuple[float, Lengths]] = {}
        self._plans: dict[tuple[str, str], tuple[str, ...]] = {}

    def publish(self, projects: Iterable[Project]) -> None:
        """Take what the projects loop found."""
        found = {one.contract.id: one.contract for one in projects if one.contract is not None}
        with self._lock:
            if found != self._contracts:
                self._contracts, self._needs = found, {}

    def contracts(self) -> dict[str, Contract]:
        """Return all contracts by project."""
        with self._lock:
            return dict(self._contracts)

    def contract(self, project: str) -> Contract | None:
        """Return a project's contract, None of one that has none now."""
        return self.contracts().get(project)

    def needs(self, project: str) -> Needs:
        """Return what a training of a project needs: declared, else as its last runs took."""
        kept = self._needs.get(project)
        if kept is not None and self._now() - kept[0] < _FRESH_S:
            return kept[1]
        found = needs_of_project(self._mirror, project, self.contract(project))
        self._needs[project] = (self._now(), found)
        return found

    def lengths(self, dag_id: str, task_id: str) -> Lengths:
        """Return how long a task's last successes took."""
        kept = self._lengths.get((dag_id, task_id))
        if kept is not None and self._now() - kept[0] < _FRESH_S:
            return kept[1]
        earlier = self._workflows.earlier(dag_id, task_id)
        found = lengths([s for one in earlier if (s := seconds_of(one)) is not None])
        self._lengths[dag_id, task_id] = (self._now(), found)
        return found

    def project(self, task: TaskRun) -> str:
        """Return whose job a task is; a part of a comparison is its own project's."""
        told = task.evidence.get("project")
        if isinstance(told, str) and told:
            return told
        if task.project != PLATFORM or task.map_index < 0:
            return task.project
        planned = self._plan(task)
        return planned[task.map_index] if task.map_index < len(planned) else PLATFORM

    def _plan(self, task: TaskRun) -> tuple[str, ...]:
        key = (task.dag_id, task.run_id)
        if key not in self._plans:
            try:
                told = self._airflow.xcom(*key, _PLAN)
            except EngineError:
                return ()
            parts = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
            self._plans[key] = tuple(Path(str(one.get("spec"))).stem for one in parts)
        return self._plans[key]

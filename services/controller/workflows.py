"""The workflows loop: follows Airflow into the mirror.

What changed since the last look is asked for, with some overlap; every few seconds all that has
not ended is read whole, so that neither a clock that jumps nor a missed change stays unseen.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.engines.airflow.adapter import Airflow
from services.engines.airflow.models import Asset, Dag, DagRun, TaskInstance
from services.errors import EngineRefusedError
from services.mirror.workflow_models import (
    ACTIVE_RUNS,
    TaskRun,
    Workflow,
    WorkflowFault,
    WorkflowParam,
    WorkflowTask,
)
from services.mirror.workflow_queries import PLATFORM, Workflows
from services.mirror.workflow_store import WorkflowStore
from services.workflows import away, evidence

INTERVAL_S = 1.0
_WHOLE_S = 5.0
"""How often what is active, and the list of workflows, is read whole."""
_DETAILS_S = 60.0
"""How old what is known of a workflow's inside may be: a change that its list does not show."""
_EACH_TURN = 4
_OVERLAP = timedelta(seconds=15)
_CAUSE = timedelta(minutes=10)
_TOLD_S = 30.0
"""A runner writes its file before its task ends; one that was killed never does."""
_GONE = 404
_STUB = "mlops_dag_"


class WorkflowSync:
    """Follows one Airflow."""

    def __init__(
        self,
        store: WorkflowStore,
        workflows: Workflows,
        airflow: Airflow,
        folder: Path,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Begin.

        Args:
            store: Where it is written.
            workflows: What was written.
            airflow: The engine.
            folder: Of the tasks' evidence.
            now: Seconds since 1970.
        """
        self._store = store
        self._workflows = workflows
        self._airflow = airflow
        self._folder = folder
        self._now = now
        self._since: datetime | None = None
        self._whole_at = float("-inf")
        self._listed: dict[str, tuple[Dag, float]] = {}
        self._assets: tuple[Asset, ...] = ()

    def turn(self) -> None:
        """Look once.

        Raises:
            EngineError: Airflow is away; what is known stays.
            PlatformError: The mirror cannot be written.
        """
        began = self._now()
        if not 0 <= began - self._whole_at < _WHOLE_S:  # the clock may have been set back
            self._look_at_workflows(began)
            self._look_at_all_active()
            self._whole_at = began
        self._look_at_changes()
        self._since = datetime.fromtimestamp(began, UTC) - _OVERLAP

    # Workflows

    def _look_at_workflows(self, now: float) -> None:
        found = {dag.dag_id: dag for dag in self._airflow.dags()}
        self._store.write_faults(
            WorkflowFault(one.file, project_of_file(one.file), one.cause, one.stacktrace, one.at)
            for one in self._airflow.import_errors()
        )
        self._assets = self._airflow.assets()
        self._store.keep_workflows(found.keys())
        for name in self._listed.keys() - found.keys():
            del self._listed[name]
        due = sorted((age, name) for name, dag in found.items() if (age := self._due(dag, now)))
        made = []
        for _, name in due[-_EACH_TURN:] if self._since is not None else due:
            made.append(self._workflow(found[name]))
            self._listed[name] = (found[name], now)
        self._store.write_workflows(made)

    def _due(self, dag: Dag, now: float) -> float:
        """Return how urgently a workflow is read again, 0 when it need not be."""
        known = self._listed.get(dag.dag_id)
        if known is None or _shown(known[0]) != _shown(dag):
            return float("inf")
        age = abs(now - known[1])
        return age if age > _DETAILS_S else 0.0

    def _workflow(self, dag: Dag) -> Workflow:
        detail = self._airflow.dag(dag.dag_id)
        project, _, name = dag.dag_id.partition(".")
        tasks = tuple(
            WorkflowTask(
                one.task_id, one.title, one.operator, one.downstream, one.pool, one.mapped,
                one.retries,
            )
            for one in self._airflow.tasks(dag.dag_id)
        )  # fmt: skip
        return Workflow(
            dag_id=dag.dag_id,
            project=project,
            name=name or dag.dag_id,
            title=dag.title,
            paused=dag.paused,
            broken=dag.broken,
            schedule=dag.schedule,
            next_run_at=dag.next_run_at,
            parsed_at=dag.parsed_at,
            file=dag.file,
            tasks=tasks,
            params=tuple(WorkflowParam(p.name, p.default, p.schema) for p in detail.params),
            makes=tuple(
                one.uri for one in self._assets if any(d == dag.dag_id for d, _ in one.producers)
            ),
            starts_on=tuple(one.uri for one in self._assets if dag.dag_id in one.triggers),
        )

    # Runs and tasks

    def _look_at_changes(self) -> None:
        self._write_runs(self._airflow.dag_runs_since(self._since))
        self._write_tasks(self._airflow.task_instances(changed_since=self._since))
        self._read_evidence()

    def _look_at_all_active(self) -> None:
        if self._since is None:  # everything is read in this turn
            return
        active = {
            (run.dag_id, run.run_id): run
            for state in ("running", "queued")
            for run in self._all_in(state)
        }
        self._write_runs(active.values())
        for dag_id, run_id in active:
            tasks = list(self._airflow.task_instances(dag_id, run_id))
            self._write_tasks(tasks)
            there = {(one.task_id, one.map_index) for one in tasks}
            self._store.keep_tasks(dag_id, run_id, there)
        for known in self._workflows.runs(states=tuple(ACTIVE_RUNS), limit=10_000):
            if (known.dag_id, known.run_id) not in active:
                self._look_for(known.dag_id, known.run_id)

    def _all_in(self, state: str) -> Iterable[DagRun]:
        page: str | None = ""
        while page is not None:
            found = self._airflow.dag_runs(states=(state,), page=page)  # type: ignore[arg-type]  # two of its words
            yield from found.runs
            page = found.next_page

    def _look_for(self, dag_id: str, run_id: str) -> None:
        """A run that is active here and not there: it ended, or was deleted."""
        try:
            run = self._airflow.dag_run(dag_id, run_id)
            tasks = list(self._airflow.task_instances(dag_id, run_id))
        except EngineRefusedError as error:
            if error.status != _GONE:
                raise
            self._store.forget_run(dag_id, run_id)
            return
        self._write_runs([run])
        self._write_tasks(tasks)

    def _write_runs(self, runs: Iterable[DagRun]) -> None:
        found = list(runs)
        self._store.write_runs(
            [(project_of(run.dag_id), run) for run in found], self._causes(found)
        )

    def _causes(self, runs: Iterable[DagRun]) -> dict[tuple[str, str], tuple[str, str]]:
        """Return what set off those that an asset did, as far as Airflow tells it."""
        caused = [run for run in runs if run.kind == "asset_triggered"]
        if not caused:
            return {}
        since = min(run.run_after for run in caused) - _CAUSE
        return {
            started: (event.dag_id, event.run_id)
            for event in self._airflow.asset_events(since).events
            if event.dag_id and event.run_id
            for started in event.started
        }

    def _write_tasks(self, tasks: Iterable[TaskInstance]) -> None:
        self._store.write_tasks([(project_of(one.dag_id), one) for one in tasks])

    def _read_evidence(self) -> None:
        for task in self._workflows.unread():
            if task.state not in {"running", "restarting"}:
                self._bring(task)
            found = evidence.read(self._folder, task)
            settled = self._is_settled(task, found)
            if settled or found != task.evidence:
                self._store.write_evidence(key_of(task), found, settled=settled)

    def _bring(self, task: TaskRun) -> None:
        """Fetch the evidence of a try that ran on another machine."""
        path = evidence.path_of(self._folder, task)
        away.bring(self._airflow, path, *key_of(task)[:3], max(1, task.tries), task.map_index)

    def _is_settled(self, task: TaskRun, found: Mapping[str, Any]) -> bool:
        """Return whether nothing more will come: its end was told, or it ended a while ago."""
        if task.state in {"running", "restarting"}:
            return False
        if found.get("outcome") not in {None, "running"} or task.ended_at is None:
            return True
        return abs(self._now() - task.ended_at.timestamp()) > _TOLD_S


def project_of(dag_id: str) -> str:
    """Return whose workflow it is; ``platform`` of those over all projects."""
    return dag_id.partition(".")[0]


def project_of_file(file: str) -> str:
    """Return whose file it is: ``mlops_dag_ID.py``, else the platform's."""
    name = Path(file).stem
    if not name.startswith(_STUB):
        return PLATFORM
    return name.removeprefix(_STUB).partition("__")[0]  # a DAG file of its own: ID__N


def key_of(task: TaskRun) -> tuple[str, str, str, int]:
    """Return under what a task is written."""
    return (task.dag_id, task.run_id, task.task_id, task.map_index)


def _shown(dag: Dag) -> tuple[object, ...]:
    return (dag.title, dag.paused, dag.broken, dag.stale, dag.schedule, dag.next_run_at, dag.file)

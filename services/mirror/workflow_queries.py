"""What pages and the command line ask of workflows and of the queue."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, select, tuple_

from services.errors import InputError, NotFoundError
from services.mirror import schema
from services.mirror import workflow_tables as tables
from services.mirror.queries import Mirror
from services.mirror.workflow_models import (
    ACTIVE_RUNS,
    BEGUN_TASKS,
    Decided,
    PolicyDecision,
    TaskRun,
    Wait,
    Workflow,
    WorkflowFault,
    WorkflowRun,
)
from services.mirror.workflow_rows import (
    decided_of,
    decision_of,
    fault_of,
    run_of,
    task_of,
    wait_of,
    workflow_of,
)

Projects = Sequence[str] | None
"""None: all."""
PLATFORM = "platform"
"""The project of workflows over all projects."""


class Workflows:
    """Reads of workflows; ``projects`` is what a person may see."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def change(self) -> int:
        """Return the number of the last change of workflows, runs or tasks."""
        query = select(schema.meta.c.value).where(schema.meta.c.key == tables.WORKFLOW_CHANGE)
        found = self._mirror.rows(query)
        return int(found[0].value) if found else 0

    def workflows(self, projects: Projects = None) -> tuple[Workflow, ...]:
        """Return all workflows by id."""
        table = tables.workflows
        query = _of(select(table), table.c.project, projects).order_by(table.c.dag_id)
        return tuple(workflow_of(row) for row in self._mirror.rows(query))

    def workflow(self, dag_id: str) -> Workflow:
        """Return one workflow.

        Raises:
            NotFoundError: There is none.
        """
        table = tables.workflows
        found = self._mirror.rows(select(table).where(table.c.dag_id == dag_id))
        if not found:
            raise NotFoundError(
                f"There is no workflow {dag_id[:100]!r}.", "`mlops workflows list` names all."
            )
        return workflow_of(found[0])

    def faults(self, projects: Projects = None) -> tuple[WorkflowFault, ...]:
        """Return the files that make no workflow."""
        table = tables.workflow_faults
        query = _of(select(table), table.c.project, projects).order_by(table.c.file)
        return tuple(fault_of(row) for row in self._mirror.rows(query))

    def runs(
        self,
        dag_id: str | None = None,
        projects: Projects = None,
        *,
        limit: int = 50,
        states: Sequence[str] = (),
        since: datetime | None = None,
        before: datetime | None = None,
    ) -> tuple[WorkflowRun, ...]:
        """Return runs, those due last first; of one workflow or of all.

        ``since`` leaves out what had ended by then; ``before`` pages on by when a run was due.
        """
        table = tables.workflow_runs
        query = _of(select(table), table.c.project, projects)
        if dag_id is not None:
            query = query.where(table.c.dag_id == dag_id)
        if states:
            query = query.where(table.c.state.in_(states))
        if since is not None:
            ended_later = table.c.ended_ms >= since.timestamp() * 1000
            query = query.where(ended_later | table.c.ended_ms.is_(None))
        if before is not None:
            query = query.where(table.c.due_ms < before.timestamp() * 1000)
        query = query.order_by(table.c.due_ms.desc(), table.c.run_id.desc()).limit(limit)
        return tuple(run_of(row) for row in self._mirror.rows(query))

    def strips(
        self, dag_ids: Sequence[str], length: int = 14
    ) -> dict[str, tuple[WorkflowRun, ...]]:
        """Return the last runs of workflows, oldest first."""
        return {name: self.runs(name, limit=length)[::-1] for name in dag_ids}

    def run(self, dag_id: str, run_id: str) -> WorkflowRun:
        """Return one run.

        Raises:
            NotFoundError: There is none.
        """
        table = tables.workflow_runs
        of_run = (table.c.dag_id == dag_id) & (table.c.run_id == run_id)
        found = self._mirror.rows(select(table).where(of_run))
        if not found:
            raise NotFoundError(
                f"There is no run {run_id[:100]!r} of {dag_id[:100]!r}.",
                "It may be new: the mirror follows Airflow within seconds.",
            )
        return run_of(found[0])

    def find_run(self, text: str) -> WorkflowRun:
        """Return the run that ``DAG/RUN``, or RUN alone, names.

        Raises:
            NotFoundError: There is none.
            InputError: RUN alone names several.
        """
        dag_id, found, run_id = text.partition("/")
        if found:
            return self.run(dag_id, run_id)
        table = tables.workflow_runs
        rows = self._mirror.rows(select(table).where(table.c.run_id == text).limit(2))
        if not rows:
            raise NotFoundError(
                f"There is no workflow run {text[:100]!r}.",
                "`mlops workflows list` and `show DAG`.",
            )
        if len(rows) > 1:
            raise InputError(f"Several workflows have a run {text[:100]!r}; say DAG/RUN.")
        return run_of(rows[0])

    def tasks(self, dag_id: str, run_id: str) -> tuple[TaskRun, ...]:
        """Return the tasks of a run, as they began."""
        table = tables.task_runs
        of_run = (table.c.dag_id == dag_id) & (table.c.run_id == run_id)
        found = [task_of(row) for row in self._mirror.rows(select(table).where(of_run))]
        last = float("inf")
        found.sort(
            key=lambda one: (
                one.started_at.timestamp() if one.started_at else last,
                one.task_id,
                one.map_index,
            )
        )
        return tuple(found)

    def tasks_of(self, runs: Sequence[WorkflowRun]) -> tuple[TaskRun, ...]:
        """Return the tasks of several runs: what a grid shows."""
        if not runs:
            return ()
        table = tables.task_runs
        keys = [(one.dag_id, one.run_id) for one in runs]
        query = select(table).where(tuple_(table.c.dag_id, table.c.run_id).in_(keys))
        return tuple(task_of(row) for row in self._mirror.rows(query))

    def active_tasks(self) -> tuple[TaskRun, ...]:
        """Return the tasks of all runs that have not ended."""
        runs, table = tables.workflow_runs, tables.task_runs
        query = (
            select(table)
            .join(runs, (runs.c.dag_id == table.c.dag_id) & (runs.c.run_id == table.c.run_id))
            .where(runs.c.state.in_(ACTIVE_RUNS))
        )
        return tuple(task_of(row) for row in self._mirror.rows(query))

    def unread(self) -> tuple[TaskRun, ...]:
        """Return the tasks that began, and of whose evidence more may be to read."""
        table = tables.task_runs
        query = select(table).where(table.c.settled.is_(False), table.c.state.in_(BEGUN_TASKS))
        return tuple(task_of(row) for row in self._mirror.rows(query))

    def earlier(self, dag_id: str, task_id: str, limit: int = 20) -> tuple[TaskRun, ...]:
        """Return a task's last successes, newest first: what estimates rest on."""
        table = tables.task_runs
        query = (
            select(table)
            .where(
                table.c.dag_id == dag_id,
                table.c.task_id == task_id,
                table.c.state == "success",
                table.c.ended_ms.is_not(None),
            )
            .order_by(table.c.ended_ms.desc())
            .limit(limit)
        )
        return tuple(task_of(row) for row in self._mirror.rows(query))

    def ended_tasks(self, since: datetime, projects: Projects = None) -> tuple[TaskRun, ...]:
        """Return the tasks that ended since a time, oldest first."""
        table = tables.task_runs
        query = _of(select(table), table.c.project, projects)
        query = query.where(table.c.ended_ms >= since.timestamp() * 1000)
        return tuple(task_of(row) for row in self._mirror.rows(query.order_by(table.c.ended_ms)))

    # The queue

    def queue(self) -> Decided | None:
        """Return the queue as it was decided last, None when nothing was decided yet."""
        table = tables.pictures
        found = self._mirror.rows(select(table).where(table.c.name == tables.QUEUE))
        return decided_of(found[0]) if found else None

    def waits(
        self, since: datetime, projects: Projects = None, *, job: str | None = None
    ) -> tuple[Wait, ...]:
        """Return the stretches in which jobs waited or ran since a time, as they began."""
        table = tables.waits
        query = _of(select(table), table.c.project, projects)
        query = query.where(table.c.open | (table.c.end_ms >= since.timestamp() * 1000))
        if job is not None:
            query = query.where(table.c.job == job)
        return tuple(wait_of(row) for row in self._mirror.rows(query.order_by(table.c.begin_ms)))

    def decisions(self, since: datetime, limit: int = 200) -> tuple[PolicyDecision, ...]:
        """Return what the thermal policy decided since a time, newest first."""
        table = tables.policy_decisions
        query = select(table).where(table.c.at_ms >= since.timestamp() * 1000)
        query = query.order_by(table.c.at_ms.desc()).limit(limit)
        return tuple(decision_of(row) for row in self._mirror.rows(query))


def _of(query: Select, column: object, projects: Projects) -> Select:  # type: ignore[type-arg]  # of any
    """Leave out the projects a person may not see; those over all projects are for everybody."""
    if projects is None:
        return query
    return query.where(column.in_([*projects, PLATFORM]))  # type: ignore[attr-defined]  # a column

"""What the pages know of workflows and their runs.

Like ``state`` and ``machines`` a place with ``st.cache_*``: reads are cached under the change
number of workflows, which moves alone when a task goes on.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import machines, state
from services.home import Home
from services.mirror.workflow_models import (
    Decided,
    TaskRun,
    Workflow,
    WorkflowFault,
    WorkflowRun,
)
from services.mirror.workflow_queries import PLATFORM, Workflows

if TYPE_CHECKING:
    from services.mirror.workflow_figures import Record
    from services.workflows.failure import Explanation

Mine = tuple[str, ...] | None


@st.cache_resource(show_spinner=False)
def reads() -> Workflows:
    """Return the reads of workflows, opened once a process."""
    return Workflows(state.mirror())


def change() -> int:
    """Return the number of the last change of workflows, runs or tasks."""
    return reads().change()


def workflows(project: str | None = None) -> tuple[Workflow, ...]:
    """Return the workflows the person may see; of one project, without those over all."""
    mine = state.visible_projects()
    if project is not None and mine is not None and project not in mine:
        return ()
    found = _workflows(change(), mine)
    return found if project is None else tuple(w for w in found if w.project == project)


@st.cache_resource(show_spinner=False, max_entries=8)
def _workflows(number: int, mine: Mine) -> tuple[Workflow, ...]:
    del number
    return reads().workflows(mine)


def faults(project: str | None = None) -> tuple[WorkflowFault, ...]:
    """Return the files that make no workflow, of the projects the person may see."""
    found = _faults(change(), state.visible_projects())
    return found if project is None else tuple(f for f in found if f.project == project)


@st.cache_resource(show_spinner=False, max_entries=8)
def _faults(number: int, mine: Mine) -> tuple[WorkflowFault, ...]:
    del number
    return reads().faults(mine)


def strips(dag_ids: tuple[str, ...], length: int) -> Mapping[str, tuple[WorkflowRun, ...]]:
    """Return the last runs of workflows, the oldest first."""
    return _strips(change(), dag_ids, length)


@st.cache_resource(show_spinner=False, max_entries=8)
def _strips(
    number: int, dag_ids: tuple[str, ...], length: int
) -> Mapping[str, tuple[WorkflowRun, ...]]:
    del number
    return reads().strips(dag_ids, length)


@st.cache_resource(show_spinner=False, max_entries=16, ttl="5s")
def records(dag_ids: tuple[str, ...], since: datetime | None) -> "Mapping[str, Record]":
    """Return how runs ended since a time, some seconds old at most: the whole past is counted."""
    from services.mirror.workflow_figures import records as counted

    return counted(state.mirror(), dag_ids, since)


def runs(dag_id: str, limit: int) -> tuple[WorkflowRun, ...]:
    """Return the last runs of a workflow, the newest first."""
    return _runs(change(), dag_id, limit)


@st.cache_resource(show_spinner=False, max_entries=32)
def _runs(number: int, dag_id: str, limit: int) -> tuple[WorkflowRun, ...]:
    del number
    return reads().runs(dag_id, limit=limit)


def tasks_of(dag_id: str, limit: int) -> tuple[TaskRun, ...]:
    """Return the tasks of a workflow's last runs."""
    return _tasks_of(change(), dag_id, limit)


@st.cache_resource(show_spinner=False, max_entries=16)
def _tasks_of(number: int, dag_id: str, limit: int) -> tuple[TaskRun, ...]:
    return reads().tasks_of(_runs(number, dag_id, limit))


def run(dag_id: str, run_id: str) -> WorkflowRun:
    """Return one run.

    Raises:
        NotFoundError: There is none.
    """
    return _run(change(), dag_id, run_id)


@st.cache_resource(show_spinner=False, max_entries=64)
def _run(number: int, dag_id: str, run_id: str) -> WorkflowRun:
    del number
    return reads().run(dag_id, run_id)


def tasks(dag_id: str, run_id: str) -> tuple[TaskRun, ...]:
    """Return the tasks of a run, as they began."""
    return _tasks(change(), dag_id, run_id)


@st.cache_resource(show_spinner=False, max_entries=32)
def _tasks(number: int, dag_id: str, run_id: str) -> tuple[TaskRun, ...]:
    del number
    return reads().tasks(dag_id, run_id)


def explanation(task: TaskRun) -> "Explanation":
    """Return why a task failed; it is looked up anew when workflows change."""
    return _explanation(change(), task.job, task.tries, task)


@st.cache_resource(show_spinner=False, max_entries=64)
def _explanation(number: int, job: str, tries: int, _task: TaskRun) -> "Explanation":
    del number, job, tries
    from services.engines.silicon.machine import own_id
    from services.workflows.explaining import explained

    home = Home.locate()
    return explained(
        _task,
        reads().tasks(_task.dag_id, _task.run_id),
        reads(),
        home.airflow / "evidence",
        machines.telemetry(),
        own_id(home.run / "host-id"),
    )


def earlier(dag_id: str, task_id: str) -> tuple[TaskRun, ...]:
    """Return a task's last successes, the newest first."""
    return _earlier(change(), dag_id, task_id)


@st.cache_resource(show_spinner=False, max_entries=64)
def _earlier(number: int, dag_id: str, task_id: str) -> tuple[TaskRun, ...]:
    del number
    return reads().earlier(dag_id, task_id)


def queue() -> Decided | None:
    """Return the queue as it was decided last; it moves without a change."""
    return reads().queue()


def is_over_all(project: str) -> bool:
    """Return whether a workflow's project is none: it is one over all projects."""
    return project == PLATFORM

"""What is done with workflows and their runs: launch, pause, resume, retry, cancel, clear."""

import shlex
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.components import actions
from dashboard.components.actions import Proposal
from dashboard.workflows import launch
from dashboard.workflows.access import Named
from services.actions.workflow_cancel import CancelRun
from services.actions.workflow_clear import ClearTasks
from services.actions.workflow_launch import LaunchWorkflow
from services.actions.workflow_pause import PauseWorkflow
from services.mirror.workflow_models import ACTIVE_RUNS, ENDED_TASKS, TaskRun, WorkflowRun

if TYPE_CHECKING:
    from services.actions.action import Action

_GONE = "Airflow has this workflow no more: its project was removed or renamed."
_BROKEN = "Its file makes no workflow now; mend it first."


def workflow_buttons(of: Named, off: str | None) -> None:
    """Draw what is done with a workflow; off, with the reason, for who may not."""
    workflow, name = of.workflow, shlex.quote(of.dag_id)
    gone = None if workflow else _GONE
    broken = _BROKEN if workflow and workflow.broken else None
    actions.button(
        "Launch",
        Proposal(
            f"Launch {of.title}",
            partial(launch.fields, of),
            "Launch",
            f"mlops workflows trigger {name} --param NAME=VALUE",
            after=launch.link_to_run,
        ),
        key="workflow-launch",
        icon="rocket_launch",
        off=actions.why_not(LaunchWorkflow, project=of.scope, off=off) or gone or broken,
        kind="primary",
    )
    paused = workflow is not None and workflow.paused
    change = PauseWorkflow(of.dag_id, not paused)
    word = "Resume" if paused else "Pause"
    actions.button(
        word,
        Proposal(
            change.title, partial(_same, change), word, f"mlops workflows {word.lower()} {name}"
        ),
        key="workflow-pause",
        icon="play_arrow" if paused else "pause",
        off=actions.why_not(PauseWorkflow, project=of.scope, off=off) or gone,
    )


def _same(action: "Action") -> "Action":
    return action


def run_buttons(of: Named, run: WorkflowRun, tasks: Sequence[TaskRun], off: str | None) -> None:
    """Draw what is done with a run."""
    failed = [one.label for one in tasks if one.state in {"failed", "upstream_failed"}]
    name = shlex.quote(f"{run.dag_id}/{run.run_id}")
    retry = ClearTasks(run.dag_id, run.run_id)
    why = actions.why_not(ClearTasks, project=of.scope, off=off) or (None if of.workflow else _GONE)
    actions.button(
        "Retry",
        Proposal(
            f"Retry what failed of {run.run_id}",
            partial(_same, retry),
            "Retry",
            f"mlops workflows retry {name}",
        ),
        key="workflow-retry",
        icon="replay",
        off=why or (None if failed else "No task of it failed."),
        kind="primary" if failed and run.state not in ACTIVE_RUNS else "secondary",
    )
    ended = [one.label for one in tasks if one.state in ENDED_TASKS and one.state != "removed"]
    actions.button(
        "Clear tasks",
        Proposal(
            f"Do tasks of {run.run_id} again",
            partial(_clear, run, ended),
            "Do them again",
            f"mlops workflows clear {name} TASK",
        ),
        key="workflow-clear",
        icon="layers_clear",
        off=why or (None if ended else "No task of it has ended."),
    )
    cancel = CancelRun(run.dag_id, run.run_id)
    is_over = None if run.state in ACTIVE_RUNS else "It has ended."
    actions.button(
        "Cancel",
        Proposal(
            cancel.title, partial(_same, cancel), "End the run", f"mlops workflows cancel {name}"
        ),
        key="workflow-cancel",
        icon="stop_circle",
        off=actions.why_not(CancelRun, project=of.scope, off=off) or is_over,
    )


def _clear(run: WorkflowRun, ended: Sequence[str]) -> ClearTasks | None:
    chosen = st.multiselect(
        "Tasks that are done again",
        list(ended),
        key="workflow-clear-tasks",
        placeholder="Choose tasks",
        help="Each gets a new try; the log of the tries before stays.",
    )
    after = st.toggle("And those after them", value=True, key="workflow-clear-after")
    return ClearTasks(run.dag_id, run.run_id, tuple(chosen), downstream=after) if chosen else None

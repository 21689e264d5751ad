"""The launch of a workflow: a form made from its typed parameters, and what it will take."""

import json
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from dashboard import flows, navigation, state
from dashboard.numbers import age
from dashboard.text import plain
from dashboard.workflows import estimate, inputs
from dashboard.workflows.access import Named
from services.actions import launch_outlook
from services.actions.workflow_launch import LaunchWorkflow, launched
from services.errors import MlopsError
from services.mirror.workflow_models import Workflow, WorkflowRun
from services.resources.needs import needs_of_project
from services.workflows.form import OF_CONTRACT

LAST, DEFAULT = "As last launched", "Defaults"
_LOOKED_BACK = 20
_NOTE = 500


def fields(of: Named) -> LaunchWorkflow | None:
    """Draw the form; return the launch, None while it cannot be made."""
    workflow = of.workflow
    if workflow is None:
        return None
    given = _values(workflow)
    note = st.text_input(
        "Note", key="launch-note", max_chars=_NOTE, placeholder="Why it is launched"
    )
    _outlook(workflow, of)
    return LaunchWorkflow(of.dag_id, json.dumps(given), note.strip())


def _values(workflow: Workflow) -> dict[str, Any]:
    if not workflow.params:
        st.caption("It has no parameters.")
        return {}
    last = last_conf(flows.runs(workflow.dag_id, _LOOKED_BACK))
    source = DEFAULT
    if last is not None:
        source = st.segmented_control(
            "Values",
            [LAST, DEFAULT],
            default=LAST,
            required=True,
            key="launch-source",
            help=f"Last launched {age(last.queued_at or last.started_at)}.",
        )
    conf = last.conf if last is not None and source == LAST else {}
    found = {}
    for param in workflow.params:
        key = f"launch:{workflow.dag_id}:{source}:{param.name}"
        value = inputs.field(param, conf, key)
        if value is not None:
            found[param.name] = value
    return found


def last_conf(runs: tuple[WorkflowRun, ...]) -> WorkflowRun | None:
    """Return the last run that was given parameters; runs come newest first."""
    return next((run for run in runs if run.conf), None)


def _outlook(workflow: Workflow, of: Named) -> None:
    told = [
        estimate.said(
            estimate.estimate(workflow, lambda task: flows.earlier(workflow.dag_id, task))
        )
    ]
    if workflow.name in OF_CONTRACT:
        told += [_memory_said(of), estimate.start_said(flows.queue(), datetime.now(UTC))]
    lines = "\n".join(f"- {plain(one, 400)}" for one in told)
    st.markdown(f"**What it will take**\n{lines}")


def _memory_said(of: Named) -> str:
    try:
        contract = launch_outlook.contract_of(state.context(), of.scope)
        if contract is None:
            return "How much memory it needs is up to the projects it trains."
        needs = needs_of_project(state.mirror(), contract.id, contract)
    except MlopsError as error:
        return f"How much memory it needs is not known: {error.message}"
    return f"Memory: {needs.said}."


def link_to_run() -> None:
    """Draw the way to the run that was launched in this dialog."""
    held = st.session_state.get("acting", {})
    if held.get("id") is None:
        return
    found = launched(state.executor().record(held["id"]))
    if found is not None:
        dag_id, run_id = found
        navigation.link("workflows", "To the run", icon="arrow_forward", dag=dag_id, run=run_id)

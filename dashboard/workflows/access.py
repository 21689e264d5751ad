"""What the page reads, limited to what the person may see."""

from dataclasses import dataclass

import streamlit as st

from dashboard import flows, state
from dashboard.workflows.address import DAG, RUN
from services.errors import MlopsError, NotFoundError
from services.mirror.models import Freshness
from services.mirror.workflow_models import Workflow, WorkflowFault, WorkflowRun

LOOKED_BACK = 100
"""Runs of a workflow that are looked through for those another one set off."""


@dataclass(frozen=True, slots=True)
class Named:
    """The workflow the address names."""

    dag_id: str
    project: str
    workflow: Workflow | None
    """None: Airflow has it no more; its runs happened all the same."""

    @property
    def title(self) -> str:
        """Return what it is called."""
        return self.workflow.title if self.workflow else self.dag_id

    @property
    def scope(self) -> str | None:
        """Return the project that decides who may act; None of those over all projects."""
        return None if flows.is_over_all(self.project) else self.project


def titles() -> dict[str, str]:
    """Return the projects' titles by id; none while the mirror cannot be read."""
    try:
        return {**state.titles(), "platform": "All projects"}
    except MlopsError:
        return {}


def named() -> Named | None:
    """Return the workflow that the address names, None when it names none.

    Raises:
        NotFoundError: There is none, or the person may not see it.
    """
    dag_id = st.query_params.get(DAG, "")
    if not dag_id:
        return None
    project = dag_id.partition(".")[0]
    found = next((one for one in flows.workflows() if one.dag_id == dag_id), None)
    mine = state.visible_projects()
    seen = mine is None or project in mine or flows.is_over_all(project)
    if not seen or (found is None and not flows.runs(dag_id, 1)):
        raise NotFoundError(
            f"There is no workflow “{dag_id[:100]}” in the projects you see.",
            "Choose one in the table of all workflows; one of a new project is there within half "
            "a minute.",
        )
    return Named(dag_id, project, found)


def named_run(of: Named) -> WorkflowRun | None:
    """Return the run that the address names, None when it names none or none that is known."""
    run_id = st.query_params.get(RUN, "")
    if not run_id:
        return None
    try:
        return flows.run(of.dag_id, run_id)
    except NotFoundError:
        return None


def fault_of(workflow: Workflow) -> WorkflowFault | None:
    """Return why a workflow's file makes none now."""
    found = [one for one in flows.faults() if one.project == workflow.project]
    same = [one for one in found if one.file == workflow.file]
    return next(iter(same or found), None)


def airflow() -> Freshness | None:
    """Return how Airflow is, None when nobody has said it yet."""
    return next((one for one in state.engines() if one.engine == "airflow"), None)


def relatives(run: WorkflowRun) -> tuple[WorkflowRun, ...]:
    """Return the runs of the workflows around a run: among them are those it set off."""
    from dashboard.workflows import chain

    found = chain.of(run.dag_id, chain.chains(flows.workflows()))
    names = {one.dag_id for one in found.workflows} if found else set()
    names |= {run.caused_by[0]} if run.caused_by else set()
    seen = {one.dag_id for one in flows.workflows()}
    return tuple(one for name in sorted(names & seen) for one in flows.runs(name, LOOKED_BACK))

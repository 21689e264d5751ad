"""Where else a run is found: its registered versions, MLflow's own page, the command line."""

from urllib.parse import quote

import streamlit as st

from dashboard import navigation, state
from dashboard.text import plain
from services.engines.registry import read_ports
from services.home import Home
from services.mirror.models import Run, RunDetail

TASK = "mlops.task"
"""The tag that names who made a run: workflow, its run, the task, the try."""
_PARTS = 4


def draw(detail: RunDetail) -> None:
    """Draw the links in one line."""
    run = detail.run
    with st.container(horizontal=True, vertical_alignment="center"):
        for version in detail.versions:
            model, _, number = version.rpartition(":")
            label = f"{plain(model, 60)} version {number}"
            if navigation.has("model"):
                navigation.link("model", label, icon="deployed_code", of=run.project, model=model)
            else:
                st.badge(label, icon=":material/deployed_code:", color="violet")
        _workflow(run)
        if navigation.has("lineage"):
            navigation.link("lineage", "Lineage", icon="conversion_path", id=f"run:{run.run_id}")
        st.link_button(
            "In MLflow",
            mlflow_address(run),
            icon=":material/open_in_new:",
            type="tertiary",
            help="MLflow's own page of this run; it asks for your MLflow token as the password.",
        )


def _workflow(run: Run) -> None:
    """Draw the way to the task of a workflow that made the run, if one did."""
    made_by = task_of(run)
    if made_by is not None and navigation.has("workflows"):
        dag_id, run_id, task = made_by
        navigation.link(
            "workflows",
            f"Task {plain(task, 40)} of {plain(dag_id, 60)}",
            icon="account_tree",
            dag=dag_id,
            run=run_id,
            task=task,
        )


def task_of(run: Run) -> tuple[str, str, str] | None:
    """Return the workflow, its run and the task that made a run; None: no workflow did."""
    parts = run.tags.get(TASK, "").split("/")
    if len(parts) != _PARTS or not all(parts):
        return None
    return parts[0], parts[1], parts[2]


def mlflow_address(run: Run) -> str:
    """Return the run's page in MLflow's own interface."""
    settings = state.settings()
    port = read_ports(Home.locate().root).get("mlflow", settings.mlflow_port)
    base = settings.mlflow_url or f"http://127.0.0.1:{port}"
    place = f"experiments/{quote(run.experiment_id)}/runs/{quote(run.run_id)}"
    return f"{base.rstrip('/')}/#/{place}?workspace={quote(run.project)}"

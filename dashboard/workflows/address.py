"""The parameters of the page's address, and where else a workflow is found."""

from urllib.parse import quote

from dashboard import navigation, state
from services.engines.registry import read_ports
from services.home import Home

DAG, RUN = "dag", "run"
"""The workflow and the run that are looked at."""
PART, FIND, STATE, KIND = "part", "find", "state", "kind"
TASK, TRY = "task", "try"
"""Whose log is read."""
WORDS, MATCH, ONLY, FOLLOW, LINES = "words", "match", "only", "follow", "lines"
"""What is looked for in the log, which of the matches is looked at, and how much is shown."""


def to_dag(dag_id: str) -> str:
    """Return the address of a workflow."""
    return navigation.address("workflows", dag=dag_id)


def to_run(dag_id: str, run_id: str, task: str | None = None) -> str:
    """Return the address of a run, with the log of one of its tasks."""
    return navigation.address("workflows", dag=dag_id, run=run_id, task=task)


def in_airflow(dag_id: str, run_id: str = "", task: str = "") -> str:
    """Return the address of the same in Airflow's own interface."""
    settings = state.settings()
    port = read_ports(Home.locate().root).get("airflow", settings.airflow_port)
    base = settings.airflow_url or f"http://127.0.0.1:{port}"
    path = f"{base.rstrip('/')}/dags/{quote(dag_id, safe='')}"
    if run_id:
        path += f"/runs/{quote(run_id, safe='')}"
    if run_id and task:
        name, _, index = task.partition("[")
        path += f"/tasks/{quote(name, safe='')}"
        path += f"/mapped/{index.rstrip(']')}" if index else ""
    return path

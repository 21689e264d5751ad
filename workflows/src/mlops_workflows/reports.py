"""The DAG of scheduled reports: each hour it makes those that are due."""

from datetime import timedelta

from airflow.sdk import DAG

from mlops_workflows.dags import START, weight_rule
from mlops_workflows.tasks import PlatformTask

MOST_S = 3600.0
"""Reports take no longer than until the next ones are due."""


def report(spec_path: str) -> DAG:
    """Return ``platform.report``: one task, which is skipped while nothing is due.

    Args:
        spec_path: Any project's: it names the platform's Python.
    """
    with DAG(
        dag_id="platform.report",
        dag_display_name="Make reports that are due",
        description="Reports by the calendar: `mlops report schedules`",
        schedule="10 * * * *",
        start_date=START,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=["platform", "report"],
        default_args={
            "owner": "platform",
            "retries": 1,
            "retry_delay": timedelta(minutes=15),
            "weight_rule": weight_rule(),
        },
    ) as dag:
        PlatformTask(task_id="make", spec=spec_path, step="report", timeout_s=MOST_S)
    return dag

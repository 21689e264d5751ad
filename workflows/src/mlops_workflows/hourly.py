"""The platform's own DAGs of one task that run every hour: checks, and reports that are due."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param

from mlops_workflows.dags import START, weight_rule
from mlops_workflows.tasks import PlatformTask

MOST_S = 3600.0
"""A round takes no longer than until the next one is due."""


def monitor(spec_path: str) -> DAG:
    """Return ``platform.monitor``: one round of checks, each hour and whenever it is triggered.

    Args:
        spec_path: Any project's: it names the platform's Python.
    """
    params: dict[str, Any] = {
        "deployments": Param(
            [], type="array", items={"type": "string", "maxLength": 320}, uniqueItems=True,
            title="Deployments", description="As PROJECT.MODEL; none: all with new predictions.",
        ),
        "report": Param(
            default=False, type="boolean", title="Evidently's full report of each",
            description="Else it is written where it is worth its seconds.",
        ),
    }  # fmt: skip
    return _hourly(
        "monitor",
        "check",
        spec_path,
        title="Check deployments for drift",
        description="Compares what deployments are asked and answer with their baselines",
        minute=0,
        retry_minutes=5,
        params=params,
    )


def report(spec_path: str) -> DAG:
    """Return ``platform.report``: one task, which is skipped while nothing is due.

    Args:
        spec_path: Any project's: it names the platform's Python.
    """
    return _hourly(
        "report",
        "make",
        spec_path,
        title="Make reports that are due",
        description="Reports by the calendar: `mlops report schedules`",
        minute=10,
        retry_minutes=15,
    )


def _hourly(
    step: str,
    task_id: str,
    spec_path: str,
    *,
    title: str,
    description: str,
    minute: int,
    retry_minutes: int,
    params: dict[str, Any] | None = None,
) -> DAG:
    with DAG(
        dag_id=f"platform.{step}",
        dag_display_name=title,
        description=description,
        schedule=f"{minute} * * * *",
        start_date=START,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        params=params,
        tags=["platform", step],
        default_args={
            "owner": "platform",
            "retries": 1,
            "retry_delay": timedelta(minutes=retry_minutes),
            "weight_rule": weight_rule(),
        },
    ) as dag:
        PlatformTask(task_id=task_id, spec=spec_path, step=step, timeout_s=MOST_S)
    return dag

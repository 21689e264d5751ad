"""The DAG over all deployments: each hour they are compared with what they were evaluated on."""

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
    with DAG(
        dag_id="platform.monitor",
        dag_display_name="Check deployments for drift",
        description="Compares what deployments are asked and answer with their baselines",
        schedule="0 * * * *",
        start_date=START,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        params=params,
        tags=["platform", "monitor"],
        default_args={
            "owner": "platform",
            "retries": 1,
            "retry_delay": timedelta(minutes=5),
            "weight_rule": weight_rule(),
        },
    ) as dag:
        PlatformTask(task_id="check", spec=spec_path, step="monitor", timeout_s=MOST_S)
    return dag

"""Several machines: who takes a task, what a worker tells of its machine, and who may be a worker.

Airflow fixes a task's queue when its run is made; the controller chooses its machine later, when it
releases it. So the executor here asks, at the moment a task is handed out, where it was released.
"""

import asyncio
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.executors.workloads import ExecuteTask
from airflow.models.taskinstance import TaskInstance
from airflow.providers.edge3.executors.edge_executor import EdgeExecutor
from sqlalchemy import select

from mlops_workflows.files import read_object, write_whole
from mlops_workflows.queues import BESIDE, QUEUE, queue_for
from mlops_workflows.told import ToldFile, key

HERE = "MLOPS_MACHINE"
"""The variable that names the machine of the platform, as telemetry does."""
_REPORT = "airflow-worker.json"


class ByRelease(EdgeExecutor):
    """Hands each task to the machine on which the controller gave it room."""

    _told = ToldFile()

    def queue_workload(self, workload: Any, session: Any) -> None:
        """Put a task into the queue of its machine."""
        if isinstance(workload, ExecuteTask):
            ti = workload.ti
            name = key(
                ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index
            )
            here = os.environ.get(HERE, "")
            if ti.queue.startswith(BESIDE):
                queue = QUEUE + (_host_of(session, ti, ti.queue.removeprefix(BESIDE)) or here)
            else:
                queue = queue_for(self._told, name, ti.queue, here)
            workload = workload.model_copy(update={"ti": ti.model_copy(update={"queue": queue})})
        super().queue_workload(workload, session)


def _host_of(session: Any, ti: Any, task: str) -> str:
    """Return the machine on which another task of the run ran, empty when none did."""
    ran = select(TaskInstance.hostname).where(
        TaskInstance.dag_id == ti.dag_id,
        TaskInstance.run_id == ti.run_id,
        TaskInstance.task_id == task,
        TaskInstance.executor.is_not(None),
    )
    return session.scalar(ran.limit(1)) or ""


def may_work(claims: Mapping[str, Any], context: Any) -> dict[str, bool]:
    """Return whether a request of a worker is the one that its token was signed for."""
    return {"authorized": claims.get("method") == context.method}


async def tell() -> dict[str, Any]:
    """Return what this worker's machine can do; Airflow sends it along with each heartbeat.

    It also notes that the worker lives: the platform's supervisor has no other sign of it.
    """
    home = Path(os.environ["MLOPS_HOME"])
    return await asyncio.to_thread(_tell, home)


def _tell(home: Path) -> dict[str, Any]:
    report = {"pid": os.getpid(), "at": time.time(), "detail": ""}
    write_whole(home / "run" / _REPORT, report)
    facts = read_object(home / "worker" / "facts.json") or {}
    return {f"mlops_{name}": _flat(value) for name, value in facts.items() if value is not None}


def _flat(value: Any) -> str | int | float:
    """Return a value as Airflow takes it: a number or text; a list as JSON."""
    return value if isinstance(value, (str, int, float)) else json.dumps(value)

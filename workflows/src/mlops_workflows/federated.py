"""The DAG ``federated``: one server and as many clients as wanted, each a task of its own.

The server is the project's ``federated.server`` command, a client its ``federated.client``. Both
find each other by the environment: ``MLOPS_FEDERATED_ADDRESS`` (``HOST:PORT``),
``MLOPS_FEDERATED_TOKEN`` and ``MLOPS_FEDERATED_CLIENTS``; a client's number is ``MLOPS_CLIENT``.
"""

import secrets
import socket
from typing import Any

from airflow.sdk import DAG, Param, task

from mlops_workflows.dags import evaluation, heavy, new_dag, registration
from mlops_workflows.spec import Spec
from mlops_workflows.tasks import HeavyTask, PlatformTask


def federated(spec: Spec, spec_path: str) -> DAG:
    """Return the DAG. A client that dies fails alone: the server goes on with the others."""
    assert spec.federated is not None  # noqa: S101 - the caller asked
    own = {
        "clients": Param(
            spec.federated.clients, type="integer", minimum=1, maximum=64, title="Clients"
        ),
        "address": Param(
            "127.0.0.1", type="string", maxLength=253, title="Address of the server's machine",
            description="At which the clients of other machines reach it.",
        ),
    }  # fmt: skip
    with new_dag(spec, "federated", **own) as dag:
        data = PlatformTask(task_id="data_pull", spec=spec_path, step="data-pull")
        meeting = meet.override(task_id="meeting")()
        server = HeavyTask(
            task_id="server",
            spec=spec_path,
            entry="server",
            variables_from="meeting",
            **heavy(spec),
        )
        clients = HeavyTask.partial(
            task_id="client",
            spec=spec_path,
            entry="client",
            variables_from="meeting",
            **heavy(spec, pooled=False),
        ).expand(number=meeting)
        ended = seen.override(task_id="clients_ended", trigger_rule="all_done")()
        data >> meeting >> [server, clients]
        clients >> ended
        server >> evaluation(spec, spec_path, "server") >> registration(spec, spec_path, "server")
    return dag


@task
def meet(ti: Any = None, params: Any = None) -> list[int]:
    """Say where the server and its clients meet; return the clients' numbers."""
    host, count = params["address"], params["clients"]
    with socket.socket() as probe:
        probe.bind((host if host == "127.0.0.1" else "0.0.0.0", 0))  # noqa: S104 - freed at once
        port = probe.getsockname()[1]
    variables = {
        "MLOPS_FEDERATED_ADDRESS": f"{host}:{port}",
        "MLOPS_FEDERATED_TOKEN": secrets.token_urlsafe(24),
        "MLOPS_FEDERATED_CLIENTS": str(count),
    }
    ti.xcom_push(key="variables", value=variables)
    return list(range(count))


@task
def seen(ti: Any = None, params: Any = None) -> dict[str, int]:
    """Say how many clients came through; that some died is no failure of the run."""
    answers = list(ti.xcom_pull(task_ids="client") or ())
    died = params["clients"] - len(answers)
    print(f"{len(answers)} clients ended well, {died} did not.")  # noqa: T201 - the task's log
    return {"ended_well": len(answers), "died": died}

"""Our own Airflow with workers on other machines: what its configuration has more, and its key.

The key of the workers is one of its own. Airflow would take the secret that signs everything, also
what lets an administrator in; here it checks workers against a key file instead (``[edge]
trusted_jwks_url``), so that who has a worker's key can take tasks and report on them, and no more.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from services.home import Home
from services.platform import worker_setup
from services.platform.engines import EngineSpec
from services.platform.files import write_text
from services.platform.ports import LOOPBACK
from services.platform.secrets import airflow_worker_key
from services.platform.worker_setup import Post

if TYPE_CHECKING:
    from services.settings import Settings

_SLOTS = 32
"""This machine also takes every task for the moment in which it is told to wait."""
_TASK_SILENT_S = 60
"""A task on a machine that is gone is given up after so long, and tried again elsewhere."""


def variables(home: Home) -> dict[str, str]:
    """Return what the scheduler needs to know besides: this machine's name."""
    from services.engines.silicon.machine import own_id

    return {"MLOPS_MACHINE": own_id(home.run / "host-id")}


def sections(home: Home, port: int) -> dict[str, dict[str, str]]:
    """Return what ``airflow.cfg`` has more than without workers."""
    return {
        "core": {"executor": worker_setup.EXECUTORS},
        "edge": {
            "api_enabled": "True",
            "api_url": f"http://{LOOPBACK}:{port}/edge_worker/v1/rpcapi",
            "heartbeat_interval": str(worker_setup.HEARTBEAT_S),
            "trusted_jwks_url": str(_jwks(home)),
            "jwt_algorithm": "HS512",
            "jwt_audience": "api",
            "jwt_verifier": "mlops_workflows.machines.may_work",
        },
        "scheduler": {"task_instance_heartbeat_timeout": str(_TASK_SILENT_S)},
    }


def prepare(home: Home, port: int) -> None:
    """Make the key, what Airflow checks it against, and the worker of this machine.

    Raises:
        PlatformError: A file cannot be written.
    """
    write_text(_jwks(home), worker_setup.jwks(airflow_worker_key(home)))
    worker_setup.write_facts(home)
    worker_setup.prepare(_post(home, port))


def spec(home: Home, settings: "Settings", port: int) -> EngineSpec:
    """Return the worker of this machine."""
    del settings
    return worker_setup.spec(_post(home, port))


def _post(home: Home, port: int) -> Post:
    return Post(
        home,
        variables(home)["MLOPS_MACHINE"],
        f"http://{LOOPBACK}:{port}",
        airflow_worker_key(home),
        _SLOTS,
        drains=False,
    )


def _jwks(home: Home) -> Path:
    return home.secrets / "airflow-workers.jwks"

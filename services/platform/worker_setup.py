"""How a worker of Airflow is started: its configuration, its process, and what it tells of itself.

The same for the machine of the platform and for others. A worker knows Airflow by its address and
by a key that opens nothing but the workers' part of it; it has no database and no password.
"""

import base64
import json
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.engines.silicon.machine import describe
from services.home import Home, toolkit_root
from services.platform import airflow, bootstrap
from services.platform.engines import WORKER, EngineSpec, Setup, interpreter
from services.platform.files import write_json, write_text
from services.platform.probes import HeartbeatProbe
from services.workflows.routes import EXECUTOR, queue_of

HEARTBEAT_S = 5
LOST_AFTER_S = 5 * HEARTBEAT_S
"""Airflow gives a worker up after five heartbeats that did not come."""
POLL_S = 1
KEY_ID = "workers"
EXECUTORS = f"LocalExecutor,{EXECUTOR}"
_SILENT_S = 45.0
_PATIENT_S = 900.0
"""While Airflow is away a worker asks again and again, and reports nothing meanwhile."""


@dataclass(frozen=True, slots=True)
class Post:
    """Where a worker works, and for whom."""

    home: Home
    host: str
    """Its name: that of its machine in telemetry."""
    url: str
    """Of Airflow, without a path."""
    key: str
    slots: int
    """How many tasks at once; the platform decides what fits, this is the last word."""
    drains: bool
    """Whether the end of its supervisor lets running tasks end first."""


def root(home: Home) -> Path:
    """Return the folder of a worker's own Airflow."""
    return home.airflow / "worker"


def report(home: Home) -> Path:
    """Return the file in which a worker says that it lives."""
    return home.run / "airflow-worker.json"


def write_facts(home: Home, host: str = "", projects: Iterable[str] | None = None) -> str:
    """Write what this machine can do where its worker finds it; return its name.

    Args:
        home: Of the worker.
        host: Its name; empty: as telemetry names this machine.
        projects: Those that are there; None: all.

    Raises:
        PlatformError: It cannot be written.
    """
    machine = describe(home.run / "host-id")
    facts = {
        "host": host or machine.host,
        "chip": machine.chip,
        "gpu_cores": machine.gpu_cores,
        "memory_bytes": machine.memory_bytes,
        "system": machine.os,
        "projects": None if projects is None else sorted(projects),
    }
    folder = home.root / "worker"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(folder / "facts.json", facts)
    return str(facts["host"])


def configuration(post: Post) -> str:
    """Return the content of a worker's ``airflow.cfg``; it holds the key."""
    home = post.home
    sections: Mapping[str, Mapping[str, str]] = {
        "core": {
            "dags_folder": str(home.airflow / "dags"),
            "plugins_folder": str(home.airflow / "plugins"),
            "load_examples": "False",
            "dag_discovery_safe_mode": "False",
            "executor": EXECUTORS,
            "execution_api_server_url": f"{post.url}/execution/",
            # A fork of a process with Apple's frameworks in it is killed by macOS.
            "execute_tasks_new_python_interpreter": str(sys.platform == "darwin"),
        },
        # Not where the platform's own Airflow has them: every line is sent there, and kept once.
        "logging": {"base_log_folder": str(root(home) / "logs")},
        "api_auth": {"jwt_secret": post.key, "jwt_kid": KEY_ID},
        "edge": {
            "api_url": f"{post.url}/edge_worker/v1/rpcapi",
            "heartbeat_interval": str(HEARTBEAT_S),
            "job_poll_interval": str(POLL_S),
            "extended_system_info_function": "mlops_workflows.machines.tell",
        },
        "workers": dict(airflow.PATIENT),
        "usage_data_collection": {"enabled": "False"},
    }
    return airflow.as_file(sections)


def prepare(post: Post) -> None:
    """Make a worker's folders and its configuration, readable by its owner alone.

    Raises:
        PlatformError: They cannot be written.
    """
    for folder in (post.home.airflow, post.home.airflow / "dags", root(post.home) / "logs"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_text(root(post.home) / "airflow.cfg", configuration(post))


def spec(post: Post) -> EngineSpec:
    """Return the process of a worker."""
    home = post.home
    stamp = bootstrap.stamp(toolkit_root(), "airflow")
    python = airflow.environment() / "bin" / "python"
    return EngineSpec(
        WORKER,
        "Airflow worker",
        HeartbeatProbe(report(home), _SILENT_S),
        (
            str(python), "-P", "-m", "airflow", "edge", "worker", "--edge-hostname", post.host,
            "--queues", queue_of(post.host), "--concurrency", str(post.slots),
        ),
        airflow.variables(home)
        | {
            "AIRFLOW_HOME": str(root(home)),
            "AIRFLOW_CONFIG": str(root(home) / "airflow.cfg"),
            # Airflow gives up after ten tries, and waits up to 90 s between two.
            "AIRFLOW__EDGE__API_RETRIES": "5000",
            "AIRFLOW__EDGE__API_RETRY_WAIT_MAX": "5",
            "MLOPS_WORKER": post.host,
            "MLOPS_WORKER_AWAY": "1" if post.drains else "",
            "MLOPS_AIRFLOW_SETUP": airflow.digest(configuration(post) + stamp),
        },
        cwd=root(home),
        version=airflow.pinned_version(),
        # To Airflow's worker SIGINT is: no new task, and the end when the last one ended; SIGTERM
        # ends them.
        stop_signal=signal.SIGINT if post.drains else signal.SIGTERM,
        stop_scope="leader" if post.drains else "group",
        stop_timeout_s=86_400.0 if post.drains else 6.0,
        start_timeout_s=_PATIENT_S,
        hang_timeout_s=_PATIENT_S,
        setup=Setup(
            _missing,
            (interpreter(), "-I", str(_BOOTSTRAP), str(toolkit_root()), "airflow", stamp)
            if post.drains
            else (),
        ),
    )  # fmt: skip


_BOOTSTRAP = Path(bootstrap.__file__)


def _missing() -> str:
    here = bootstrap.is_current(toolkit_root(), "airflow")
    return "" if here else "Its environment has to be made."


def jwks(key: str) -> str:
    """Return the key as Airflow checks the tokens of workers against it (RFC 7517)."""
    encoded = base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()
    one = {"kty": "oct", "kid": KEY_ID, "alg": "HS512", "use": "sig", "k": encoded}
    return json.dumps({"keys": [one]})

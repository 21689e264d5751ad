"""The engines one installation runs: how each is started, asked and stopped.

One function an engine. To add one: write its function, and name it in ``BUILDERS``.
"""

import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from services.home import Home, toolkit_root
from services.platform.database_files import mlflow_fault
from services.platform.ports import LOOPBACK
from services.platform.probes import HeartbeatProbe, HttpProbe, Probe

if TYPE_CHECKING:
    from services.settings import Settings

Ports = Mapping[str, int]

_NOT_INHERITED = (
    "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD", "MLFLOW_WORKSPACE", "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID", "MLFLOW_BACKEND_STORE_URI", "MLFLOW_HOST",
    "MLFLOW_PORT", "MLFLOW_WORKERS", "MLFLOW_STATIC_PREFIX", "MLFLOW_GUNICORN_OPTS",
    "MLOPS_PROJECT", "MLOPS_SPOOL", "MLOPS_TECHNIQUE", "STREAMLIT_SERVER_PORT",
)  # fmt: skip
"""What a person's shell may hold for a project of theirs and must not steer an engine."""
_NOT_INHERITED_PREFIX = "AIRFLOW"


@dataclass(frozen=True)
class Setup:
    """What must be there before an engine can start."""

    missing: Callable[[], str]
    """Says what it waits for; empty when it can start."""
    argv: tuple[str, ...] = ()
    """The program that makes it, run in the toolkit's folder; empty: another engine's does."""
    timeout_s: float = 3600.0


@dataclass(frozen=True)
class EngineSpec:
    """Everything the supervisor needs to know of one engine."""

    name: str
    title: str
    ready: Probe
    argv: tuple[str, ...] = ()
    """Empty: somebody else runs it; it is asked and shown, never started or stopped."""
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = field(default_factory=toolkit_root)
    url: str = ""
    """Where people or clients find it; empty for a process without a port."""
    port: int | None = None
    version: str = ""
    stop_signal: int = signal.SIGTERM
    stop_scope: Literal["group", "leader"] = "group"
    """Who gets the stop signal; what is left of the family after the time-out is killed anyway."""
    stop_timeout_s: float = 5.0
    start_timeout_s: float = 180.0
    """A process that has not become ready by then is taken for failed."""
    hang_timeout_s: float = 60.0
    """One that was ready and has not answered for so long is started again."""
    outlived_by: str = ""
    """Processes with this variable in their environment go on when it crashed, for its next life
    takes them over; they end when it is stopped."""
    fault: Callable[[], str] = str
    """Says why it must not be started now; empty when it may."""
    setup: Setup | None = None

    @property
    def external(self) -> bool:
        """Whether somebody else runs it."""
        return not self.argv

    @property
    def fingerprint(self) -> str:
        """What it is started with; a running one with another fingerprint is not adopted."""
        told = json.dumps([self.argv, sorted(self.env.items()), str(self.cwd), self.version])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def environment(self, home: Home, mark: str) -> dict[str, str]:
        """Return the environment of its process."""
        return self.setup_environment(home, mark) | dict(self.env)

    @staticmethod
    def setup_environment(home: Home, mark: str) -> dict[str, str]:
        """Return the environment of the program that makes what must be there before."""
        inherited = {
            key: value
            for key, value in os.environ.items()
            if key not in _NOT_INHERITED and not key.startswith(_NOT_INHERITED_PREFIX)
        }
        own = {"MLOPS_HOME": str(home.root), "MLOPS_ENGINE": mark, "PYTHONUNBUFFERED": "1"}
        return inherited | own


def interpreter() -> str:
    """Return the platform environment's Python: the launcher's, wherever we were mounted from."""
    own = toolkit_root() / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def version_of(package: str) -> str:
    """Return an installed package's version, empty when it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def mlflow(home: Home, settings: "Settings", ports: Ports) -> EngineSpec:
    """Return MLflow: ours, or the one the settings name."""
    if settings.mlflow_url:
        url = settings.mlflow_url.rstrip("/")
        return EngineSpec("mlflow", "MLflow", HttpProbe(f"{url}/health"), url=url)
    from services.platform.secrets import read_secret

    port = ports["mlflow"]
    url = f"http://{LOOPBACK}:{port}"
    store = settings.mlflow_backend_store or f"sqlite:///{home.mlflow / 'mlflow.db'}"
    artifacts = settings.mlflow_artifacts or str(home.mlflow / "artifacts")
    argv = (
        interpreter(), "-m", "mlflow", "server", "--app-name", "mlops", "--enable-workspaces",
        "--workers", "1", "--host", LOOPBACK, "--port", str(port),
        "--allowed-hosts", f"{LOOPBACK}:{port},localhost:{port}",
    )  # fmt: skip
    env = {
        # Addresses may hold passwords, and every user of a machine can read argument lists.
        "MLFLOW_BACKEND_STORE_URI": store,
        "MLFLOW_ARTIFACTS_DESTINATION": artifacts,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": read_secret(home, "mlflow-flask.key"),
    }
    own = not settings.mlflow_backend_store and not settings.mlflow_artifacts
    database = partial(mlflow_fault, home.mlflow / "mlflow.db", home.mlflow / "artifacts")
    return EngineSpec(
        "mlflow", "MLflow", HttpProbe(f"{url}/health"), argv, env,
        url=url, port=port, version=version_of("mlflow"), hang_timeout_s=120.0,
        fault=database if own else str,
    )  # fmt: skip


def controller(home: Home, settings: "Settings", ports: Ports) -> EngineSpec:
    """Return the controller: mirror, actions, projects."""
    del settings, ports
    return EngineSpec(
        "controller", "Controller", HeartbeatProbe(home.run / "controller.json"),
        (interpreter(), "-m", "services.controller"), version=version_of("efficientai-mlops"),
    )  # fmt: skip


def dashboard(home: Home, settings: "Settings", ports: Ports) -> EngineSpec:
    """Return the dashboard."""
    del home, settings
    url = f"http://{LOOPBACK}:{ports['dashboard']}"
    return EngineSpec(
        "dashboard", "Dashboard", HttpProbe(f"{url}/_stcore/health"),
        (interpreter(), "-m", "dashboard.serve", "--port", str(ports["dashboard"])),
        url=url, port=ports["dashboard"], version=version_of("streamlit"),
    )  # fmt: skip


def telemetry(home: Home, settings: "Settings", ports: Ports) -> EngineSpec:
    """Return the sampler; it is told all by arguments, so that it need not load the settings."""
    port = ports["telemetry"]
    keep = (
        settings.telemetry_full_days, settings.telemetry_process_days,
        settings.telemetry_minute_days, settings.telemetry_days,
    )  # fmt: skip
    tls = {"--certificate": settings.telemetry_certificate, "--key": settings.telemetry_key}
    argv = (
        interpreter(), "-m", "services.telemetry", "--port", str(port),
        "--listen", settings.telemetry_listen, "--interval", f"{settings.telemetry_interval_s:g}",
        "--keep", *(f"{days:g}" for days in keep),
        *(word for name, path in tls.items() if path for word in (name, str(path))),
    )  # fmt: skip
    scheme = "https" if settings.telemetry_certificate else "http"
    return EngineSpec(
        "telemetry", "Telemetry", HeartbeatProbe(home.run / "telemetry.json"), argv,
        # glibc gives each thread 64 MB of its own to grow into; two are enough here.
        env={"MALLOC_ARENA_MAX": "2"},
        url=f"{scheme}://{LOOPBACK}:{port}", port=port, version=version_of("efficientai-mlops"),
        stop_timeout_s=10.0,
    )  # fmt: skip


def serving(home: Home, settings: "Settings", ports: Ports) -> EngineSpec:
    """Return the serving engine: Ray, and what of the deployments is wanted."""
    del settings, ports
    return EngineSpec(
        "serving", "Serving", HeartbeatProbe(home.run / "serving.json"),
        (interpreter(), "-m", "services.serving"), version=version_of("ray"),
        # It ends Ray and the model servers itself, in this order; they have 10 s for what they do.
        stop_scope="leader", stop_timeout_s=20.0, outlived_by=SERVES_ON,
    )  # fmt: skip


def gateway(home: Home, settings: "Settings", ports: Ports) -> EngineSpec:
    """Return the gateway, at which applications ask the models."""
    del home, settings
    port = ports["gateway"]
    url = f"http://{LOOPBACK}:{port}"
    return EngineSpec(
        "gateway", "Gateway", HttpProbe(f"{url}/healthz"),
        (interpreter(), "-m", "services.gateway", "--port", str(port)),
        url=url, port=port, version=version_of("efficientai-mlops"),
        stop_timeout_s=15.0,  # it answers what it was asked before
    )  # fmt: skip


def predictions(home: Home, settings: "Settings", ports: Ports) -> EngineSpec:
    """Return who keeps the prediction log: tables out of what the gateway wrote down."""
    del ports
    return EngineSpec(
        "predictions", "Predictions", HeartbeatProbe(home.run / "predictions.json"),
        (interpreter(), "-m", "services.predictions", "--days", f"{settings.predictions_days:g}"),
        version=version_of("efficientai-mlops"),
        stop_timeout_s=10.0,
    )  # fmt: skip


def evidently(home: Home, settings: "Settings", ports: Ports) -> EngineSpec:
    """Return Evidently's own screen over the reports that monitoring keeps for it."""
    del settings
    from services.platform.secrets import EVIDENTLY_FILE

    port = ports[EVIDENTLY]
    url = f"http://{LOOPBACK}:{port}"
    argv = (
        interpreter(), "-m", "services.engines.evidently.screen", "--port", str(port),
        "--workspace", str(home.root / "monitoring" / "workspace"),
        "--password", str(home.secrets / EVIDENTLY_FILE),
    )  # fmt: skip
    return EngineSpec(
        EVIDENTLY, "Evidently", HttpProbe(f"{url}/api/version"), argv,
        {"DO_NOT_TRACK": "1"}, url=url, port=port, version=version_of("evidently"),
    )  # fmt: skip


Builder = Callable[[Home, "Settings", Ports], EngineSpec]


def _airflow(name: str) -> Builder:
    def build_part(home: Home, settings: "Settings", ports: Ports) -> EngineSpec:
        from services.platform import airflow

        return airflow.spec(name, home, settings, ports)

    return build_part


def _worker(home: Home, settings: "Settings", ports: Ports) -> EngineSpec:
    from services.platform import airflow_workers

    return airflow_workers.spec(home, settings, ports["airflow"])


@dataclass(frozen=True, slots=True)
class Part:
    """A process that people know as a part of an engine."""

    of: str
    title: str


SERVING = {"serving", "gateway", "predictions"}
"""What runs only where registered versions are deployed."""
SERVES_ON = "MLOPS_REPLICA"
"""In the environment of model servers."""
EVIDENTLY = "evidently"
"""Its own screen, which runs only where it is asked for."""
WORKER = "airflow-worker"
"""Takes Airflow's tasks for this machine, where other machines take some too."""
PARTS: dict[str, Part] = {
    "airflow-scheduler": Part("airflow", "Airflow scheduler"),
    "airflow-dag-processor": Part("airflow", "Airflow DAG processor"),
    "airflow-triggerer": Part("airflow", "Airflow triggerer"),
}
"""The engine's own name is that of its first process: Airflow's API server."""

BUILDERS: dict[str, Builder] = {
    "dashboard": dashboard,
    "mlflow": mlflow,
    "controller": controller,
    "telemetry": telemetry,
    "airflow": _airflow("airflow"),
    **{name: _airflow(name) for name in PARTS},
    WORKER: _worker,
    "serving": serving,
    "gateway": gateway,
    "predictions": predictions,
    EVIDENTLY: evidently,
}
"""In the order in which they are started: what people look at first comes first."""


def wanted(settings: "Settings") -> tuple[str, ...]:
    """Return the names of the engines this installation runs or asks."""
    parts = {name for name, part in PARTS.items() if part.of == "airflow"}
    without: set[str] = set() if settings.airflow_workers else {WORKER}
    if not settings.airflow_enabled:
        without = parts | {"airflow", WORKER}
    elif settings.airflow_url:
        without = parts | {WORKER}
    if not settings.serving_enabled:
        without |= SERVING
    if not settings.evidently_enabled:
        without.add(EVIDENTLY)
    return tuple(name for name in BUILDERS if name not in without)


def preferred_ports(settings: "Settings") -> dict[str, int]:
    """Return the wished port of each engine that we start and that listens."""
    own = {"dashboard": settings.dashboard_port, "telemetry": settings.telemetry_port}
    if not settings.mlflow_url:
        own["mlflow"] = settings.mlflow_port
    if settings.airflow_enabled and not settings.airflow_url:
        own["airflow"] = settings.airflow_port
    if settings.serving_enabled:
        own["gateway"] = settings.gateway_port
    if settings.evidently_enabled:
        own[EVIDENTLY] = settings.evidently_port
    return own


def build(home: Home, settings: "Settings", ports: Ports) -> tuple[EngineSpec, ...]:
    """Return all engines of this installation."""
    return tuple(BUILDERS[name](home, settings, ports) for name in wanted(settings))

"""Our own Airflow: four processes that people see as one engine, and the file that configures them.

Everything is told by ``airflow.cfg`` and nothing by variables: what a task starts inherits the
variables of the scheduler, and no project shall find Airflow's keys and its database among them.
It also makes plain ``airflow`` commands see the same Airflow (``docs/workflows.md``).
"""

import configparser
import hashlib
import io
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from services.home import Home, toolkit_root
from services.platform import bootstrap
from services.platform.engines import PARTS, EngineSpec, Setup, interpreter
from services.platform.files import write_text
from services.platform.ports import LOOPBACK
from services.platform.probes import Answer, HttpProbe
from services.platform.secrets import AIRFLOW_USERS, airflow_passwords, read_secret

if TYPE_CHECKING:
    from services.settings import Settings

HEALTH = "/api/v2/monitor/health"
_NAME = "airflow"
_MAX_SILENCE_S = 20.0
"""Every part notes a heartbeat each five seconds; Airflow itself waits thirty."""
_REREAD_S = 5
PATIENT: Mapping[str, str] = {
    "execution_api_retries": "40",
    "execution_api_retry_wait_min": "1",
    "execution_api_retry_wait_max": "4",
}
"""How a task reports to the API server: over two minutes, for a restart of it takes half a one.

Airflow itself tries five times at moments of chance, and a task that ends just then has failed.
"""
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    # What serves logs itself listens on all interfaces; the API server reads the files.
    "airflow": ("api-server",),
    "airflow-scheduler": ("scheduler", "--skip-serve-logs"),
    "airflow-dag-processor": ("dag-processor",),
    "airflow-triggerer": ("triggerer", "--skip-serve-logs"),
}
_REPORTED = {
    "airflow-scheduler": "scheduler",
    "airflow-dag-processor": "dag_processor",
    "airflow-triggerer": "triggerer",
}
"""What each part is called in the answer of Airflow's health route."""


def spec(name: str, home: Home, settings: "Settings", ports: Mapping[str, int]) -> EngineSpec:
    """Return one of Airflow's processes, or the Airflow the settings name."""
    if settings.airflow_url:
        url = settings.airflow_url
        return EngineSpec(_NAME, "Airflow", HttpProbe(url + HEALTH, all_faults), url=url)
    from services.platform.airflow_setup import missing

    main = name == _NAME
    url = f"http://{LOOPBACK}:{ports[_NAME]}"
    python = environment() / "bin" / "python"
    configured = configuration(home, settings, ports[_NAME])
    machine = {}
    if settings.airflow_workers:
        from services.platform import airflow_workers

        machine = airflow_workers.variables(home)
    stamp = bootstrap.stamp(toolkit_root(), _NAME)
    return EngineSpec(
        name,
        PARTS[name].title if name in PARTS else "Airflow",
        HttpProbe(url + HEALTH, database_fault) if main else PartProbe(url + HEALTH, name),
        (str(python), "-P", "-m", "airflow", *_COMMANDS[name]),
        # The digest makes a process that was started with another configuration a stranger.
        variables(home) | machine | {"MLOPS_AIRFLOW_SETUP": digest(configured + stamp)},
        cwd=home.airflow,
        url=url if main else "",
        port=ports[_NAME] if main else None,
        version=pinned_version(),
        stop_timeout_s=6.0,
        setup=Setup(
            partial(missing, home, settings.airflow_database, stamp),
            (interpreter(), "-m", "services.platform.airflow_setup") if main else (),
        ),
    )


def environment() -> Path:
    """Return the folder of Airflow's own Python environment."""
    return bootstrap.environment(toolkit_root(), _NAME)


def pinned_version() -> str:
    """Return the Airflow version that is pinned, empty when the pins cannot be read."""
    try:
        pins = (toolkit_root() / "requirements" / "airflow.txt").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r"^apache-airflow==(\S+)", pins, re.MULTILINE)
    return found.group(1) if found else ""


def variables(home: Home) -> dict[str, str]:
    """Return what makes an ``airflow`` command see this installation's Airflow."""
    return {
        "AIRFLOW_HOME": str(home.airflow),
        "AIRFLOW_CONFIG": str(home.airflow / "airflow.cfg"),
        # The package with our operators and the DAG factory; Airflow's environment has no other of
        # ours in it.
        "PYTHONPATH": str(toolkit_root() / "workflows" / "src"),
        # Airflow names its processes; without this the names would overwrite our mark.
        "SPT_NOENV": "1",
        # Whoever set up the platform by variables shall not tell every task this password.
        "MLOPS_AIRFLOW_DATABASE": "",
    }


# Configuration


def prepare(home: Home, settings: "Settings", port: int) -> None:
    """Make Airflow's folders and write its configuration, readable by its owner alone.

    Raises:
        PlatformError: They cannot be written.
    """
    for folder in (home.airflow, home.airflow / "dags", home.airflow / "logs"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.airflow_workers:
        from services.platform import airflow_workers

        airflow_workers.prepare(home, port)
    path = home.airflow / "airflow.cfg"
    wanted = configuration(home, settings, port)
    if not path.exists() or path.read_text(encoding="utf-8") != wanted:
        write_text(path, wanted)


def configuration(home: Home, settings: "Settings", port: int) -> str:
    """Return the content of ``airflow.cfg``; it holds keys and the database's password.

    Raises:
        PlatformError: A secret was never made.
    """
    sections = _sections(home, settings, port)
    if settings.airflow_workers:
        from services.platform import airflow_workers

        for name, more in airflow_workers.sections(home, port).items():
            sections[name] = sections.get(name, {}) | more
    return as_file(sections)


def as_file(sections: Mapping[str, Mapping[str, str]]) -> str:
    """Return sections as Airflow reads them."""
    parser = configparser.RawConfigParser()
    parser.read_dict(sections)
    text = io.StringIO("# Written by the platform; changes made here are lost.\n")
    text.seek(0, io.SEEK_END)
    # Airflow reads with interpolation: a per cent sign that is meant must be told twice.
    for section in parser.sections():
        for key, value in parser.items(section):
            parser.set(section, key, value.replace("%", "%%"))
    parser.write(text)
    return text.getvalue()


def database_url(home: Home, settings: "Settings") -> str:
    """Return the address of our own Airflow's database, with its password."""
    from sqlalchemy.engine import make_url

    if not settings.airflow_database:
        return f"sqlite:///{home.airflow / 'airflow.db'}"
    # Rendered anew: every special character is then written as %XX, and none is taken by Airflow
    # for a variable to be filled in.
    return make_url(settings.airflow_database).render_as_string(hide_password=False)


def _sections(home: Home, settings: "Settings", port: int) -> dict[str, dict[str, str]]:
    url = f"http://{LOOPBACK}:{port}"
    database = {
        "sql_alchemy_conn": database_url(home, settings),
        "load_default_connections": "False",
    }
    if settings.airflow_database:
        # The same driver can both; the one Airflow would take is not installed.
        database["sql_alchemy_conn_async"] = database["sql_alchemy_conn"]
    return {
        "core": {
            "dags_folder": str(home.airflow / "dags"),
            "plugins_folder": str(home.airflow / "plugins"),
            "load_examples": "False",
            # Else a file without the word "airflow" in it would be passed over in silence.
            "dag_discovery_safe_mode": "False",
            "executor": "LocalExecutor",
            "parallelism": str(settings.airflow_parallelism),
            "execution_api_server_url": f"{url}/execution/",
            "fernet_key": read_secret(home, "airflow-fernet.key"),
            "hostname_callable": "socket.gethostname",
            "min_serialized_dag_update_interval": str(_REREAD_S),
            "min_serialized_dag_fetch_interval": str(_REREAD_S),
            "simple_auth_manager_users": ",".join(f"{user}:admin" for user in AIRFLOW_USERS),
            "simple_auth_manager_passwords_file": str(airflow_passwords(home)),
        },
        "database": database,
        "logging": {"base_log_folder": str(home.airflow / "logs")},
        "api": {
            "host": settings.airflow_listen,
            "port": str(port),
            "base_url": url,
            "workers": "1",
            "secret_key": read_secret(home, "airflow-api.key"),
            "instance_name": "Airflow of the toolkit",
        },
        "api_auth": {"jwt_secret": read_secret(home, "airflow-jwt.key")},
        "scheduler": {
            "enable_health_check": "False",
            "scheduler_health_check_server_host": LOOPBACK,
            # A scheduler that was killed leaves tasks nobody runs: its heir looks for them soon.
            "orphaned_tasks_check_interval": "30",
        },
        # All that is held waits there, and whoever is released must be among those it looks at.
        "triggerer": {"capacity": "10000"},
        "dag_processor": {
            "refresh_interval": str(_REREAD_S),
            "min_file_process_interval": str(_REREAD_S),
            "bundle_refresh_check_interval": str(_REREAD_S),
            "dag_processor_child_process_log_directory": str(
                home.airflow / "logs" / "dag_processor"
            ),
        },
        "workers": dict(PATIENT),
        "usage_data_collection": {"enabled": "False"},
    }


def digest(text: str) -> str:
    """Return what changes when a text does."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# Health: the route answers with status 200 however bad it is, so the body is read


def database_fault(body: bytes) -> str:
    """Return what is wrong with the API server, empty when nothing is."""
    said = _reports(body)
    if said is None:
        return "It answers in a form we cannot read."
    state = said.get("metadatabase", {}).get("status")
    return "" if state == "healthy" else f"It cannot use its database (it says {state})."


def all_faults(body: bytes) -> str:
    """Return what is wrong with an Airflow we do not run ourselves."""
    if fault := database_fault(body):
        return fault
    said = _reports(body) or {}
    unwell = [
        word.replace("_", " ")
        for word in _REPORTED.values()
        if said.get(word, {}).get("status") not in {"healthy", None}
    ]
    return f"Its {', '.join(unwell)} is unhealthy, as it says itself." if unwell else ""


def part_fault(body: bytes, name: str, started_at: float, now: float) -> str:
    """Return what is wrong with one part, by its last heartbeat; empty when nothing is."""
    said = _reports(body)
    if said is None:
        return "The API server answers in a form we cannot read."
    word = _REPORTED[name]
    beat = said.get(word, {}).get(f"latest_{word}_heartbeat")
    if beat is None:
        return "It has not noted a heartbeat yet."
    at = datetime.fromisoformat(beat).timestamp()
    if at < started_at - 1.0:
        return "It has not noted a heartbeat since it was started."
    silent_s = now - at
    if silent_s < -_MAX_SILENCE_S:  # noted before the clock was set back; the next is right
        return f"Its last heartbeat is {-silent_s:.0f} s ahead of now."
    return f"Its last heartbeat is {silent_s:.0f} s old." if silent_s > _MAX_SILENCE_S else ""


@dataclass(frozen=True, slots=True)
class PartProbe:
    """Asks the API server for the heartbeat of another part."""

    url: str
    name: str

    def __call__(self, started_at: float, /) -> Answer:
        """Ask once; when the API server is away, nothing is known of the part."""
        judged: list[str] = []

        def judge(body: bytes) -> str:
            judged.append(part_fault(body, self.name, started_at, time.time()))
            return judged[0]

        answer = HttpProbe(self.url, judge)(started_at)
        if judged:
            return answer
        detail = "Airflow's API server, which would tell how it is, does not answer."
        return Answer(ready=False, detail=detail, unknown=True)


def _reports(body: bytes) -> dict[str, dict[str, str | None]] | None:
    try:
        said = json.loads(body)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    return {word: report for word, report in said.items() if isinstance(report, dict)}

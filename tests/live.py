"""A whole platform of real processes, for tests of how it stands what happens to it."""

import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.home import Home
from services.settings import Settings
from tests import seed

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery"
PROJECT = "drill"
LOST_AFTER_S = 20.0
CONTRACT = """
[project]
name = "{id}"
version = "0"

[tool.mlops]
id = "{id}"
title = "Drill {id}"
train = "python train.py"
primary_metric = {{ name = "val_accuracy", goal = "max" }}
gates = {{ val_accuracy = ">= 0.5" }}
"""


def eventually(what: Callable[[], object], timeout_s: float = 60.0) -> Any:
    """Wait for something to become true; the bound only keeps a broken test from hanging."""
    end = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.2)
    return found


def own_ports() -> dict[str, str]:
    """Return variables that give this process of tests ports of its own.

    Two platforms that start at one moment would both find the same port free.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    shift = 100 * (1 + int(worker.removeprefix("gw"))) if worker else 0
    wished = {
        "DASHBOARD": 8501,
        "MLFLOW": 5000,
        "AIRFLOW": 8080,
        "TELEMETRY": 9470,
        "GATEWAY": 8090,
    }
    return {f"MLOPS_{name}_PORT": str(port + shift) for name, port in wished.items()}


@dataclass
class Platform:
    """Supervisor, MLflow, controller and dashboard in a home of their own."""

    home: Home
    projects: Path
    plugins: str
    """The import path on which the client is installed."""
    airflow: bool = False
    serving: bool = False
    """Most tests do without these: they have labs of their own."""
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def variables(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_"))}
        return kept | {
            "MLOPS_HOME": str(self.home.root),
            "MLOPS_PROJECTS_ROOT": str(self.projects),
            "MLOPS_LOST_AFTER_S": str(LOST_AFTER_S),
            "MLOPS_AIRFLOW_ENABLED": str(self.airflow),
            "MLOPS_SERVING_ENABLED": str(self.serving),
            **own_ports(),
            "PYTHONPATH": str(ROOT),
        }

    def mlops(self, *arguments: str, code: int = 0) -> str:
        """Run the command line; return all it said."""
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments],
            cwd=ROOT, env=self.variables(), capture_output=True, text=True, timeout=200,
            check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def shown(self, *arguments: str) -> Any:
        return json.loads(self.mlops(*arguments, "--json"))

    def engine(self, name: str) -> dict[str, Any]:
        return next(e for e in self.shown("status")["engines"] if e["name"] == name)

    def process(self, name: str) -> psutil.Process:
        return psutil.Process(int(self.engine(name)["pid"]))  # of None it would be this one

    @property
    def url(self) -> str:
        return str(self.engine("dashboard")["url"])

    def project(self, project_id: str) -> Path:
        """Put a project folder under the watched root."""
        made = self.projects / project_id
        made.mkdir()
        (made / "train.py").write_text("")
        (made / "pyproject.toml").write_text(CONTRACT.format(id=project_id))
        return made

    def connected(self, project_id: str) -> Path:
        """Return the folder of a project when it is connected, made when it is not there."""
        folder = self.projects / project_id
        if not folder.exists():
            self.project(project_id)
        eventually((folder / ".mlops.env").exists)
        return folder

    def start(self, folder: Path, code: str) -> subprocess.Popen[str]:
        """Start plain code in a project's folder, as a person would."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_"))}
        (folder / "train.py").write_text(code)
        process = subprocess.Popen(
            [sys.executable, "train.py"],
            cwd=folder, env=kept | {"PYTHONPATH": self.plugins},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.started.append(process)
        return process

    def run(self, folder: Path, code: str) -> tuple[str, str]:
        """Run plain code to its end; return what it printed and what it warned of."""
        out, err = (process := self.start(folder, code)).communicate(timeout=120)
        assert process.returncode == 0, err
        return out.strip(), err

    def runs(self, *arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.shown("runs", "list", *arguments)["rows"]
        return found

    def followed(self, run_id: str, status: str) -> dict[str, Any]:
        """Return a run of the mirror as soon as it has this status."""

        def there() -> dict[str, Any] | None:
            rows = self.runs("--limit", "100")
            return next((r for r in rows if r["run_id"] == run_id and r["status"] == status), None)

        found: dict[str, Any] = eventually(there)
        return found


@contextmanager
def running(folder: Path, *, airflow: bool = False) -> Iterator[Platform]:
    """Start a platform with one connected project; end it and all it started."""
    home = Home(folder / "home")
    home.create()
    (folder / "projects").mkdir()
    client = installed_client(folder / "client")
    platform = Platform(home, folder / "projects", client, airflow)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLOPS_HOME", str(home.root))
        seed.people(Settings(), PASSWORD)
    platform.project(PROJECT)
    try:
        platform.mlops("up", "--wait")
        platform.connected(PROJECT)
        yield platform
    finally:
        for process in platform.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        platform.mlops("down")


def installed_client(folder: Path) -> str:
    """Return an import path on which the client is installed as its pyproject.toml says."""
    client = ROOT / "client"
    info = folder / "efficientai_mlops_client-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: efficientai-mlops-client\n")
    table = tomllib.loads((client / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = []
    for group, entries in table.items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return os.pathsep.join([str(folder), str(client / "src")])

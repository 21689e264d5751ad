"""Airflow's own environment in the tests: the toolkit's ``.venv-airflow``."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.home import Home, toolkit_root
from services.platform import bootstrap
from services.projects import discovery
from services.workflows.specs import Specs

SIDE = Path(__file__).with_name("airflow_side.py")
ROOT = Path(__file__).resolve().parents[2]


def airflow_python() -> Path:
    """Return the Python of Airflow's environment, which is made when it is not there.

    ``MLOPS_TEST_AIRFLOW_PYTHON`` names another.
    """
    named = os.environ.get("MLOPS_TEST_AIRFLOW_PYTHON")
    if named:
        return Path(named)
    root = toolkit_root()
    if not bootstrap.is_current(root, "airflow"):
        bootstrap.make(root, "airflow", bootstrap.stamp(root, "airflow"))
    return bootstrap.environment(root, "airflow") / "bin" / "python"


@dataclass(frozen=True)
class AirflowSide:
    """An Airflow home with a migrated database, and the projects whose DAGs it sees."""

    folder: Path
    variables: dict[str, str]

    @property
    def home(self) -> Home:
        return Home(self.folder / "home")

    @property
    def projects(self) -> Path:
        return self.folder / "projects"

    def publish(self) -> None:
        """Write the specs and DAG files of the projects, as the controller does."""
        Specs(self.home).write(discovery.found(self.projects, ()))

    def environment(self, **more: str) -> dict[str, str]:
        ours = ("PATH", "HOME", "LANG", "TMPDIR", "UV_", "PIP_", "SSL_")
        kept = {k: v for k, v in os.environ.items() if k.startswith(ours)}
        return kept | self.variables | more

    def start(self, *words: str, **more: str) -> "subprocess.Popen[str]":
        """Start what is done in Airflow's environment."""
        return subprocess.Popen(
            [str(airflow_python()), str(SIDE), *words],
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def ask(self, *words: str, **more: str) -> Any:
        """Do something in Airflow's environment and return what it told."""
        said, _ = self.start(*words, **more).communicate(timeout=280)
        found = [line for line in said.splitlines() if line.startswith("@@")]
        assert found, said[-4000:]
        return json.loads(found[-1][2:])

    def evidence(self, told: dict[str, Any], task: str) -> dict[str, Any]:
        """Return the evidence of a task's first try."""
        folder = self.home.root / "airflow" / "evidence"
        (file,) = folder.glob(f"*/{told['run_id']}/{task}.1.json")
        return dict(json.loads(file.read_bytes()))


def migrated(folder: Path) -> AirflowSide:
    """Return an Airflow side with a database of its own."""
    side = AirflowSide(
        folder,
        {
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "home" / "airflow" / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(folder / "home" / "airflow" / "plugins"),
            "MLOPS_HOME": str(folder / "home"),
            "PYTHONPATH": str(ROOT / "workflows" / "src"),
        },
    )
    side.home.create()
    side.projects.mkdir()
    done = subprocess.run(
        [str(airflow_python()), "-m", "airflow", "db", "migrate"],
        env=side.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return side

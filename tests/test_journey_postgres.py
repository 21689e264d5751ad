"""The platform with all three databases on Postgres: log, see, promote, lose the server, go on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.actions import audit
from services.actions.journal import Journal
from services.projects.onboarding import read_env_file
from tests.live import own_ports
from tests.postgres import PASSWORD, Cluster

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "on-postgres"
CONTRACT = f"""
[project]
name = "{PROJECT}"
version = "0.1.0"

[tool.mlops]
id = "{PROJECT}"
title = "On Postgres"
train = "python train.py"
evaluate = "python evaluate.py"
primary_metric = {{ name = "acc", goal = "max" }}
gates = {{ acc = ">= 0.5" }}
"""
TRAIN = """
import math, mlflow
from mlflow import MlflowClient
with mlflow.start_run(run_name="first", tags={"mlops.technique": "lora"}) as run:
    mlflow.log_params({"rank": 8, "note": "ä 'quoted' %s"})
    for step in range(20):
        mlflow.log_metric("acc", step / 20, step)
    mlflow.log_metric("broken", math.nan)
client = MlflowClient()
client.create_registered_model("net")
client.create_model_version("net", run.info.artifact_uri, run.info.run_id)
print(run.info.run_id)
"""
pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass
class Installation:
    """One home folder whose databases are all on Postgres."""

    home: Path
    project: Path
    variables: dict[str, str]
    journal_url: str
    journal_name: str

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments],
            cwd=ROOT,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def shown(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

    def engine(self, name: str) -> dict[str, Any]:
        return next(one for one in self.shown("status")["engines"] if one["name"] == name)

    def logs(self) -> str:
        return "".join(path.read_text() for path in (self.home / "logs").glob("*.log"))


@pytest.fixture(scope="module")
def mlops(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("postgres") / "home"
    project = home.parent / "projects" / "01_On_Postgres"
    project.mkdir(parents=True)
    (project / "pyproject.toml").write_text(CONTRACT)
    with cluster.database() as mlflow, cluster.database() as mirror, cluster.database() as journal:
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_"))}
        variables |= {
            "MLOPS_HOME": str(home),
            "MLOPS_PROJECTS_ROOT": str(project.parent),
            "MLOPS_MLFLOW_BACKEND_STORE": cluster.url(mlflow),
            "MLOPS_MIRROR_URL": cluster.url(mirror),
            "MLOPS_JOURNAL_URL": cluster.url(journal),
            "MLOPS_AIRFLOW_ENABLED": "false",  # on Postgres in tests/services/platform
            "MLOPS_SERVING_ENABLED": "false",
            **own_ports(),
        }
        made = Installation(home, project, variables, cluster.url(journal), journal)
        yield made
        made("down")


@pytest.fixture(scope="module")
def up(mlops: Installation) -> str:
    return mlops("up", "--wait")


@pytest.fixture(scope="module")
def run_id(mlops: Installation, up: str) -> str:
    eventually(lambda: bool(read_env_file(mlops.project)))
    env = mlops.variables | read_env_file(mlops.project)
    done = subprocess.run(
        [sys.executable, "-c", TRAIN],
        cwd=mlops.project,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def eventually(holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.3)


def verdict(mlops: Installation) -> audit.Verdict:
    journal = Journal(mlops.journal_url)
    try:
        return audit.verify(journal)
    finally:
        journal.close()


def test_every_engine_is_live_and_nothing_is_in_sqlite(mlops: Installation, up: str):
    assert "password" in up
    engines = mlops.shown("status")["engines"]
    assert {one["name"]: one["state"] for one in engines} == {
        "dashboard": "live",
        "mlflow": "live",
        "controller": "live",
        "telemetry": "live",
    }
    eventually(lambda: mlops.engine("controller")["detail"] == "all well")
    assert not [*mlops.home.rglob("*.sqlite"), *mlops.home.rglob("mlflow.db")]


def test_doctor_names_the_three_databases(mlops: Installation, up: str):
    findings = mlops.shown("doctor")["findings"]
    said = {one["what"]: one for one in findings if one["what"].endswith(" database")}
    assert set(said) == {"mirror database", "journal database", "MLflow database"}
    assert {one["level"] for one in said.values()} == {"ok"}


def test_a_run_is_seen_whole(mlops: Installation, run_id: str):
    eventually(lambda: bool(mlops.shown("runs", "list", "--filter", "status = finished")["total"]))
    page = mlops.shown("runs", "list", "--filter", "metrics.acc > 0.9 and technique = lora")
    assert [row["run_id"] for row in page["rows"]] == [run_id]
    found = mlops.shown("runs", "show", run_id)
    assert found["params"]["note"] == "ä 'quoted' %s"
    assert found["metrics"]["acc"] == 0.95
    assert found["metrics"]["broken"] == "nan"


def test_a_version_is_promoted_and_the_audit_holds(mlops: Installation, run_id: str):
    eventually(lambda: bool(mlops.shown("models", "list")))
    mlops("models", "promote", "net", "1", "--yes")

    def promoted() -> bool:
        return mlops.shown("models", "show", "net")["versions"][0]["aliases"] == ["champion"]

    eventually(promoted)
    found = verdict(mlops)
    assert found.broken_at is None
    assert found.entries >= 3


def test_a_backup_is_a_file_that_can_be_read_anywhere(
    mlops: Installation, run_id: str, tmp_path: Path
):
    assert "was copied to" in mlops("backup", str(tmp_path / "journal.sqlite"))
    copy = Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    assert audit.verify(copy) == verdict(mlops)
    copy.close()
    said = mlops("restore", str(tmp_path / "journal.sqlite"), "--yes", code=1)
    assert "The platform runs" in said


def test_a_lost_server_is_told_and_everything_goes_on_when_it_is_back(
    mlops: Installation, run_id: str, cluster: Cluster
):
    before = mlops.engine("controller")["pid"]
    cluster.stop()
    try:
        eventually(lambda: "refused" in mlops.engine("controller")["detail"])
        assert "mirror cannot be read" in mlops("runs", "list", code=1)
        said = mlops("doctor", code=1)
        assert "journal database" in said
        assert "See that Postgres runs" in said.replace("\n", " ")
        assert "refused" in mlops("backup", str(mlops.home / "copy"), code=1)
    finally:
        cluster.start()
    eventually(lambda: mlops.engine("controller")["detail"] == "all well", 120)
    assert mlops.engine("controller")["pid"] == before
    mlops("models", "promote", "net", "1", "--to", "staging", "--yes")
    eventually(lambda: "staging" in mlops.shown("models", "show", "net")["versions"][0]["aliases"])
    assert verdict(mlops).broken_at is None


def test_no_password_is_told_anywhere(mlops: Installation, run_id: str):
    written = mlops.logs() + mlops("status") + mlops("doctor", "--json")
    assert PASSWORD not in written
    assert "pass%2Fword" not in written
    for argv in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = argv.read_bytes().decode(errors="replace")
        except OSError:
            continue
        assert "pass%2Fword" not in words

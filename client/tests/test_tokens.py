"""The client against the platform's MLflow, which checks tokens: right, wrong, revoked."""

import hashlib
import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from toys import WORKSPACE, Server, ToyProject, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]

TRAIN = """
import sys
import mlflow

with mlflow.start_run(tags={"who": sys.argv[0]}):
    print("begun", flush=True)
    for line in sys.stdin:
        mlflow.log_metric("loss", float(line), step=int(line))
        print("logged", flush=True)
"""
FLUSH = "import mlops_client; print(mlops_client.flush())"


class Guarded:
    """Our MLflow app in a server, and who it lets in."""

    def __init__(self, folder: Path) -> None:
        self._tokens = folder / "secrets" / "mlflow-tokens.json"
        self._tokens.parent.mkdir(parents=True)
        self.admit("platform-token")
        variables = {"MLOPS_HOME": str(folder)}
        self.server = Server(folder, options=["--app-name", "mlops"], variables=variables)

    def admit(self, *tokens: str) -> None:
        """Let these in from now on, and nobody else."""
        known = {
            hashlib.sha256(token.encode()).hexdigest(): {
                "name": token,
                "workspace": None if token == "platform-token" else WORKSPACE,
            }
            for token in ("platform-token", *tokens)
        }
        new = self._tokens.with_suffix(".new")
        new.write_text(json.dumps(known))
        new.replace(self._tokens)


@pytest.fixture(scope="module")
def _guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    guarded = Guarded(tmp_path_factory.mktemp("guarded"))
    try:
        guarded.server.start()
        request = urllib.request.Request(
            f"{guarded.server.uri}/api/3.0/mlflow/workspaces",
            json.dumps({"name": WORKSPACE}).encode(),
            {"Content-Type": "application/json", "Authorization": "Bearer platform-token"},
        )
        urllib.request.urlopen(request, timeout=30).close()
        yield guarded
    finally:
        guarded.server.kill()


@pytest.fixture
def guarded(_guarded: Guarded) -> Guarded:
    _guarded.admit("right")
    return _guarded


@pytest.fixture
def client(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """Return a client of MLflow's own, let in everywhere."""
    monkeypatch.setenv("MLFLOW_WORKSPACE", WORKSPACE)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "platform-token")
    return MlflowClient(guarded.server.uri)


def runs(client: MlflowClient, project: ToyProject) -> list[Any]:
    experiment = client.get_experiment_by_name(WORKSPACE)
    mine = f"tags.who = '{project.path / 'train.py'}'"
    return list(client.search_runs([experiment.experiment_id], mine)) if experiment else []


def steps(client: MlflowClient, project: ToyProject) -> list[int]:
    (run,) = runs(client, project)
    assert run.info.status == "FINISHED"
    return sorted(point.step for point in client.get_metric_history(run.info.run_id, "loss"))


def log(process: subprocess.Popen[str], step: int) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{step}\n")
    process.stdin.flush()
    assert process.stdout.readline().strip() == "logged"


def begun(project: ToyProject) -> subprocess.Popen[str]:
    process = project.start(TRAIN)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "begun"
    return process


def ended(process: subprocess.Popen[str]) -> str:
    _, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return err


def test_with_its_token_a_project_logs(guarded: Guarded, project: ToyProject, client: MlflowClient):
    project.connect(guarded.server.uri, "right")
    process = begun(project)
    log(process, 0)
    log(process, 1)
    assert "mlops:" not in ended(process)
    assert steps(client, project) == [0, 1]


def test_with_a_wrong_token_training_goes_on_and_what_it_logs_is_kept(
    guarded: Guarded, project: ToyProject, client: MlflowClient
):
    project.connect(guarded.server.uri, "wrong")
    process = begun(project)
    log(process, 0)
    log(process, 1)
    said = ended(process)
    assert said.count("refuses this project's token. `mlops up` writes the right one") == 1
    assert "What was logged waits in" in said
    assert list(project.spool.glob("*.jsonl"))
    assert not runs(client, project)

    project.connect(guarded.server.uri, "right")
    out, _ = project.run(FLUSH)
    assert out.strip() == "(1, 0)"
    project.path.joinpath("train.py").write_text(TRAIN)
    assert steps(client, project) == [0, 1]


def test_a_token_revoked_in_the_middle_is_an_outage_until_the_next_one_is_in_the_file(
    guarded: Guarded, project: ToyProject, client: MlflowClient
):
    project.connect(guarded.server.uri, "right")
    process = begun(project)
    log(process, 0)
    guarded.admit("next")
    log(process, 1)
    log(process, 2)
    assert list(project.spool.glob("*.jsonl"))

    project.connect(guarded.server.uri, "next")
    wait_for(lambda: not list(project.spool.glob("*.jsonl")), 60, "the buffer's end")
    log(process, 3)
    said = ended(process)
    assert said.count("refuses this project's token") == 1
    assert said.count("what was kept has been sent") == 1
    assert steps(client, project) == [0, 1, 2, 3]

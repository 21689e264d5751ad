"""A project's own training before a real MLflow: task and run know each other, and its version
becomes a package that loads in the project's environment."""

import json
import os
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from mlops_workflows.starting import Watched

from services.engines.mlflow.adapter import MLflow
from services.errors import PlatformError
from services.home import Home
from services.projects.contract import look
from services.workflows import packaging, release, smoke, steps
from services.workflows.steps import Desk
from tests.live import eventually
from tests.workflows.commands import order

pytestmark = [pytest.mark.engine, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
CONTRACT = """
[tool.mlops]
id = "toy"
title = "Toy"
train = "python train.py"
primary_metric = { name = "val_accuracy", goal = "max" }
gates = { val_accuracy = ">= 0.90" }
"""
SERVING = """
import numpy as np

def predictor(weights, config):
    scale = np.array(weights["scale"])
    return lambda rows: {"y": np.asarray(rows["x"]) @ scale}
"""
TRAIN = """
import mlflow, numpy as np
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from mlops_client.mlx import log_model

signature = ModelSignature(
    inputs=Schema([TensorSpec(np.dtype("float32"), (-1, 4), "x")]),
    outputs=Schema([TensorSpec(np.dtype("float32"), (-1, 3), "y")]),
)
for number in range(2):
    with mlflow.start_run(run_name=f"run {number}"):
        mlflow.log_metric("val_accuracy", 0.9 + number / 100)
        log_model(name="net", weights={"scale": np.ones((4, 3), dtype=np.float32)},
                  config={"n": number}, entry="serving:predictor", signature=signature)
"""


@dataclass(frozen=True)
class Server:
    adapter: MLflow
    uri: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    kept = {name: text for name, text in os.environ.items() if "MLFLOW" not in name}
    off = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-m", "mlflow", "server", "--enable-workspaces", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    uri = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log, httpx.Client(base_url=uri, timeout=30) as client:
        process = subprocess.Popen(
            command, cwd=folder, env=kept | off, stdout=log, stderr=log, start_new_session=True
        )
        try:
            eventually(lambda: _is_up(client), 90)
            adapter = MLflow(client)
            adapter.ensure_workspace("toy", "Toy")
            yield Server(adapter, uri)
        finally:
            os.killpg(process.pid, 9)
            process.wait()


def _is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/health").is_success
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The import path on which the client is installed as its pyproject.toml says."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "efficientai_mlops_client-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: efficientai-mlops-client\n")
    table = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())["project"]
    groups = table["entry-points"].items()
    lines = [
        line
        for group, entries in groups
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return os.pathsep.join([str(folder), str(ROOT / "client" / "src")])


@pytest.fixture(scope="module")
def trained(server: Server, site: str, tmp_path_factory: pytest.TempPathFactory) -> "Trained":
    home = tmp_path_factory.mktemp("trained")
    project = home / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(CONTRACT)
    (project / "train.py").write_text(TRAIN)
    (project / "serving.py").write_text(SERVING)
    values = {"MLFLOW_TRACKING_URI": server.uri, "MLFLOW_WORKSPACE": "toy",
              "MLFLOW_EXPERIMENT_NAME": "toy", "MLOPS_SPOOL": str(home / "spool")}  # fmt: skip
    lines = [f"{name}={value}\n" for name, value in values.items()]
    (project / ".mlops.env").write_text("".join(lines))
    # An environment of the project: this one, with the client on its path.
    python = project / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{site}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    task = order(
        home, "", command=("python", "train.py"), env_file=project / ".mlops.env",
        environment=project / ".venv",
    )  # fmt: skip
    said: list[str] = []
    found = Watched(task).follow(said.append)
    assert found["outcome"] == "succeeded", said
    return Trained(project, python, found, Desk(look(project), Home(home / "home"), server.adapter))


@dataclass(frozen=True)
class Trained:
    project: Path
    python: Path
    evidence: dict
    desk: Desk

    @property
    def run_ids(self) -> list[str]:
        return [run["run_id"] for run in self.evidence["runs"]]


def test_a_task_knows_its_runs_and_each_run_its_task(server: Server, trained: Trained):
    assert len(trained.run_ids) == 2
    runs = [server.adapter.run("toy", run_id) for run_id in trained.run_ids]
    assert [run.name for run in runs] == ["run 0", "run 1"]
    assert {run.tags["mlops.task"] for run in runs} == {trained.evidence["job"]}
    assert {run.status for run in runs} == {"finished"}


def test_what_was_trained_is_registered_gated_packaged_and_answers(trained: Trained):
    at = trained.desk
    registered = steps.register(at, {"train": {"run_ids": trained.run_ids}})
    gated = steps.gate(at, {"register": registered})
    assert (gated["passed"], gated["version"], gated["run_id"]) == (True, 2, trained.run_ids[1])
    answer = release.package(at, {"params": {}, "events": [gated]})
    package = packaging.read(Path(answer["packages"][0]["folder"]))
    assert package is not None
    manifest = package.manifest
    assert {one["path"] for one in manifest["files"]} == {
        "MLmodel",
        "config.json",
        "model.safetensors",
    }
    assert (manifest["format"], manifest["run_id"]) == ("safetensors", trained.run_ids[1])
    assert json.loads((package.files / "config.json").read_text()) == {"n": 1}
    assert release.package(at, {"params": {}, "events": [gated]}) == answer
    found = smoke.check(package, at.contract, trained.project, trained.python)
    assert found.answer is not None
    assert (found.answer["rows"], found.answer["outputs"]) == (2, ["y"])
    assert "It loads in" in found.said


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("@ scale}", "@ scale * np.nan}", "y has 6 values that are no finite numbers"),
        ('{"y":', '{"z":', "The answer lacks y"),
        ("@ scale}", "@ scale[:, :2]}", "y has rows of (2,), not of (3,)"),
        ("@ scale}", "[:1]}", "y has 1 for 2 rows"),
        ("import numpy", "import no_such_package, numpy", "No module named 'no_such_package'"),
    ],
    ids=["nan", "name", "shape", "rows", "package"],
)
def test_a_model_that_does_not_answer_as_its_signature_says_does_not_pass(
    trained: Trained, capfd: pytest.CaptureFixture[str], good: str, bad: str, said: str
):
    package = packaging.pack(trained.desk.mlflow, trained.desk.home, "toy", "net", 1)
    serving = trained.project / "serving.py"
    serving.write_text(SERVING.replace(good, bad))
    try:
        with pytest.raises(PlatformError, match="net version 1 does not pass its smoke test"):
            smoke.check(package, trained.desk.contract, trained.project, trained.python)
    finally:
        serving.write_text(SERVING)
    assert said in capfd.readouterr().out

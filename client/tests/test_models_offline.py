"""Models on a real server: logged, registered and loaded; also when it was away the whole time."""

import pytest
from mlflow import MlflowClient
from toys import WORKSPACE, Server, ToyProject

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]

TRAIN = """
import os
import mlx.core as mx
import numpy as np
import mlflow
from mlflow.models.signature import infer_signature
from mlops_client.mlx import log_model

def build(weights, config):
    return lambda rows: np.array(mx.array(np.asarray(rows, np.float32)) @ weights["w"])

if __name__ == "__main__":
    with mlflow.start_run() as run:
        mlflow.set_tag("mlops.technique", "lora")
        sample = np.zeros((1, 2), np.float32)
        info = log_model(
            name=os.environ["NAME"], weights={"w": mx.array([[1.0], [2.0]])}, config={"k": 1},
            entry="train:build", signature=infer_signature(sample, sample[:, :1]),
        )
        print(info.registered_model_version)
"""

LOAD = """
import os, sys
import numpy as np
from mlops_client.mlx import load_model
import mlflow
sys.path.insert(0, os.environ["SCRIPTS"])
uri = f"models:/{os.environ['NAME']}/1"
rows = np.array([[1, 1]], np.float32)
print(load_model(uri)(rows).tolist(), mlflow.pyfunc.load_model(uri).predict(rows).tolist())
"""


def load(project: ToyProject, name: str) -> str:
    scripts = project.path / "scripts"
    scripts.mkdir()
    (scripts / "train.py").write_text(TRAIN)
    return project.run(LOAD, NAME=name, SCRIPTS=str(scripts))[0].splitlines()[-1]


def test_a_model_is_registered_with_its_tags_and_loads_again(
    server: Server, project: ToyProject, monkeypatch: pytest.MonkeyPatch
):
    project.connect(server.uri)
    out, _ = project.run(TRAIN, NAME="online-model")
    assert out.splitlines()[0] == "1"
    assert load(project, "online-model") == "[[3.0]] [[3.0]]"


def test_a_model_of_a_run_that_never_saw_the_server_is_registered_later(
    server: Server, project: ToyProject, monkeypatch: pytest.MonkeyPatch
):
    server.kill()
    project.connect(server.uri)
    out, _ = project.run(TRAIN, NAME="offline-model")
    assert out.splitlines()[0] == "None"
    server.start()
    project.run("import mlops_client; mlops_client.flush()")
    monkeypatch.setenv("MLFLOW_WORKSPACE", WORKSPACE)
    client = MlflowClient(server.uri)
    (version,) = client.search_model_versions("name = 'offline-model'")
    assert client.get_run(version.run_id).info.status == "FINISHED"
    assert version.tags["mlops.technique"] == "lora"
    assert load(project, "offline-model") == "[[3.0]] [[3.0]]"


FORK = """
import os, sys
import mlflow

with mlflow.start_run(tags={"who": "forks"}) as run:
    mlflow.log_metric("parent", 1.0, step=0)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        for step in range(10):
            mlflow.log_metric("child", 1.0, step=step, run_id=run.info.run_id)
        os._exit(0)
    os.waitpid(child, 0)
    for step in range(1, 10):
        mlflow.log_metric("parent", 1.0, step=step)
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_logs_to_its_parents_buffered_run(
    server: Server, project: ToyProject, monkeypatch: pytest.MonkeyPatch
):
    server.kill()
    project.connect(server.uri)
    project.run(FORK)
    server.start()
    project.run("import mlops_client; mlops_client.flush()")
    monkeypatch.setenv("MLFLOW_WORKSPACE", WORKSPACE)
    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name(WORKSPACE)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], "tags.who = 'forks'")
    for name in ("parent", "child"):
        steps = [metric.step for metric in client.get_metric_history(run.info.run_id, name)]
        assert sorted(steps) == list(range(10)), name
    assert list(project.spool.glob("*.jsonl")) == []

"""What a run was made from and what it loaded: by a word, and by loading, on a real server."""

import pytest
from mlflow import MlflowClient
from mlops_client import base
from mlops_client.tags import new_run_tags
from test_models_offline import TRAIN
from toys import WORKSPACE, Server, ToyProject

TUNE = """
import mlflow, mlops_client
from mlops_client.mlx import load_model
from train import build
import os
name = os.environ["NAME"]
with mlflow.start_run() as run:
    print(">", mlops_client.derived_from(f"models:/{name}/1"))
    mlops_client.derived_from("other-project/its-model:7")
    mlops_client.derived_from(f"models:/{name}/1")
    load_model(f"models:/{name}/1")
    try:
        mlops_client.derived_from("base-model")
    except ValueError as error:
        print(">", error)
    print(">", run.info.run_id)
with mlflow.start_run() as later:
    print(">", later.info.run_id)
try:
    mlops_client.derived_from("a/b:1")
except RuntimeError as error:
    print(">", error)
"""
AGAIN = (
    TRAIN
    + """
    from mlops_client.mlx import load_model
    load_model(f"models:/{os.environ['NAME']}/{info.registered_model_version}")
    with mlflow.start_run() as later:
        print(">", later.info.run_id)
"""
)


def printed(project: ToyProject, script: str, name: str) -> list[str]:
    """Return what a script said; MLflow prints lines of its own."""
    out, _ = project.run(script, NAME=name)
    return [line[2:] for line in out.splitlines() if line.startswith("> ")]


@pytest.fixture(autouse=True)
def clean():
    base.forget()
    yield
    base.forget()


@pytest.mark.engine
@pytest.mark.timeout(400)
def test_a_run_names_what_it_was_made_from_and_what_it_loaded(
    server: Server, project: ToyProject, monkeypatch: pytest.MonkeyPatch
):
    project.connect(server.uri)
    scripts = project.path / "scripts"
    scripts.mkdir()
    (scripts / "train.py").write_text(TRAIN)
    project.run(TRAIN, NAME="base-model")
    script = f"import sys; sys.path.insert(0, {str(scripts)!r})\n{TUNE}"
    out = printed(project, script, "base-model")
    first = f"{WORKSPACE}/base-model:1"
    assert out[0] == first
    assert "names no" in out[1]
    assert "needs an active run" in out[4]
    monkeypatch.setenv("MLFLOW_WORKSPACE", WORKSPACE)
    client = MlflowClient(server.uri)
    said = client.get_run(out[2]).data.tags
    assert said[base.BASE] == first
    assert said[f"{base.BASE}.2"] == "other-project/its-model:7"
    assert f"{base.BASE}.3" not in said
    assert said[base.LOADED] == first
    later = client.get_run(out[3]).data.tags
    assert later[base.LOADED] == first  # this process loaded it before
    assert base.BASE not in later


@pytest.mark.engine
@pytest.mark.timeout(400)
def test_trying_out_what_was_just_registered_is_no_beginning(
    server: Server, project: ToyProject, monkeypatch: pytest.MonkeyPatch
):
    project.connect(server.uri)
    (project.path / "train.py").write_text(TRAIN)
    script = f"import sys; sys.path.insert(0, {str(project.path)!r})\n{AGAIN}"
    out = printed(project, script, "tried-model")
    monkeypatch.setenv("MLFLOW_WORKSPACE", WORKSPACE)
    said = MlflowClient(server.uri).get_run(out[-1]).data.tags
    assert base.LOADED not in said


def test_what_was_loaded_is_on_the_runs_that_begin_later(monkeypatch: pytest.MonkeyPatch, root):
    del root  # a project, without a server
    monkeypatch.setattr("mlflow.active_run", lambda: None)
    for number in range(1, 12):
        base.loaded("model", str(number))
    base.made("model", 12)
    base.loaded("model", "12")
    base.loaded("a/b", "1")
    tags = {key: value for key, value in new_run_tags().items() if key.startswith(base.LOADED)}
    assert list(tags) == list(base.names(base.LOADED))
    assert tags[base.LOADED].endswith("/model:1")
    assert tags[f"{base.LOADED}.8"].endswith("/model:8")


def test_what_is_loaded_outside_a_project_is_nobodys(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(base, "current", lambda: None)
    base.loaded("model", "1")
    assert base.tags() == {}

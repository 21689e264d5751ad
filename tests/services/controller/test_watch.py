"""The projects loop while MLflow comes and goes."""

from pathlib import Path

import pytest

from services.controller.watch import ProjectWatch
from services.errors import EngineUnreachableError
from services.home import Home
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store

CONTRACT = '[tool.mlops]\nid = "one"\ntitle = "One"\ntrain = "python train.py"\n'


class MLflow:
    away = False

    def ensure_workspace(self, name: str, description: str) -> None:
        if self.away:
            raise EngineUnreachableError("MLflow does not answer.")

    def ensure_experiment(self, workspace: str, name: str) -> None:
        self.ensure_workspace(workspace, name)


@pytest.fixture
def mlflow() -> MLflow:
    return MLflow()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'mirror.db'}"


def watch(tmp_path: Path, url: str, mlflow: MLflow) -> ProjectWatch:
    folder = tmp_path / "projects" / "one"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(CONTRACT)
    made, _ = schema.prepare(url)
    return ProjectWatch(
        Store(made), mlflow, Home(tmp_path / "home"), root=folder.parent,  # type: ignore[arg-type]
        mlflow_url="http://127.0.0.1:1", registered=tuple, token=str, configure=lambda *_: None,
    )  # fmt: skip


def told(url: str) -> list[str]:
    return [change.title for change in Mirror(url).changes()]


def test_a_new_project_waits_for_mlflow_and_says_so(tmp_path: Path, url: str, mlflow: MLflow):
    mlflow.away = True
    with pytest.raises(EngineUnreachableError):
        watch(tmp_path, url, mlflow).turn()
    assert [p.state for p in Mirror(url).projects()] == ["connecting"]
    mlflow.away = False
    watch(tmp_path, url, mlflow).turn()
    assert told(url) == ["Project One is connected", "Project One is connecting"]


def test_a_connection_outlasts_a_restart_during_which_mlflow_is_away(
    tmp_path: Path, url: str, mlflow: MLflow
):
    watch(tmp_path, url, mlflow).turn()
    mlflow.away = True
    with pytest.raises(EngineUnreachableError):
        watch(tmp_path, url, mlflow).turn()
    assert [p.state for p in Mirror(url).projects()] == ["connected"]
    mlflow.away = False
    watch(tmp_path, url, mlflow).turn()
    assert told(url) == ["Project One is connected"]

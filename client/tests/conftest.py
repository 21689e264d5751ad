"""A real MLflow server, and a toolkit project, for each test that asks."""

import os
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlops_client import presence
from mlops_client.presence import Presence
from mlops_client.project import current
from recorder import Recorder
from toys import CLIENT, WORKSPACE, Server, ToyProject


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("mlflow"))
    server.start()
    body = f'{{"name": "{WORKSPACE}"}}'.encode()
    request = urllib.request.Request(
        f"{server.uri}/api/3.0/mlflow/workspaces",
        body,
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=30).close()
    yield server
    server.kill()


@pytest.fixture
def server(_server: Server) -> Server:
    """Return the server, up."""
    if _server.process is None:
        _server.start()
    return _server


@pytest.fixture(scope="session")
def plugin_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the import path on which the client is installed as its pyproject.toml says."""
    folder = tmp_path_factory.mktemp("installed")
    info = folder / "efficientai_mlops_client-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: efficientai-mlops-client\n")
    table = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = []
    for group, entries in table.items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return os.pathsep.join([str(folder), str(CLIENT / "src")])


@pytest.fixture
def project(tmp_path: Path, plugin_path: str) -> Iterator[ToyProject]:
    """Return a project that is not connected yet."""
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(f'[tool.mlops]\nid = "{WORKSPACE}"\n')
    toy = ToyProject(folder, plugin_path)
    yield toy
    for process in toy.started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    """A program that records data and models, small enough for a test."""
    return Recorder(tmp_path / "recorder")


@pytest.fixture
def root(tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a project with data, whose versions the recorder records."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "MLOPS_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "toy"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "train.csv").write_text("a,b\n")
    (folder / "pyproject.toml").write_text(
        '[tool.mlops]\nid = "toy"\ndata = ["data/"]\nmodels = ["models/"]\n'
    )
    home = tmp_path / "home"
    (home / "data" / "toy").mkdir(parents=True)
    monkeypatch.setenv("MLOPS_TRACK", recorder.variable)
    monkeypatch.setenv("MLOPS_HOME", str(home))
    monkeypatch.setenv("MLOPS_PROJECT", str(folder))
    monkeypatch.setattr(presence, "_process", presence._Process())
    current.cache_clear()
    yield folder
    Presence().clear()
    current.cache_clear()

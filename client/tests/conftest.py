"""A real MLflow server to kill, and toolkit projects to train in, each in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[1]
WORKSPACE = "toy-project"
_START_TIMEOUT_S = 60


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Server:
    """An MLflow server with workspaces that always comes back at the same address."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--enable-workspaces"]
        command += ["--workers", "1", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        off = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        clean = {name: value for name, value in os.environ.items() if "MLFLOW" not in name}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=clean | off,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self.is_up, _START_TIMEOUT_S, "the MLflow server")

    def is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


def wait_for(happened: Callable[[], bool], timeout_s: float, what: str) -> None:
    end = time.monotonic() + timeout_s
    while not happened():
        if time.monotonic() > end:
            pytest.fail(f"{what} did not come within {timeout_s:.0f} s")
        time.sleep(0.1)


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


@dataclass
class ToyProject:
    """A toolkit project in a folder of its own."""

    path: Path
    plugin_path: str
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def spool(self) -> Path:
        return self.path / ".mlops" / "spool"

    def connect(self, uri: str) -> None:
        values = {
            "MLFLOW_TRACKING_URI": uri,
            "MLFLOW_WORKSPACE": WORKSPACE,
            "MLFLOW_EXPERIMENT_NAME": WORKSPACE,
            "MLOPS_PROJECT": WORKSPACE,
            "MLOPS_SPOOL": str(self.spool),
        }
        text = "".join(f"{name}={value}\n" for name, value in values.items())
        (self.path / ".mlops.env").write_text(text)

    def start(self, code: str, **variables: str) -> subprocess.Popen[str]:
        script = self.path / "train.py"
        script.write_text(code)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "MLOPS"))}
        process = subprocess.Popen(
            [sys.executable, str(script)],
            cwd="/",
            env=kept | {"PYTHONPATH": self.plugin_path, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, code: str, **variables: str) -> tuple[str, str]:
        """Run a script to its end; return what it printed and what it said on stderr."""
        process = self.start(code, **variables)
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
        return out, err


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

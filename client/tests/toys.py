"""A real MLflow server to kill, and toolkit projects to train in, each in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[1]
WORKSPACE = "toy-project"
_START_TIMEOUT_S = 120


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
    options: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--enable-workspaces"]
        command += ["--workers", "1", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        command += self.options
        off = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        clean = {name: value for name, value in os.environ.items() if "MLFLOW" not in name}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=clean | off | self.variables,
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


@dataclass
class ToyProject:
    """A toolkit project in a folder of its own."""

    path: Path
    plugin_path: str
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def spool(self) -> Path:
        return self.path / ".mlops" / "spool"

    def connect(self, uri: str, token: str = "") -> None:
        values = {
            "MLFLOW_TRACKING_URI": uri,
            "MLFLOW_WORKSPACE": WORKSPACE,
            "MLFLOW_EXPERIMENT_NAME": WORKSPACE,
            "MLOPS_PROJECT": WORKSPACE,
            "MLOPS_SPOOL": str(self.spool),
        }
        if token:
            values["MLFLOW_TRACKING_TOKEN"] = token
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

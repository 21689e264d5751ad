"""The controller process on a disk without room: it stays, says so, and goes on by itself."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.home import Home
from services.platform.probes import HeartbeatProbe
from tests.small_disk import SmallDisk, mounted

pytestmark = [pytest.mark.engine, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "disk", "4m") as found:
        yield found


@pytest.fixture
def controller(disk: SmallDisk) -> Iterator[subprocess.Popen[bytes]]:
    """Start one whose MLflow is away; its log is on the same disk."""
    home = Home(disk.path / "home")
    home.create()
    (home.secrets / "mlflow-platform.token").write_text("nobody asks for it")
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_"))}
    variables |= {
        "MLOPS_HOME": str(home.root),
        "MLOPS_MLFLOW_URL": "http://127.0.0.1:9",
        "MLOPS_PROJECTS_ROOT": str(disk.path / "projects"),
        "PYTHONPATH": str(ROOT),
    }
    with (home.logs / "controller.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.controller"],
            cwd=ROOT, env=variables, stdout=log, stderr=log,
        )  # fmt: skip
    yield process
    process.terminate()
    process.wait(20)


def eventually(holds: Callable[[], bool], told: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, told()
        time.sleep(0.1)


def test_a_controller_outlives_a_full_disk(controller: subprocess.Popen[bytes], disk: SmallDisk):
    home = Home(disk.path / "home")

    def said() -> str:
        assert controller.poll() is None, (home.logs / "controller.log").read_text()
        answer = HeartbeatProbe(home.run / "controller.json")(0.0)
        return answer.detail if answer.ready else f"not ready: {answer.detail}"

    eventually(lambda: "MLflow" in said(), said)
    disk.fill()
    eventually(lambda: "mirror cannot be written" in said(), said)
    before = json.loads((home.run / "controller.json").read_text())["at"]
    eventually(lambda: json.loads((home.run / "controller.json").read_text())["at"] > before, said)

    disk.free()

    eventually(lambda: "mirror cannot be written" not in said() and "MLflow" in said(), said)
    assert "Traceback" not in (home.logs / "controller.log").read_text()
    assert not (home.databases / "quarantine").exists()

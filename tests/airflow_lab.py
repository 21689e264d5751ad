"""A real Airflow of the tests' own: its four processes under the real supervisor, nothing else."""

import contextlib
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from services.engines.airflow.adapter import Airflow
from services.engines.registry import build_airflow
from services.home import Home
from services.platform import airflow as parts
from services.platform import secrets
from services.platform.engines import PARTS, EngineSpec
from services.platform.parts import folded
from services.platform.state import EngineState, PlatformState
from services.platform.supervisor import Supervisor
from services.settings import Settings
from tests.live import eventually

DAGS = Path(__file__).parent / "services" / "engines" / "airflow" / "dags"
DRILL = """
[project]
name = "drill"
version = "1"

[tool.mlops]
id = "drill"
title = "Drill"
train = "python train.py"
memory_limit_gb = 1
params.epochs = { type = "int", default = 3, min = 1, max = 100 }
params.wait_s = { type = "float", default = 0 }
params.fail = { type = "bool", default = false }
"""
"""The contract of the project whose workflow ``drill.train`` tests launch."""
START_S = 300.0
"""The first start on a machine makes the environment."""


@dataclass
class Lab:
    """A running Airflow, and how it is kept."""

    home: Home
    settings: Settings
    supervisor: Supervisor
    airflow: Airflow

    def state(self, name: str = "airflow") -> EngineState:
        return self.supervisor.state.engine(name) or EngineState(name)

    def process(self, name: str) -> psutil.Process:
        leader = self.state(name).leader
        assert leader is not None
        return psutil.Process(leader.pid)

    def well(self) -> bool:
        return all(self.state(name).phase == "live" for name in ("airflow", *PARTS))

    def told(self) -> EngineState:
        """Return what people are told of it: one engine."""
        (whole,) = folded(self.supervisor.state.engines)
        return whole


@contextlib.contextmanager
def running(folder: Path, database: str = "") -> Iterator[Lab]:
    """Start an Airflow with the tests' workflows; end it and all it started."""
    home = Home(folder / "home")
    home.create()
    with pytest.MonkeyPatch.context() as patch, socket.socket() as found:
        patch.setenv("MLOPS_HOME", str(home.root))
        patch.setenv("MLOPS_AIRFLOW_DATABASE", database)
        patch.setenv("MLOPS_AIRFLOW_PARALLELISM", "4")
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
        settings = Settings(airflow_port=port)

    def specs(home: Home, before: PlatformState) -> tuple[EngineSpec, ...]:
        secrets.ensure(home)
        parts.prepare(home, settings, port)
        for file in DAGS.glob("*.py"):
            shutil.copy(file, home.airflow / "dags")
        ports = {"airflow": port}
        return tuple(parts.spec(name, home, settings, ports) for name in ("airflow", *PARTS))

    supervisor = Supervisor(home, specs)
    lab = Lab(home, settings, supervisor, build_airflow(home, settings))
    # Only while it is set up: the program that does it reads its settings from the environment.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLOPS_AIRFLOW_DATABASE", database)
        thread = threading.Thread(target=supervisor.run)
        thread.start()
        try:
            eventually(lab.well, START_S)
            eventually(lambda: len(lab.airflow.dags()) == 3 and lab.airflow.import_errors())
            yield lab
        finally:
            supervisor.stop()
            thread.join(60)
            lab.airflow._client.close()
            assert not thread.is_alive()

"""A real Airflow with real workers: each in a process and a home of its own, as on other Macs."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.engines.airflow.adapter import Airflow
from services.engines.airflow.edge import Edge
from services.engines.registry import build_airflow, build_edge
from services.engines.silicon.machine import own_id
from services.home import Home
from services.platform import airflow as parts
from services.platform import airflow_workers, processes, secrets
from services.platform.engines import PARTS, WORKER, EngineSpec
from services.platform.state import PlatformState
from services.platform.supervisor import Supervisor
from services.platform.worker_joining import way
from services.projects import discovery
from services.settings import Settings
from services.workflows import routes, routing, workers
from services.workflows.specs import Specs
from tests.live import ROOT, eventually

GIB = 1024**3
CONTRACT = """
[project]
name = "toy"
version = "1"

[tool.mlops]
id = "toy"
title = "Toy"
train = "python train.py"
evaluate = "python evaluate.py"
retries = 2
needs = { memory_gb = 48, gpu_cores = 30 }
params.wait_s = { type = "float", default = 0.0 }
dags = ["short.py"]
federated = { server = "python server.py", client = "python join.py", clients = 2 }
"""
DAG = """
import os
from datetime import UTC, datetime
from airflow.sdk import DAG, Param
from mlops_workflows.dags import beside, heavy
from mlops_workflows.spec import load
from mlops_workflows.tasks import HeavyTask, ProjectTask

path = os.environ["MLOPS_HOME"] + "/airflow/specs/toy.json"
spec = load(path)
with DAG("toy.short", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC),
         params={"wait_s": Param(0.0, type="number")}, is_paused_upon_creation=False,
         default_args={"retries": 2, "retry_delay": 1.0}) as dag:
    train = HeavyTask(task_id="train", spec=path, entry="train", **heavy(spec))
    check = ProjectTask(task_id="evaluate", spec=path, entry="evaluate", **beside(spec, "train"))
    train >> check
"""
TRAIN = """
import os, pathlib, sys, time
wait = float(sys.argv[1].partition("=")[2])
print("training in", os.getcwd(), "for", os.environ["MLFLOW_TRACKING_URI"], flush=True)
pathlib.Path("pid").write_text(str(os.getpid()))
time.sleep(wait)
pathlib.Path("model").write_text("weights")
"""
EVALUATE = """
import pathlib
print("evaluated", pathlib.Path("model").read_text(), flush=True)
"""


# One line a message: each client says where it is, and hears who else is there.
SERVER = """
import json, os, pathlib, socket
host, _, port = os.environ["MLOPS_FEDERATED_ADDRESS"].partition(":")
links = []
with socket.create_server((host, int(port))) as server:
    while len(links) < int(os.environ["MLOPS_FEDERATED_CLIENTS"]):
        links.append(server.accept()[0].makefile("rw"))
said = [json.loads(link.readline()) for link in links]
assert {one["token"] for one in said} == {os.environ["MLOPS_FEDERATED_TOKEN"]}
for link in links:
    print(json.dumps(sorted(one["where"] for one in said)), file=link, flush=True)
pathlib.Path("met").write_text(json.dumps({one["number"]: one["where"] for one in said}))
"""
JOIN = """
import json, os, socket, time
host, _, port = os.environ["MLOPS_FEDERATED_ADDRESS"].partition(":")
while True:
    try:
        link = socket.create_connection((host, int(port))).makefile("rw"); break
    except OSError:
        time.sleep(0.2)
said = {"token": os.environ["MLOPS_FEDERATED_TOKEN"], "number": os.environ["MLOPS_CLIENT"],
        "where": os.getcwd()}
print(json.dumps(said), file=link, flush=True)
print("together with", link.readline(), flush=True)
"""


@dataclass
class Mac:
    """A machine that works, or did."""

    name: str
    home: Home
    projects: Path
    variables: dict[str, str]
    process: "subprocess.Popen[str]"
    said: list[str] = field(default_factory=list)

    def mlops(self, *words: str, code: int = 0) -> str:
        """Run ``mlops worker`` there beside the worker; return all it said."""
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", "worker", *words],
            cwd=ROOT, env=self.variables, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def cut(self) -> None:
        """Take its power: every process of it is killed at once."""
        self.process.kill()
        found = processes.marked(self.home.root)
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            found.append(psutil.Process(int((self.projects / "toy" / "pid").read_text())))
        for one in found:
            with contextlib.suppress(psutil.Error):
                one.kill()
        self.process.communicate()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
        self.cut()


@dataclass
class WorkersLab:
    """The platform's machine."""

    folder: Path
    home: Home
    settings: Settings
    supervisor: Supervisor
    airflow: Airflow
    edge: Edge
    macs: dict[str, Mac] = field(default_factory=dict)

    @property
    def here(self) -> str:
        return own_id(self.home.run / "host-id")

    def phase(self, name: str) -> str:
        state = self.supervisor.state.engine(name)
        return state.phase if state else ""

    def well(self) -> bool:
        return all(self.phase(name) == "live" for name in ("airflow", *PARTS, WORKER))

    def seen(self) -> dict[str, workers.Worker]:
        return {one.host: one for one in workers.seen(self.edge.workers(), self.edge.jobs())}

    def route(self) -> routes.Routed:
        """Write the spec of the toy with its route, as the controller does."""
        machines = workers.machines(self.seen().values(), self.here)
        found = discovery.found(self.folder / "projects", ())
        contract = found[0].contract
        assert contract is not None
        needs = routing.of_table(contract.needs.model_dump(include={"memory_gb", "gpu_cores"}))
        routed = routes.routed("toy", needs, machines, self.here)
        Specs(self.home).write(found, {"toy": routed.route})
        return routed

    def mlops(self, *words: str) -> str:
        """Run ``mlops worker`` on the platform's machine; return what it printed."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_"))}
        variables = kept | {
            "MLOPS_HOME": str(self.home.root),
            "MLOPS_PROJECTS_ROOT": str(self.folder / "projects"),
            "MLOPS_AIRFLOW_PORT": str(self.settings.airflow_port),
            "MLOPS_AIRFLOW_WORKERS": "true",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "client" / "src")]),
        }
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", "worker", *words],
            cwd=ROOT, env=variables, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def decide(self, *, released: dict[str, str], held: dict[str, str] | None = None) -> None:
        """Tell Airflow what the controller would: whole, by rename."""
        path = self.home.airflow / "weights.json"
        document = {"v": 1, "weights": {}, "released": released, "held": held or {}}
        path.with_suffix(".new").write_text(json.dumps(document))
        path.with_suffix(".new").replace(path)

    def nobody_decides(self) -> None:
        (self.home.airflow / "weights.json").unlink(missing_ok=True)

    def join(self, name: str, **facts: Any) -> Mac:
        """Let a machine join with the command that is handed over; facts stand for other chips."""
        folder = self.folder / name
        project(folder / "projects")
        how = way(self.home, self.settings, ("toy",))
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_"))}
        variables = kept | {
            "MLOPS_HOME": str(folder / "home"),
            "MLOPS_PROJECTS_ROOT": str(folder / "projects"),
            "MLOPS_WORKER_TOKEN": how.invitation.text(),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "client" / "src")]),
        }
        log = (folder / "said.log").open("w")
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "worker", "--join", how.url, "--name", name],
            cwd=ROOT, env=variables, stdout=log, stderr=log, text=True,
        )  # fmt: skip
        log.close()
        home = Home(folder / "home")
        mac = Mac(name, home, folder / "projects", variables, process)
        self.macs[name] = mac

        def told() -> bool:
            assert process.poll() is None, (folder / "said.log").read_text()
            return (home.root / "worker" / "facts.json").exists()

        eventually(told, 120)
        path = home.root / "worker" / "facts.json"
        path.write_text(json.dumps(json.loads(path.read_bytes()) | facts))
        eventually(
            lambda: (
                (one := self.seen().get(name))
                and one.state == "idle"
                and all(getattr(one, fact) == value for fact, value in facts.items())
            ),
            90,
        )
        return mac

    def trigger(self, run_id: str, wait_s: float = 0.0) -> None:
        self.airflow.trigger("toy.short", run_id, {"wait_s": wait_s})

    def task(self, run_id: str, task_id: str = "train") -> Any:
        return self.airflow.task_instance("toy.short", run_id, task_id)

    def federated(self, run_id: str) -> Any:
        """Return the tasks of a run of the federation."""
        return self.airflow.task_instances("toy.federated", run_id)

    def ended(self, run_id: str, timeout_s: float = 120) -> str:
        return str(
            eventually(
                lambda: (
                    (state := self.airflow.dag_run("toy.short", run_id).state)
                    in {"success", "failed"}
                    and state
                ),
                timeout_s,
            )
        )


def project(root: Path) -> None:
    """Put the toy project there, as a checkout would."""
    folder = root / "toy"
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(CONTRACT)
    (folder / "requirements.txt").touch()
    (folder / "short.py").write_text(DAG)
    (folder / "train.py").write_text(TRAIN)
    (folder / "evaluate.py").write_text(EVALUATE)
    (folder / "server.py").write_text(SERVER)
    (folder / "join.py").write_text(JOIN)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[WorkersLab]:
    """Start the platform's Airflow with its own worker; end it and all that joined."""
    home = Home(folder / "home")
    home.create()
    project(folder / "projects")
    with pytest.MonkeyPatch.context() as patch, socket.socket() as found:
        patch.setenv("MLOPS_HOME", str(home.root))
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
        settings = Settings(airflow_port=port, airflow_workers=True, airflow_parallelism=4)

    def specs(home: Home, before: PlatformState) -> tuple[EngineSpec, ...]:
        del before
        secrets.ensure(home)
        parts.prepare(home, settings, port)
        ports = {"airflow": port}
        own = (parts.spec(name, home, settings, ports) for name in ("airflow", *PARTS))
        return (*own, airflow_workers.spec(home, settings, port))

    supervisor = Supervisor(home, specs)
    lab = WorkersLab(
        folder,
        home,
        settings,
        supervisor,
        build_airflow(home, settings),
        build_edge(home, settings),
    )
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        eventually(lab.well, 300)
        yield lab
    finally:
        for mac in lab.macs.values():
            mac.end()
        supervisor.stop()
        thread.join(60)
        lab.airflow._client.close()
        lab.edge._client.close()
        assert not thread.is_alive()

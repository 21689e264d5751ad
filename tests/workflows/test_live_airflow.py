"""The generated DAGs under a real scheduler: releases set off by assets, a federation that loses a
client, and contracts that change while Airflow runs."""

import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.projects import discovery
from services.workflows.specs import Specs
from tests import airflow_lab
from tests.live import eventually
from tests.services.workflows.test_release import safetensors
from tests.workflows.small_mlflow import SmallMLflow

pytestmark = [
    pytest.mark.airflow, pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600),
]  # fmt: skip
CONTRACT = """
[project]
name = "toy"
version = "1"

[tool.mlops]
id = "toy"
title = "Toy"
train = "python train.py"
smoke = "python smoke.py"
timeout = "100s"
retries = 0
primary_metric = { name = "val_accuracy", goal = "max" }
gates = { val_accuracy = ">= 0.90" }
params.epochs = { type = "int", default = 3, min = 1, max = 10 }
federated = { server = "python server.py", client = "python client.py", clients = 2 }
"""
NOTE = """
import json, os
def note(run_id):
    with open(os.environ["MLOPS_RUN_FILE"], "a") as file:
        file.write(json.dumps({"run_id": run_id, "project": "toy", "experiment_id": "1"}) + "\\n")
"""
TRAIN = "from noting import note\nnote('good')\n"
SMOKE = """
import json, os, pathlib
folder = pathlib.Path(os.environ["MLOPS_PACKAGE"])
assert (folder / "model.safetensors").stat().st_size
said = {"said": "It is asked by its own command."}
pathlib.Path(os.environ["MLOPS_ANSWER"]).write_text(json.dumps(said))
"""
# One line a message. A round goes to all that are there; who closes the link is out.
SERVER = """
import os, pathlib, socket, time
from noting import note
host, _, port = os.environ["MLOPS_FEDERATED_ADDRESS"].partition(":")
count = int(os.environ["MLOPS_FEDERATED_CLIENTS"])
links, heard = [], []
with socket.create_server((host, int(port))) as server:
    while len(links) < count:
        links.append(server.accept()[0].makefile("rwb"))
for number in range(20):
    there = list(links)
    for link in there:
        try:
            link.write(b"%d\\n" % number); link.flush()
            if not link.readline():
                raise OSError("it is gone")
        except OSError as error:
            print(f"round {number}: a client is lost ({error}), {len(links) - 1} go on", flush=True)
            links.remove(link)
    heard.append(len(links))
    if not links:
        raise SystemExit("nobody is left")
pathlib.Path("heard").write_text(str(heard))
note("good")
"""
CLIENT = """
import os, pathlib, socket, time
host, _, port = os.environ["MLOPS_FEDERATED_ADDRESS"].partition(":")
while True:
    try:
        link = socket.create_connection((host, int(port))); break
    except OSError:
        time.sleep(0.2)
stream = link.makefile("rwb")
for line in stream:
    if int(line) == 3:
        pathlib.Path(f"pid-{os.environ['MLOPS_CLIENT']}").write_text(str(os.getpid()))
    time.sleep(0.6)
    stream.write(b"done\\n"); stream.flush()
"""
OWN = (
    "from datetime import datetime\nfrom airflow.sdk import DAG\n"
    "nightly = DAG('toy.nightly', start_date=datetime(2026, 1, 1), schedule=None)\n"
)


@dataclass
class Live:
    """A running Airflow with the projects of a folder."""

    lab: airflow_lab.Lab
    projects: Path
    specs: Specs

    @property
    def folder(self) -> Path:
        return self.projects / "toy"

    def publish(self) -> None:
        """Write the specs and DAG files, as the controller does when it has looked."""
        self.specs.write(discovery.found(self.projects, ()))

    def until(self, holds: Callable[[], object]) -> float:
        """Return after how many seconds it came true."""
        began = time.monotonic()
        eventually(holds, 60)
        return time.monotonic() - began

    def dags(self) -> set[str]:
        return {dag.dag_id for dag in self.lab.airflow.dags()}

    def errors(self) -> dict[str, str]:
        return {one.file: one.cause for one in self.lab.airflow.import_errors()}

    def ended(self, dag_id: str, run_id: str) -> str:
        done = {"success", "failed"}
        return str(
            eventually(
                lambda: (state := self.lab.airflow.dag_run(dag_id, run_id).state) in done and state,
                200,
            )
        )

    def states(self, dag_id: str, run_id: str) -> dict[str, str]:
        return {
            one.task_id if one.map_index < 0 else f"{one.task_id}[{one.map_index}]": str(one.state)
            for one in self.lab.airflow.task_instances(dag_id, run_id)
        }

    def evidence(self, dag_id: str, run_id: str, task: str) -> dict[str, Any]:
        file = self.lab.home.airflow / "evidence" / dag_id / run_id / f"{task}.1.json"
        return dict(json.loads(file.read_bytes()))


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    tracked = SmallMLflow()
    tracked.add("good", val_accuracy=0.97)
    tracked.register("good", 3, model__safetensors=safetensors(), config__json="{}")
    tracked.register("good", 2, model__safetensors=safetensors(9))
    with (
        airflow_lab.running(tmp_path_factory.mktemp("live")) as lab,
        tracked.served() as url,
    ):
        (lab.home.root / "settings.toml").write_text(
            f'mlflow_url = "{url}"\nserving_enabled = false\n'
        )
        found = Live(lab, tmp_path_factory.mktemp("projects"), Specs(lab.home))
        for name in ("toy", "other"):
            folder = found.projects / name
            folder.mkdir()
            (folder / "pyproject.toml").write_text(CONTRACT.replace('"toy"', f'"{name}"'))
            (folder / "requirements.txt").touch()
        files = {"noting": NOTE, "train": TRAIN, "smoke": SMOKE, "server": SERVER, "client": CLIENT}
        for name, text in files.items():
            (found.folder / f"{name}.py").write_text(text)
        found.publish()
        eventually(lambda: {"toy.train", "toy.release", "toy.federated"} <= found.dags(), 90)
        yield found


@pytest.fixture
def run_id() -> str:
    return f"test__{uuid.uuid4().hex[:12]}"


def test_a_version_that_passes_its_gates_is_released_in_one_flow(live: Live, run_id: str):
    launch = live.lab.airflow.trigger("toy.train", run_id, {})
    assert live.ended("toy.train", run_id) == "success"
    since = launch.run.run_after
    (event,) = eventually(
        lambda: [
            one
            for one in live.lab.airflow.asset_events(since).events
            if one.run_id == run_id and one.started
        ]
    )
    assert (event.task_id, event.uri) == ("gate", "mlops://toy/passed-gates")
    ((dag_id, release),) = event.started
    assert dag_id == "toy.release"
    assert live.ended(dag_id, release) == "success"
    assert live.states(dag_id, release) == {
        "package": "success",
        "deploy": "skipped",
        "smoke": "success",
    }
    folder = live.lab.home.root / "packages" / "toy" / "net" / "3"
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert (manifest["run_id"], manifest["version"]) == ("good", 3)
    smoked = live.evidence(dag_id, release, "smoke")
    assert smoked["last_lines"][-1].endswith("It is asked by its own command.")
    deployed = live.evidence(dag_id, release, "deploy")
    assert f"ready at {folder}" in deployed["last_lines"][-1]


def test_a_release_is_launched_by_hand(live: Live, run_id: str):
    airflow = live.lab.airflow
    airflow.trigger("toy.release", run_id, {"model": "net", "version": 2})
    nothing = f"{run_id}-nothing"
    airflow.trigger("toy.release", nothing, {})
    assert live.ended("toy.release", run_id) == "success"
    answer = airflow.xcom("toy.release", run_id, "smoke")
    assert isinstance(answer, dict)
    assert [one["version"] for one in answer["checked"]] == [2]
    assert live.ended("toy.release", nothing) == "failed"
    assert live.states("toy.release", nothing)["smoke"] == "upstream_failed"
    said = live.evidence("toy.release", nothing, "package")["last_lines"]
    assert said[-1].startswith("Error: Nothing says which version to release.")


def test_a_federation_goes_on_without_a_client_that_is_killed(live: Live, run_id: str):
    live.lab.airflow.trigger("toy.federated", run_id, {"clients": 3})
    victim = live.folder / "pid-1"
    eventually(lambda: victim.exists() and victim.read_text(), 200)  # it is in its third round
    os.kill(int(victim.read_text()), signal.SIGKILL)
    assert live.ended("toy.federated", run_id) == "success"
    states = live.states("toy.federated", run_id)
    assert states["client[1]"] == "failed"
    others = {name: state for name, state in states.items() if name != "client[1]"}
    assert set(others.values()) == {"success"}, others
    heard = json.loads((live.folder / "heard").read_text())
    assert (heard[0], heard[-1], len(heard)) == (3, 2, 20)
    assert live.evidence("toy.federated", run_id, "client[1]")["signal"] == "SIGKILL"
    assert live.lab.airflow.xcom("toy.federated", run_id, "clients_ended") == {
        "ended_well": 2,
        "died": 1,
    }


def epochs(live: Live) -> Any:
    params = live.lab.airflow.dag("toy.train").params
    return next(param.default for param in params if param.name == "epochs")


def test_a_changed_contract_is_a_changed_dag_soon(
    live: Live, record_property: Callable[[str, object], None]
):
    assert epochs(live) == 3
    path = live.folder / "pyproject.toml"
    path.write_text(CONTRACT.replace("default = 3", "default = 7"))
    live.publish()
    seconds = live.until(lambda: epochs(live) == 7)
    record_property("seconds", seconds)


def test_a_broken_contract_breaks_its_own_dags_alone_and_says_why(live: Live, run_id: str):
    path = live.folder / "pyproject.toml"
    before = path.read_text()
    path.write_text(before.replace('title = "Toy"', "title = 3"))
    try:
        live.publish()
        live.until(lambda: "mlops_dag_toy.py" in live.errors())
        assert "[tool.mlops] title" in live.errors()["mlops_dag_toy.py"]
        assert set(live.errors()) == {"mlops_dag_toy.py", "demo_broken.py"}
        assert "other.train" in live.dags()
        live.lab.airflow.trigger("other.release", run_id, {})
        assert live.ended("other.release", run_id) == "failed"  # it ran: nothing to release
    finally:
        path.write_text(before)
        live.publish()
    live.until(lambda: "mlops_dag_toy.py" not in live.errors() and "toy.train" in live.dags())


def test_a_dag_file_of_the_projects_own_that_raises_takes_nothing_with_it(live: Live):
    path = live.folder / "pyproject.toml"
    before = path.read_text()
    path.write_text(before.replace("retries = 0", 'retries = 0\ndags = ["good.py", "bad.py"]'))
    (live.folder / "good.py").write_text(OWN)
    (live.folder / "bad.py").write_text("raise RuntimeError('its own fault')\n")
    live.publish()
    live.until(lambda: "toy.nightly" in live.dags() and "mlops_dag_toy__1.py" in live.errors())
    assert "its own fault" in live.errors()["mlops_dag_toy__1.py"]
    assert "toy.train" in live.dags()
    assert set(live.errors()) == {"mlops_dag_toy__1.py", "demo_broken.py"}
    (live.folder / "bad.py").write_text(OWN.replace("nightly", "weekly"))
    live.until(lambda: "toy.weekly" in live.dags())
    path.write_text(before)
    live.publish()
    live.until(lambda: not {"toy.nightly", "toy.weekly"} & live.dags())

"""The generated DAGs in a real Airflow: what it lists, and how runs of a toy project end."""

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from services.actions.journal import Journal
from services.monitoring import baselines, record
from services.monitoring.baselines import Chosen
from services.monitoring.models import Baseline
from services.serving import routes
from services.serving.routes import Route, Routes
from tests.services.monitoring.predicted import HOUR_S, asked
from tests.workflows.airflow_env import AirflowSide, migrated
from tests.workflows.small_mlflow import SmallMLflow

if TYPE_CHECKING:
    import subprocess

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(300)]

CONTRACT = """
[project]
name = "toy"
version = "1"

[tool.mlops]
id = "{id}"
title = "Toy"
train = "python train.py"
data = ["data/"]
timeout = "3s"
retries = 0
primary_metric = {{ name = "val_accuracy", goal = "max" }}
gates = {{ val_accuracy = ">= 0.90" }}
params.epochs = {{ type = "int", default = 3, min = 1, max = 10 }}
params.technique = {{ type = "choice", default = "good", choices = {modes} }}
"""
TRAIN = """
import json, os, pathlib, resource, signal, sys, time
mode = next(w for w in sys.argv if w.startswith("--technique=")).partition("=")[2]
pathlib.Path("arguments").write_text(json.dumps(sys.argv[1:]))
print("training", mode, flush=True)
def log(run_id):
    line = json.dumps({"run_id": run_id, "project": "toy", "experiment_id": "1"})
    with open(os.environ["MLOPS_RUN_FILE"], "a") as file:
        file.write(line + "\\n")
if mode in ("good", "weak"):
    log(mode)
if mode == "raises":
    raise ValueError("the loss is nan")
if mode == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if mode == "memory":
    resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
    bytearray(1 << 30)
if mode == "no-data":
    open("data/train.npz")
if mode in ("sleeps", "stubborn"):
    pathlib.Path("pid").write_text(str(os.getpid()))
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
"""
MODES = ["good", "weak", "raises", "killed", "memory", "no-data", "sleeps", "stubborn"]


def toy(side: AirflowSide, name: str = "toy", more: str = "") -> Path:
    folder = side.projects / name
    folder.mkdir()
    text = CONTRACT.format(id=name, modes=json.dumps(MODES)) + more
    (folder / "pyproject.toml").write_text(text)
    (folder / "requirements.txt").touch()
    (folder / "train.py").write_text(TRAIN)
    return folder


@pytest.fixture(scope="module")
def side(tmp_path_factory: pytest.TempPathFactory) -> AirflowSide:
    made = migrated(tmp_path_factory.mktemp("airflow"))
    (made.home.secrets / "mlflow-platform.token").write_text("token")
    toy(made)
    made.publish()
    return made


def runs(side: AirflowSide, *modes: str, **variables: str) -> list[dict[str, Any]]:
    words = [w for mode in modes for w in ("toy.train", json.dumps({"technique": mode}))]
    return list(side.ask("run", *words, **variables))


def test_airflow_lists_the_dags_and_a_broken_project_breaks_only_itself(
    tmp_path_factory: pytest.TempPathFactory,
):
    side = migrated(tmp_path_factory.mktemp("listing"))
    federated = 'federated = { server = "python s.py", client = "python c.py", clients = 3 }\n'
    toy(side, more=f'schedule = "0 3 * * 1"\nevaluate = "python e.py"\n{federated}')
    broken = toy(side, "broken")
    owner = toy(side, "owner", 'dags = ["own.py"]\n')
    (owner / "own.py").write_text(
        "from datetime import datetime\nfrom airflow.sdk import DAG\n"
        "nightly = DAG('owner.nightly', start_date=datetime(2026, 1, 1), schedule=None)\n"
    )
    thief = toy(side, "thief", 'dags = ["own.py"]\n')
    (thief / "own.py").write_text("from airflow.sdk import DAG\nx = DAG('owner.train')\n")
    side.publish()
    (broken / "pyproject.toml").write_text("[tool.mlops]\nid = 3\n")
    side.publish()
    told = side.ask("bag")
    chain = {
        "data_pull": ["train"],
        "train": ["evaluate"],
        "evaluate": ["register"],
        "register": ["gate"],
        "gate": [],
    }
    dags = told["dags"]
    assert set(dags) == {
        "toy.train", "toy.retrain", "toy.federated", "owner.train", "owner.retrain",
        "owner.nightly", "platform.compare", "platform.monitor", "platform.report",
        "thief.train", "thief.retrain",
        *(f"{name}.release" for name in ("toy", "owner", "thief")),
    }  # fmt: skip
    assert dags["toy.train"]["tasks"] == chain == dags["toy.retrain"]["tasks"]
    assert dags["toy.train"]["outlets"] == ["mlops://toy/passed-gates"]
    ours = set(dags) - {"owner.nightly"}
    assert {rule for name in ours for rule in dags[name]["rules"]} == {"FairWeight"}
    assert dags["toy.train"]["schedule"] is None
    assert "0 3 * * 1" in dags["toy.retrain"]["schedule"]
    assert dags["toy.federated"]["tasks"]["meeting"] == ["client", "server"]
    assert dags["toy.train"]["params"]["epochs"] == {
        "value": 3,
        "description": None,
        "source": None,
        "schema": {"type": "integer", "title": "epochs", "minimum": 1, "maximum": 10},
    }
    monitor = dags["platform.monitor"]
    assert monitor["tasks"] == {"check": []}
    assert "0 * * * *" in monitor["schedule"]
    assert set(monitor["params"]) == {"deployments", "report"}
    assert monitor["limits"] == {"check": 3600.0}
    assert dags["platform.report"]["limits"] == {"make": 3600.0}
    projects = dags["platform.compare"]["params"]["projects"]["schema"]["items"]["enum"]
    assert {"toy", "owner"} < set(projects)
    errors = {Path(file).name: text for file, text in told["errors"].items()}
    assert set(errors) == {"mlops_dag_broken.py", "mlops_dag_thief__0.py"}
    assert "cannot be run: [tool.mlops]" in errors["mlops_dag_broken.py"]
    assert "must be named thief.SOMETHING" in errors["mlops_dag_thief__0.py"]
    assert dags["toy.release"]["tasks"] == {"package": ["deploy"], "deploy": ["smoke"], "smoke": []}
    assert "mlops://toy/passed-gates" in dags["toy.release"]["assets"]


def test_a_training_goes_through_to_its_gate_and_every_task_knows_its_run(side: AirflowSide):
    tracked = SmallMLflow()
    tracked.add("good", val_accuracy=0.97)
    tracked.add("weak", val_accuracy=0.5)
    tracked.register("good", 3)
    tracked.register("weak", 4)
    with tracked.served() as url:
        good, weak = runs(side, "good", "weak", MLOPS_MLFLOW_URL=url)
    assert good["state"] == "success"
    assert set(good["tasks"].values()) == {"success"}
    assert good["answers"]["train"]["run_ids"] == ["good"]
    assert good["answers"]["train"]["peak_bytes"] > 1_000_000
    assert good["answers"]["gate"]["passed"] is True
    assert good["answers"]["gate"]["version"] == 3
    said = json.loads((side.projects / "toy" / "arguments").read_text())
    assert said == ["--epochs=3", "--technique=weak"]
    found = side.evidence(good, "train")
    assert found["job"] == f"toy.train/{good['run_id']}/train/1"
    assert found["parameters"] == {"epochs": 3, "technique": "good"}
    assert found["packages"]["versions"]["efficientai-mlops-client"]
    assert weak["tasks"]["gate"] == "skipped"
    assert weak["state"] == "success"
    assert "val_accuracy is 0.5, which fails the gate >= 0.9." in weak["answers"]["gate"]["skip"]


def test_each_failure_is_told_apart_and_nothing_behind_it_runs(side: AirflowSide):
    modes = ("raises", "killed", "memory", "no-data", "sleeps")
    told = dict(zip(modes, runs(side, *modes), strict=True))
    outcomes = {mode: side.evidence(run, "train")["outcome"] for mode, run in told.items()}
    assert outcomes == {
        "raises": "failed",
        "killed": "signal",
        "memory": "memory",
        "no-data": "data",
        "sleeps": "timeout",
    }
    for run in told.values():
        assert run["state"] == "failed"
        assert run["tasks"]["data_pull"] == "success"
        assert run["tasks"]["train"] == "failed"
        assert {run["tasks"][t] for t in ("evaluate", "register", "gate")} == {"upstream_failed"}
    raised = side.evidence(told["raises"], "train")
    assert raised["exception"] == {"name": "ValueError", "text": "the loss is nan"}
    assert "training raises" in raised["last_lines"]


def _begun(side: AirflowSide, mode: str) -> tuple["subprocess.Popen[str]", int]:
    file = side.projects / "toy" / "pid"
    file.unlink(missing_ok=True)
    process = side.start("run", "toy.train", json.dumps({"technique": mode}))
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process, int(file.read_text())


def _ended(side: AirflowSide, pid: int) -> dict[str, Any]:
    folder = side.home.root / "airflow" / "evidence"
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        for file in folder.glob("toy.train/*/train.1.json"):
            found = json.loads(file.read_bytes())
            if found["pid"] == pid and found["outcome"] != "running":
                return dict(found)
        time.sleep(0.1)
    raise AssertionError("the training was not ended")


def test_a_cancelled_task_ends_its_training(side: AirflowSide):
    process, pid = _begun(side, "sleeps")
    os.kill(process.pid, signal.SIGTERM)  # what Airflow sends a task that is to end
    found = _ended(side, pid)
    assert (found["outcome"], found["signal"]) == ("cancelled", "SIGTERM")
    process.communicate(timeout=60)


def test_a_killed_task_ends_its_training_even_one_that_ignores_sigterm(side: AirflowSide):
    process, pid = _begun(side, "stubborn")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    found = _ended(side, pid)
    assert (found["outcome"], found["signal"]) == ("lost", "SIGKILL")
    assert "ignored SIGTERM for 20 s" in found["sentence"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_comparison_trains_one_after_another_and_ends_in_a_table(side: AirflowSide):
    tracked = SmallMLflow()
    tracked.add("good", val_accuracy=0.97)
    tracked.add("weak", val_accuracy=0.5)
    wanted = {
        "projects": ["toy"],
        "techniques": ["weak", "raises", "good"],
        "parameters": {"epochs": 2},
    }
    wrong = {"projects": ["toy"], "techniques": ["magic"]}
    beyond = {"projects": ["toy"], "parameters": {"epochs": 99}}
    words = [w for c in (wanted, wrong, beyond) for w in ("platform.compare", json.dumps(c))]
    with tracked.served() as url:
        told, refused, out_of_range = side.ask("run", *words, MLOPS_MLFLOW_URL=url)
    assert told["tasks"]["table"] == "success"
    rows = [(r["technique"], r["state"], r["best"]) for r in told["answers"]["table"]["rows"]]
    assert rows == [
        ("good", "succeeded", 0.97),
        ("weak", "succeeded", 0.5),
        ("raises", "failed", None),
    ]
    for run in (refused, out_of_range):
        assert run["tasks"]["plan"] == "failed"
        assert not any(name.startswith("train[") for name in run["tasks"])


def test_the_round_of_checks_of_the_platform_finds_what_moved(side: AirflowSide):
    now = time.time()
    routes.write(side.home, Routes(1, {"p.m": Route("p.m", "p", "m", 3, {3: 1.0}, {})}))
    asked(side.home, now - 3 * HOUR_S, 2100)
    asked(side.home, now - HOUR_S, 2000, shift=1.0, seed=1, span_s=HOUR_S - 60)
    journal = Journal(f"sqlite:///{side.home.databases / 'journal.sqlite'}")
    baselines.put(journal, "p", "m", Chosen(Baseline("first"), "mira", now))
    journal.close()
    (told,) = side.ask("run", "platform.monitor", "{}")
    assert (told["state"], told["tasks"]) == ("success", {"check": "success"})
    found = {one["kind"]: one for one in told["answers"]["check"]["verdicts"]}
    assert (found["data"]["state"], found["data"]["drifted_columns"]) == ("drifted", ["input.a"])
    assert "1 version was checked." in told["answers"]["check"]["said"]
    assert record.read(side.home).by == "platform.monitor"


def test_a_held_task_waits_without_a_slot_until_it_is_released(side: AirflowSide):
    """Airflow's triggerer part of ``dag.test()`` waits for the word of the controller."""
    file = side.home.root / "airflow" / "weights.json"

    def decide(**more: Any) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
        said = {"v": 1, "at": now, "weights": {}, "released": {}, "held": {}} | more
        file.write_text(json.dumps(said))

    decide()
    pid_file = side.projects / "toy" / "arguments"
    pid_file.unlink(missing_ok=True)
    process = side.start("run", "toy.train", json.dumps({"technique": "raises"}))
    try:
        deadline = time.monotonic() + 60
        folder = side.home.root / "airflow" / "evidence" / "toy.train"
        seen = {path.name for path in folder.iterdir()}
        while not (new := {path.name for path in folder.iterdir()} - seen):
            decide()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        (run_id,) = new
        job = f"toy.train/{run_id}/train"
        until = time.monotonic() + 8
        while time.monotonic() < until:
            decide(held={job: "It is too warm."})
            time.sleep(0.2)
        assert not pid_file.exists()
        decide(released={job: "here"})
        said, _ = process.communicate(timeout=60)
    finally:
        file.unlink(missing_ok=True)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert "It waits: It is too warm." in said
    assert pid_file.exists()

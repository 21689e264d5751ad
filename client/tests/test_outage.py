"""A real server is killed in the middle of training; every step arrives exactly once."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric
from toys import WORKSPACE, Server, ToyProject, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]

# Talks to the test over its pipes, so that nothing depends on how fast the machine is.
TRAIN = """
import sys
import mlflow

with mlflow.start_run(run_name="outage", tags={"mlops.technique": "toy"}) as run:
    print(run.info.run_id, flush=True)
    step = 0
    for line in sys.stdin:
        for _ in range(int(line)):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
            step += 1
        print(step, flush=True)
    mlflow.log_param("steps", step)
    mlflow.set_tag("done", "yes")
    with open("/proc/self/status") as status:
        mlflow.log_text(status.read(), "notes/status.txt")
"""


@pytest.fixture
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """Return a client of MLflow's own, without our plugins."""
    monkeypatch.setenv("MLFLOW_WORKSPACE", WORKSPACE)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    return MlflowClient(server.uri)


def say(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def runs_of(client: MlflowClient, **tags: str) -> list[Any]:
    experiment = client.get_experiment_by_name(WORKSPACE)
    text = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    return list(client.search_runs([experiment.experiment_id], text)) if experiment else []


def steps(history: list[Metric]) -> list[int]:
    return sorted(metric.step for metric in history)


def finish(process: subprocess.Popen[str]) -> str:
    _, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return err


def test_a_server_killed_in_the_middle_loses_and_doubles_nothing(
    server: Server, project: ToyProject, client: MlflowClient
):
    project.connect(server.uri)
    process = project.start(TRAIN)
    run_id = hear(process)
    assert say(process, "5") == "5"
    server.kill()
    assert say(process, "50") == "55"
    server.start()
    wait_for(lambda: not list(project.spool.glob("*.jsonl")), 60, "the buffer's end")
    assert say(process, "5") == "60"
    said = finish(process)
    assert steps(client.get_metric_history(run_id, "loss")) == list(range(60))
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"steps": "60"}
    assert [file.path for file in client.list_artifacts(run_id, "notes")] == ["notes/status.txt"]
    assert said.count("does not answer") == 1
    assert said.count("has been sent") == 1


FLUSH = "import mlops_client; mlops_client.flush()"

OFFLINE = """
import sys, os, signal
import mlflow

with mlflow.start_run(run_name="parent", tags={"who": os.environ["WHO"]}) as parent:
    with mlflow.start_run(run_name="child", nested=True, tags={"who": os.environ["WHO"]}):
        for step in range(2500):
            mlflow.log_metric("loss", float(step), step=step)
    mlflow.log_metric("nan", float("nan"), step=0)
    mlflow.set_tag("phase", "one")
    mlflow.set_tag("phase", "two")
    mlflow.log_dict({"a": 1}, "deep/er/file.json")
    read = mlflow.get_run(parent.info.run_id)
    assert read.data.tags["phase"] == "two", read.data.tags
    if os.environ.get("DIE"):
        os.kill(os.getpid(), signal.SIGKILL)
"""


def offline(project: ToyProject, who: str, **variables: str) -> str:
    process = project.start(OFFLINE, WHO=who, **variables)
    _, err = process.communicate(timeout=100)
    assert process.returncode == (-signal.SIGKILL if "DIE" in variables else 0), err
    return err


def test_a_run_that_never_saw_the_server_is_sent_by_the_next_process(
    server: Server, project: ToyProject, client: MlflowClient
):
    server.kill()
    project.connect(server.uri)
    assert "the next run of this project sends it" in offline(project, "whole")
    assert len(list(project.spool.glob("*.jsonl"))) == 1
    server.start()
    project.run(FLUSH)
    assert_offline_runs(client, "whole", "FINISHED")
    assert list(project.spool.glob("*.jsonl")) == []


def test_a_run_of_a_moment_sends_all_that_earlier_ones_left(
    server: Server, project: ToyProject, client: MlflowClient
):
    server.kill()
    project.connect(server.uri)
    offline(project, "first")
    offline(project, "second")
    server.start()
    project.run("import mlflow; mlflow.start_run(); mlflow.end_run()")
    assert list(project.spool.glob("*.jsonl")) == []
    assert_offline_runs(client, "first", "FINISHED")
    assert_offline_runs(client, "second", "FINISHED")


def assert_offline_runs(client: MlflowClient, who: str, status: str) -> None:
    by_name = {run.info.run_name: run for run in runs_of(client, who=who)}
    assert sorted(by_name) == ["child", "parent"]
    child, parent = by_name["child"], by_name["parent"]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert steps(client.get_metric_history(child.info.run_id, "loss")) == list(range(2500))
    assert parent.info.status == status
    assert parent.data.tags["phase"] == "two"
    assert parent.data.tags["mlops.project"] == WORKSPACE
    assert [f.path for f in client.list_artifacts(parent.info.run_id, "deep/er")] == [
        "deep/er/file.json"
    ]


def test_a_process_killed_offline_leaves_what_the_next_one_sends_once(
    server: Server, project: ToyProject, client: MlflowClient
):
    server.kill()
    project.connect(server.uri)
    offline(project, "killed", DIE="1")
    server.start()
    project.run(FLUSH)
    project.run(FLUSH)
    assert_offline_runs(client, "killed", "RUNNING")


def test_a_sender_killed_after_each_step_doubles_nothing(
    server: Server, project: ToyProject, client: MlflowClient
):
    server.kill()
    project.connect(server.uri)
    offline(project, "again", DIE="1")
    server.start()
    # Each process dies right after the server took one more batch and before it was noted.
    dying = """
import os
from mlops_client.spool import Spool
count = 0
sent = Spool.sent
def die(self, offset):
    global count
    count += 1
    if count == int(os.environ["AT"]):
        os.kill(os.getpid(), 9)
    sent(self, offset)
Spool.sent = die
import mlops_client
mlops_client.flush()
"""
    for at in (1, 2, 3, 2, 3):
        process = project.start(dying, AT=str(at))
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
    project.run(FLUSH)
    assert_offline_runs(client, "again", "RUNNING")


def test_a_frozen_server_does_not_freeze_training(
    server: Server, project: ToyProject, client: MlflowClient
):
    project.connect(server.uri)
    process = project.start(TRAIN, MLFLOW_HTTP_REQUEST_TIMEOUT="2")
    run_id = hear(process)
    server.signal(signal.SIGSTOP)
    try:
        assert say(process, "40") == "40"
    finally:
        server.signal(signal.SIGCONT)
    finish(process)
    project.run(FLUSH)
    assert steps(client.get_metric_history(run_id, "loss")) == list(range(40))
    assert client.get_run(run_id).info.status == "FINISHED"


def test_the_run_file_names_each_run_once_the_server_has_it(
    server: Server, project: ToyProject, client: MlflowClient, tmp_path: Path
):
    made = tmp_path / "runs.jsonl"
    project.connect(server.uri)
    code = "import mlflow\nwith mlflow.start_run(tags={'who': 'run file'}): pass"
    project.run(code, MLOPS_RUN_FILE=str(made))
    server.kill()
    project.run(code, MLOPS_RUN_FILE=str(made))
    assert len(made.read_text().splitlines()) == 1
    server.start()
    project.run(FLUSH)
    lines = [json.loads(line) for line in made.read_text().splitlines()]
    assert {line["run_id"] for line in lines} == {
        run.info.run_id for run in runs_of(client, who="run file")
    }
    assert {line["project"] for line in lines} == {WORKSPACE}
    assert {line["experiment_id"] for line in lines} == {
        client.get_experiment_by_name(WORKSPACE).experiment_id
    }

"""A folder that appears while the platform runs, and what its plain MLflow code logs."""

import os
import signal
import stat

import pytest

from services.settings import Settings
from tests.live import Platform, eventually

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(200)]

TALKING = """
import sys
import mlflow

with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.5, step=1)
    print(run.info.run_id, flush=True)
    sys.stdin.readline()
    mlflow.log_metric("loss", 0.25, step=2)
"""


def test_a_new_folder_is_looked_for_within_half_a_minute():
    assert Settings.model_fields["discovery_interval_s"].default <= 30


def test_a_new_folder_is_connected_and_followed(lab: Platform):
    folder = lab.project("newcomer")

    env = folder / ".mlops.env"
    eventually(env.exists)
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    eventually(lambda: lab.shown("projects", "show", "newcomer")["state"] == "connected")
    script = "import mlflow; print([e.name for e in mlflow.search_experiments()])"
    assert "newcomer" in lab.run(folder, script)[0]


def test_a_run_is_seen_while_it_runs_and_lost_when_its_process_is_killed(lab: Platform):
    process = lab.start(lab.connected("newcomer"), TALKING)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()

    live = lab.followed(run_id, "running")
    assert live["project"] == live["tags"]["mlops.project"] == "newcomer"
    eventually(lambda: lab.shown("runs", "show", run_id)["metrics"] == {"loss": 0.5})
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    lost = lab.followed(run_id, "lost")
    assert lost["status_reason"] == "its process has ended without closing the run"
    assert lost["metrics"] == {"loss": 0.5}


def test_a_run_of_another_machine_is_lost_when_its_heart_stops(lab: Platform):
    quiet = """
import time
import mlflow

client = mlflow.MlflowClient()
experiment = mlflow.get_experiment_by_name("newcomer").experiment_id
tags = {"mlops.host": "elsewhere", "mlops.pid": "1", "mlops.heartbeat": str(int(time.time()) - 16)}
print(client.create_run(experiment, tags=tags).info.run_id)
"""
    run_id, _ = lab.run(lab.connected("newcomer"), quiet)
    lost = lab.followed(run_id, "lost")
    assert "its last heartbeat is" in lost["status_reason"]

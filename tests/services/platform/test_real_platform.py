"""The command line and the real engines, from a fresh home to nothing left."""

import json
import os
import signal
import subprocess
import sys

import pytest

from services.platform import processes
from services.platform.probes import HttpProbe
from tests.services.platform.conftest import ROOT, free_port, noted, wait_until

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def mlops(home, tmp_path, monkeypatch):
    monkeypatch.setenv("MLOPS_MLFLOW_PORT", str(free_port()))
    monkeypatch.setenv("MLOPS_DASHBOARD_PORT", str(free_port()))
    monkeypatch.setenv("MLOPS_TELEMETRY_PORT", str(free_port()))
    monkeypatch.setenv("MLOPS_AIRFLOW_PORT", str(free_port()))
    monkeypatch.setenv("MLOPS_GATEWAY_PORT", str(free_port()))
    monkeypatch.setenv("MLOPS_PROJECTS_ROOT", str(tmp_path))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )

    yield run
    run("down")


def engines(mlops):
    document = json.loads(mlops("status", "--json").stdout)
    return {engine["name"]: engine for engine in document["engines"]}


def test_up_down_and_a_killed_supervisor(mlops, home):
    started = mlops("up", "--wait")
    assert started.returncode == 0, started.stdout + started.stderr
    assert "password" in started.stdout
    assert "Dashboard: http://127.0.0.1:" in started.stdout
    first = engines(mlops)
    assert {engine["state"] for engine in first.values()} == {"live"}
    assert first["mlflow"]["version"] == "3.17.2"
    assert first["airflow"]["version"] == "3.3.2"
    assert [part["state"] for part in first["airflow"]["parts"]] == ["live"] * 4
    assert all(engine["rss_bytes"] > 10 << 20 for engine in first.values())
    assert HttpProbe(f"{first['dashboard']['url']}/_stcore/health")(0.0).ready

    document = json.loads((home.run / "supervisor.pid").read_text())
    os.kill(document["pid"], signal.SIGKILL)
    wait_until(lambda: {one["state"] for one in engines(mlops).values()} == {"stale"})
    again = mlops("up", "--wait")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "password" not in again.stdout
    assert {n: e["pid"] for n, e in engines(mlops).items()} == {
        n: e["pid"] for n, e in first.items()
    }

    assert "already runs" in mlops("up", "--wait").stdout
    restarted = mlops("restart", "controller")
    assert restarted.returncode == 0, restarted.stderr
    assert engines(mlops)["controller"]["pid"] != first["controller"]["pid"]

    members = [one for name in first for one in noted(home, name).members]
    assert len(members) > 3
    stopped = mlops("down")
    assert stopped.returncode == 0, stopped.stderr
    assert "Stopped everything" in stopped.stdout
    assert not [one for one in members if one.alive]
    assert processes.living(processes.marked(home.root)) == []
    assert {one["state"] for one in engines(mlops).values()} == {"down"}

"""A scratch MLflow for benchmarks: our server app, a home of its own, many runs in its database.

The runs are generated (seeded, so every machine gets the same) and put straight into the scratch
database, because logging 100,000 runs over REST would take an hour. They exist to be searched, in a
folder that is thrown away; nothing of them is ever shown as a result.
"""

import contextlib
import hashlib
import json
import os
import random
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

PROJECTS = 9
METRICS = 20
PARAMS = 15
TOKEN = "benchmark"  # noqa: S105 - of a scratch server on loopback
_STATES = ["FINISHED"] * 17 + ["FAILED"] * 2 + ["KILLED"]


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(home: Path) -> Iterator[str]:
    """Start MLflow with ``home`` and yield its URL."""
    secrets = home / "secrets"
    secrets.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    known = {digest: {"name": "platform", "workspace": None}}
    (secrets / "mlflow-tokens.json").write_text(json.dumps(known))
    (secrets / "mlflow-platform.token").write_text(TOKEN)
    (home / "mlflow").mkdir(exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "mlops"]
    command += ["--enable-workspaces", "--workers", "1", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{home}/mlflow/mlflow.db"]
    command += ["--artifacts-destination", str(home / "mlflow" / "artifacts")]
    variables = os.environ | {
        "MLOPS_HOME": str(home),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with (home / "mlflow.log").open("ab") as log:
        process = subprocess.Popen(
            command, env=variables, stdout=log, stderr=log, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process)
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit("MLflow ended while starting; see mlflow.log in its home.")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health"):  # noqa: S310
            return
        time.sleep(0.1)
    raise SystemExit("MLflow did not answer within a minute.")


def seed(home: Path, runs: int) -> None:
    """Put ``runs`` runs over nine workspaces into the scratch database of a stopped MLflow."""
    connection = sqlite3.connect(home / "mlflow" / "mlflow.db")
    rng = random.Random(7)  # noqa: S311 - data to search, not a secret
    each = runs // PROJECTS
    base = int(time.time() * 1000) - runs * 1000
    number = 0
    for project in range(PROJECTS):
        workspace, experiment = f"project-{project}", 1000 + project
        connection.execute("INSERT INTO workspaces(name) VALUES (?)", (workspace,))
        connection.execute(
            "INSERT INTO experiments VALUES (?, ?, ?, 'active', ?, ?, ?)",
            (experiment, workspace, "mlflow-artifacts:/x", base, base, workspace),
        )
        count = each + (runs - each * PROJECTS if project == 0 else 0)
        for _ in range(count):
            number += 1
            _insert(connection, rng, number, experiment, base)
    connection.commit()
    connection.close()


def _insert(
    connection: sqlite3.Connection, rng: random.Random, number: int, experiment: int, base: int
) -> None:
    run_id, started = f"{number:032x}", base + number * 1000
    ended = started + rng.randrange(1_000, 3_600_000)
    state = rng.choice(_STATES)
    connection.execute(
        "INSERT INTO runs VALUES (?, ?, 'LOCAL', 'train.py', '', 'ana', ?, ?, ?, '', 'active', "
        "'mlflow-artifacts:/x', ?, NULL)",
        (run_id, f"run-{number}", state, started, ended, experiment),
    )
    metrics = [(f"metric_{k}", rng.random(), ended, 10, 0, run_id) for k in range(METRICS)]
    connection.executemany("INSERT INTO latest_metrics VALUES (?, ?, ?, ?, ?, ?)", metrics)
    connection.executemany(
        "INSERT INTO metrics(key, value, timestamp, step, is_nan, run_uuid) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        metrics,
    )
    params = [(f"param_{k}", str(rng.randrange(20)), run_id) for k in range(PARAMS)]
    connection.executemany("INSERT INTO params VALUES (?, ?, ?)", params)
    technique = rng.choice(["full", "lora-r4", "lora-r8", "dora", "prefix"])
    tags = [("mlops.technique", technique, run_id), ("mlflow.runName", f"run-{number}", run_id)]
    connection.executemany("INSERT INTO tags VALUES (?, ?, ?)", tags)

"""What the client costs: a loop of 10,000 logged steps with our plugins, against plain MLflow.

    python benchmarks/client_overhead.py [--rounds 5] [--steps 10000]

Starts an MLflow server of its own and compares medians on it, plain and ours in alternating order:
batches in one process, and whole loops in fresh processes. ``loop`` is the time the training thread
spends in the loop, ``total`` until the last step is on the server, ``cpu`` the process's processor
time: the figure that other load on the machine disturbs least. The project has a home folder, 1,000
files of data and a model, all recorded: what the client looks at and writes for them is included.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLIENT = Path(__file__).parents[1] / "client"
PROJECT = "overhead"
DATA_FILES = 1000
REVISION = "0123456789abcdef"
Found = dict[str, list[dict[str, float]]]

ASYNC = """
import json, sys, time
import mlflow

steps = int(sys.argv[1])
begun = time.perf_counter()
run_id = mlflow.start_run().info.run_id
start_run = time.perf_counter() - begun
begun, cpu = time.perf_counter(), time.process_time()
for step in range(steps):
    mlflow.log_metric("loss", 1 / (step + 1), step=step, synchronous=False)
loop = time.perf_counter() - begun
mlflow.flush_async_logging()
total, cpu = time.perf_counter() - begun, time.process_time() - cpu
store = type(mlflow.tracking._tracking_service.utils._get_store()).__name__
run = mlflow.MlflowClient().get_run(run_id)
arrived = run.data.metrics["loss"] == 1 / steps
data = run.data.tags.get("mlops.data.revision")
mlflow.end_run()
print(json.dumps({"start_run": start_run, "loop": loop, "total": total, "cpu": cpu,
                  "store": store, "arrived": arrived, "data": data}), file=sys.stderr)
"""

# Both stores in one process, batch by batch in turn, so that other load hits both alike.
BATCHES = """
import json, os, sys, time
from functools import partial
import mlflow
from mlflow.entities import Metric
from mlflow.store.tracking.rest_store import RestStore
from mlflow.tracking._tracking_service.utils import _get_store
from mlflow.utils.credentials import get_default_host_creds

steps, rounds = int(sys.argv[1]), int(sys.argv[2])
plain = RestStore(partial(get_default_host_creds, os.environ["MLFLOW_TRACKING_URI"]))
stores = {"plain": plain, "ours": _get_store()}
assert type(stores["ours"]).__name__ == "BufferedStore"
found = {side: [] for side in stores}
for number in range(rounds):
    runs = {side: mlflow.MlflowClient().create_run("EXPERIMENT").info.run_id for side in stores}
    for first in range(0, steps, 1000):
        points = [Metric("loss", 1 / (s + 1), time.time_ns() // 1_000_000, s)
                  for s in range(first, first + 1000)]
        for side in sorted(stores, reverse=(number + first // 1000) % 2 == 0):
            begun, cpu = time.perf_counter(), time.process_time()
            stores[side].log_batch(runs[side], points, [], [])
            found[side].append({"batch": time.perf_counter() - begun,
                                "cpu": time.process_time() - cpu})
print(json.dumps(found), file=sys.stderr)
"""


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Run a server until the block ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--enable-workspaces", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    off = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=os.environ | off, stdout=log, stderr=log, start_new_session=True
        )
    uri = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(uri)
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def wait_until_up(uri: str) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{uri}/health", timeout=2).close()  # noqa: S310 - loopback
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("The MLflow server did not start; its log is in the temporary folder.")


def import_paths(folder: Path) -> dict[str, str]:
    """Return the import path with our entry points, without installing anything, and one without.

    Both are as long: MLflow tries to import pyspark in every call, which each folder makes slower.
    """
    info = folder / "ours" / "efficientai_mlops_client-0.dist-info"
    info.mkdir(parents=True)
    (folder / "plain").mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: efficientai-mlops-client\n")
    groups = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = []
    for group, entries in groups.items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    source = str(CLIENT / "src")
    return {side: os.pathsep.join([str(folder / side), source]) for side in ("plain", "ours")}


def child(folder: Path, uri: str, path: str, code: str, *arguments: object) -> str:
    """Run code in a process of its own; return the last line it wrote to stderr."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("MLFLOW", "MLOPS"))}
    kept |= {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_EXPERIMENT_NAME": PROJECT,
        "MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS": "1",
        "PYTHONPATH": path,
        "MLOPS_HOME": str(folder.parent / "home"),
        "MLOPS_SPOOL": str(folder / ".mlops" / "spool"),
        "MLOPS_TRACK": json.dumps(["/bin/false"]),  # asked only if the files had changed
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        env=kept,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stderr.splitlines()[-1]


def recorded_project(folder: Path) -> None:
    """Make a project whose data and model were recorded and have not changed since."""
    sys.path.insert(0, str(CLIENT / "src"))
    from mlops_client.fingerprint import look

    (folder.parent / "home" / "data" / PROJECT).mkdir(parents=True)
    for name in ("data", "models", ".mlops/versions"):
        (folder / name).mkdir(parents=True)
    for number in range(DATA_FILES):
        (folder / "data" / f"{number}.txt").write_text(str(number))
    (folder / "models" / "model").write_text("weights")
    for kind in ("data", "models"):
        noted = {"revision": REVISION, "fingerprint": look(folder, [kind]).fingerprint}
        (folder / ".mlops" / "versions" / f"{kind}.json").write_text(json.dumps(noted))
    table = f'[tool.mlops]\nid = "{PROJECT}"\ndata = ["data"]\nmodels = ["models"]\n'
    (folder / "pyproject.toml").write_text(table)


def loops(folder: Path, uri: str, options: argparse.Namespace, paths: dict[str, str]) -> Found:
    found: Found = {"plain": [], "ours": []}
    for number in range(options.rounds):
        for side in ("plain", "ours") if number % 2 else ("ours", "plain"):
            said = json.loads(child(folder, uri, paths[side], ASYNC, options.steps))
            expected = "RestStore" if side == "plain" else "BufferedStore"
            known = said.pop("data") == (None if side == "plain" else REVISION)
            if said.pop("store") != expected or not said.pop("arrived") or not known:
                raise SystemExit(f"{side}: not a fair comparison")
            found[side].append(said)
    return found


def table(title: str, found: Found) -> None:
    print(f"\n{title}\n{'':10} {'plain':>9} {'ours':>9} {'ratio':>7}")
    for figure in found["plain"][0]:
        plain, ours = (
            statistics.median(run[figure] for run in found[side]) for side in ("plain", "ours")
        )
        print(f"{figure:10} {plain:9.4f} {ours:9.4f} {ours / plain:7.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, mlflow_server(Path(name)) as uri:
        folder = Path(name) / PROJECT
        recorded_project(folder)
        paths = import_paths(Path(name))
        made = "import mlflow, sys; print(mlflow.create_experiment(sys.argv[1]), file=sys.stderr)"
        experiment = child(folder, uri, paths["plain"], made, PROJECT)
        print(f"{options.steps:,} steps, medians of {options.rounds} rounds, seconds")
        code = BATCHES.replace("EXPERIMENT", experiment)
        batches = json.loads(child(folder, uri, paths["ours"], code, options.steps, options.rounds))
        table("log_batch of 1,000 points, both in one process in turn", batches)
        table(
            "mlflow.log_metric, MLflow's own asynchronous batching",
            loops(folder, uri, options, paths),
        )


if __name__ == "__main__":
    main()

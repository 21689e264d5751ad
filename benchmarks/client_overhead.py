"""What the client costs: a loop of 10,000 logged steps with our plugins, against plain MLflow.

    python benchmarks/client_overhead.py [--rounds 5] [--steps 10000]

Starts an MLflow server of its own. Each round runs plain MLflow and ours in fresh processes, in
alternating order on the same server; the table compares medians. ``loop`` is the time the training
thread spends in the loop, ``total`` until the last step is on the server, ``cpu`` the process's
processor time for it: the figure that other load on the machine disturbs least.
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
WAYS = {
    "async": "mlflow.log_metric, MLflow's own asynchronous batching",
    "batch": "log_batch of 1,000 metrics",
}
FIGURES = ("start_run", "loop", "total", "cpu")

CHILD = """
import json, os, sys, time
import mlflow
from mlflow.entities import Metric

steps, way = int(sys.argv[1]), sys.argv[2]
begun = time.perf_counter()
run = mlflow.start_run()
start_run = time.perf_counter() - begun
run_id = run.info.run_id
client = mlflow.MlflowClient()
begun, cpu = time.perf_counter(), time.process_time()
if way == "async":
    for step in range(steps):
        mlflow.log_metric("loss", 1 / (step + 1), step=step, synchronous=False)
    loop = time.perf_counter() - begun
    mlflow.flush_async_logging()
else:
    points = []
    for step in range(steps):
        points.append(Metric("loss", 1 / (step + 1), time.time_ns() // 1_000_000, step))
        if len(points) == 1000:
            client.log_batch(run_id, metrics=points)
            points = []
    loop = time.perf_counter() - begun
total, cpu = time.perf_counter() - begun, time.process_time() - cpu
store = type(mlflow.tracking._tracking_service.utils._get_store()).__name__
arrived = client.get_run(run_id).data.metrics["loss"] == 1 / steps
mlflow.end_run()
print(json.dumps({"start_run": start_run, "loop": loop, "total": total, "cpu": cpu, "store": store,
                  "arrived": arrived}), file=sys.stderr)
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


def measure(folder: Path, uri: str, way: str, steps: int, path: str) -> dict[str, float]:
    """Run the loop once, with our plugins on ``path`` or without."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("MLFLOW", "MLOPS"))}
    kept |= {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_EXPERIMENT_NAME": PROJECT,
        "MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS": "1",
        "PYTHONPATH": path,
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(steps), way],
        cwd=folder,
        env=kept,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    said: dict[str, float] = json.loads(done.stderr.splitlines()[-1])
    expected = "RestStore" if "plain" in path else "BufferedStore"
    if said["store"] != expected or not said["arrived"]:
        raise SystemExit(f"Not a fair comparison: {said}")
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, mlflow_server(Path(name)) as uri:
        folder = Path(name) / PROJECT
        folder.mkdir()
        (folder / "pyproject.toml").write_text(f'[tool.mlops]\nid = "{PROJECT}"\n')
        paths = import_paths(Path(name))
        measure(folder, uri, "batch", 1000, paths["plain"])  # the experiment, caches
        print(f"{options.steps:,} steps, medians of {options.rounds} rounds, seconds")
        for way, title in WAYS.items():
            found = rounds(folder, uri, way, options, paths)
            print(f"\n{title}\n{'':10} {'plain':>9} {'ours':>9} {'ratio':>7}")
            for figure in FIGURES:
                plain, ours = (
                    statistics.median(run[figure] for run in found[side])
                    for side in ("plain", "ours")
                )
                print(f"{figure:10} {plain:9.3f} {ours:9.3f} {ours / plain:7.3f}")


def rounds(
    folder: Path, uri: str, way: str, options: argparse.Namespace, paths: dict[str, str]
) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {"plain": [], "ours": []}
    for number in range(options.rounds):
        for side in ("plain", "ours") if number % 2 else ("ours", "plain"):
            found[side].append(measure(folder, uri, way, options.steps, paths[side]))
    return found


if __name__ == "__main__":
    main()

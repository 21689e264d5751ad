"""How soon a launch runs, and how soon a decision of the thermal policy reaches the scheduler.

    python -m benchmarks.workflows --home HOME [--dag PROJECT.train] [--runs 7]

HOME is that of a platform that runs (`mlops up`); its queue should be empty. In turn, so that both
see the same machine: a launch as the page does it (an action in the journal, which the controller
executes), and Airflow's own `dags trigger`. Each is timed until the process of the run's first task
runs, from when it was asked for; every run is cancelled then. Airflow's command takes seconds to
start; so what counts for it is also told from when its run was made.

For the policy a machine that is not there sends a sample that it is hot, and then waits until
Airflow's pool of its heavy slots is closed.
"""

import argparse
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from services.actions.workflow_cancel import CancelRun
from services.actions.workflow_launch import LaunchWorkflow, launched
from services.commands.acting import perform
from services.engines.airflow.adapter import Airflow
from services.engines.registry import build_airflow, read_ports
from services.engines.silicon.models import Machine, Reading, Sample
from services.home import Home, toolkit_root
from services.settings import Settings
from services.telemetry import tokens
from services.telemetry.batches import encode, pack
from services.telemetry.collector import Collector

BOUND_S, BOUND_TIMES, BOUND_POLICY_S = 6.0, 1.2, 5.0
_PATIENCE_S = 120.0
_HOT = "hot-mac-00000000"


def until(holds: Callable[[], object], what: str) -> float:
    """Wait until something holds; return the seconds it took."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > _PATIENCE_S:
            raise SystemExit(f"{what} did not come within {_PATIENCE_S:.0f} s.")
        time.sleep(0.02)
    return time.monotonic() - began


def evidence(home: Home, dag_id: str, run_id: str) -> bool:
    """Return whether the first task's process runs: its runner has written of it."""
    folder = home.airflow / "evidence" / dag_id / run_id
    return any(folder.glob("*.json"))


def by_action(home: Home, dag_id: str) -> tuple[float, str]:
    began = time.monotonic()
    made = launched(perform(LaunchWorkflow(dag_id, note="A benchmark.")))
    assert made is not None
    until(lambda: evidence(home, dag_id, made[1]), "The process of the launch")
    return time.monotonic() - began, made[1]


def by_airflow(home: Home, airflow: Airflow, dag_id: str, number: int) -> tuple[float, float, str]:
    """Return the seconds from the command and from the run's making, and the run."""
    run_id = f"benchmark-{os.getpid()}-{number}"
    config = {
        "AIRFLOW_HOME": str(home.airflow),
        "AIRFLOW_CONFIG": str(home.airflow / "airflow.cfg"),
        "PYTHONPATH": str(toolkit_root() / "workflows" / "src"),
        "MLOPS_HOME": str(home.root),
    }
    began = time.time()
    with subprocess.Popen(
        [toolkit_root() / ".venv-airflow" / "bin" / "airflow", "dags", "trigger", dag_id,
         "--run-id", run_id],
        env=os.environ | config, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ):  # fmt: skip
        until(lambda: evidence(home, dag_id, run_id), "The process of `airflow dags trigger`")
        ended = time.time()
    queued = airflow.dag_run(dag_id, run_id).queued_at
    assert queued is not None
    return ended - began, ended - queued.timestamp(), run_id


def cancel(airflow: Airflow, dag_id: str, run_id: str) -> None:
    perform(CancelRun(dag_id, run_id))
    until(lambda: airflow.dag_run(dag_id, run_id).state in {"failed", "success"}, "The end")
    time.sleep(3)  # its process is given its grace


def policy(home: Home, airflow: Airflow, runs: int) -> list[float]:
    """Return the seconds from a hot sample to a closed pool."""
    name = f"benchmark-{os.getpid()}"
    token = tokens.make(home.secrets / tokens.FOLDER, name)
    port = read_ports(home.root).get("telemetry", 9470)
    collector = Collector(f"http://127.0.0.1:{port}", token)
    machine = Machine(_HOT, "Apple M3 Max", apple_silicon=True, os="macOS 15", gpu_cores=30,
                      memory_bytes=64 << 30)  # fmt: skip
    pool = f"mlops_gpu@{_HOT}"

    def send(level: float) -> None:
        reading = Reading("thermal_level", level, "measured", "benchmark")
        sample = Sample(_HOT, datetime.now(UTC), 1.0, (reading,))
        collector.send(pack(machine, (), (encode(sample),)))

    def slots() -> int:
        return next((one.slots for one in airflow.pools() if one.name == pool), -1)

    found = []
    for _ in range(runs):
        send(0.0)
        calm = time.monotonic()
        while slots() != 0 or time.monotonic() - calm < 75:  # hysteresis: a minute of calm
            if slots() > 0:
                break
            send(0.0)
            time.sleep(1)
        send(2.0)
        began = time.monotonic()
        until(lambda: slots() == 0, "A closed pool")
        found.append(time.monotonic() - began)
    collector.close()
    return found


def row(name: str, figures: list[float], bound: str = "") -> str:
    middle = statistics.median(figures)
    return f"{name:<44}{min(figures):8.2f}{middle:8.2f}{max(figures):8.2f}   {bound}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--dag", default="lora-finetuning.train")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--policy-runs", type=int, default=2)
    options = parser.parse_args()
    os.environ["MLOPS_HOME"] = str(options.home.resolve())
    home, settings = Home.locate(), Settings()
    airflow = build_airflow(home, settings)
    ours, theirs, made = [], [], []
    for number in range(options.runs):
        seconds, run_id = by_action(home, options.dag)
        ours.append(seconds)
        cancel(airflow, options.dag, run_id)
        whole, since, run_id = by_airflow(home, airflow, options.dag, number)
        theirs.append(whole)
        made.append(since)
        cancel(airflow, options.dag, run_id)
    middle = statistics.median(ours)
    print(f"{'seconds':<44}{'least':>8}{'median':>8}{'most':>8}")
    print(row("launch as the page does it", ours, f"bound {BOUND_S:.0f}"))
    print(row("airflow dags trigger, from the command", theirs))
    print(row("airflow dags trigger, from the run's making", made))
    times = middle / statistics.median(theirs)
    print(f"ours is {times:.2f} of Airflow's own (bound {BOUND_TIMES})")
    if options.policy_runs:
        found = policy(home, airflow, options.policy_runs)
        print(row("hot sample to closed pool", found, f"bound {BOUND_POLICY_S:.0f}"))


if __name__ == "__main__":
    main()

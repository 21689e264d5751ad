"""How long `mlops up --wait` and `mlops down` take, with the real engines in a home of their own.

    python -m benchmarks.up_down [--runs 3]

Each run is a process started and timed from outside. The first `up` in a new home makes databases
and secrets and is shown apart ("first"); the others find them there ("warm"). The bounds: the
dashboard answers within 10 s, everything is live within 40 s, all is gone within 10 s.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOUNDS_S = {"dashboard": 10.0, "up": 40.0, "down": 10.0}


def mlops(home: Path, *arguments: str) -> tuple[float, float | None]:
    """Run a command; return its seconds, and when it said where the dashboard is."""
    settings = {
        "MLOPS_HOME": str(home / "home"),
        "MLOPS_PROJECTS_ROOT": str(home),
        "MLOPS_MLFLOW_PORT": "45000",
        "MLOPS_DASHBOARD_PORT": "45001",
        "MLOPS_TELEMETRY_PORT": "45002",
        "MLOPS_AIRFLOW_PORT": "45003",
        "PYTHONPATH": str(ROOT),
    }
    began = time.perf_counter()
    dashboard = None
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "services.cli", *arguments],
        cwd=ROOT,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Dashboard: http"):
                dashboard = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"mlops {' '.join(arguments)} failed:\n{''.join(lines)}")
    return time.perf_counter() - began, dashboard


def row(name: str, figures: list[float], bound_s: float | None) -> str:
    middle = statistics.median(figures)
    told = f"{name:<18}{min(figures):8.1f}{middle:8.1f}{max(figures):8.1f}"
    if bound_s is None:
        return told
    return f"{told}   bound {bound_s:.0f} s, median is {middle / bound_s:.2f} of it"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    figures: dict[str, list[float]] = {"dashboard": [], "up": [], "down": []}
    first = 0.0
    with tempfile.TemporaryDirectory(prefix="mlops-up-down-") as folder:
        home = Path(folder)
        try:
            for number in range(runs + 1):
                up_s, dashboard_s = mlops(home, "up", "--wait")
                down_s, _ = mlops(home, "down")
                if number == 0:
                    first = up_s
                    continue
                figures["up"].append(up_s)
                figures["down"].append(down_s)
                if dashboard_s is not None:
                    figures["dashboard"].append(dashboard_s)
        finally:
            mlops(home, "down")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load}; {runs} warm runs; seconds")
    print(f"{'':<18}{'min':>8}{'median':>8}{'max':>8}")
    print(row("dashboard answers", figures["dashboard"], BOUNDS_S["dashboard"]))
    print(row("all engines live", figures["up"], BOUNDS_S["up"]))
    print(row("all gone", figures["down"], BOUNDS_S["down"]))
    print(row("first up ever", [first], None))


if __name__ == "__main__":
    main()

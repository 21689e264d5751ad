"""The process ``python -m services.monitoring``: one check of what is deployed, then it ends.

A line of JSON a verdict. It is a process of its own because what it loads (DuckDB, SciPy) is not to
stay in a process that runs for weeks; whoever wants it each hour starts it each hour.
"""

import argparse
import contextlib
import json
import sys

from services.engines.evidently.adapter import Evidently
from services.engines.registry import build_engines
from services.errors import MlopsError
from services.home import Home
from services.monitoring import deployed
from services.monitoring.computing import Checked, Monitor
from services.monitoring.deployed import Deployed
from services.monitoring.reference import Baseline
from services.monitoring.store import VerdictStore
from services.settings import Settings
from services.telemetry.folder import lock

KINDS = ("auto", "evaluation", "first", "season")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.monitoring", description=__doc__)
    parser.add_argument("deployment", nargs="*", help="PROJECT.MODEL; all when none is named")
    parser.add_argument("--baseline", choices=KINDS, default="auto")
    parser.add_argument("--weeks", type=int, default=4, help="of the baseline season")
    report = parser.add_argument_group("Evidently's report; else where it is worth its seconds")
    report.add_argument("--report", action=argparse.BooleanOptionalAction)
    return parser.parse_args()


def main() -> int:
    """Check, and say what came of it; 1 when a check failed."""
    asked = _arguments()
    home = Home.locate()
    home.create()
    try:
        lock(home.run / "monitoring.lock", f"Another check of {home.root} is under way.")
        with contextlib.closing(VerdictStore(home)) as store:
            found = _checked(home, store, asked)
    except MlopsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for one, came in found.items():
        for document in deployed.documents(one, came):
            sys.stdout.write(json.dumps(document) + "\n")
    return int(any(isinstance(came, MlopsError) for came in found.values()))


def _checked(
    home: Home, store: VerdictStore, asked: argparse.Namespace
) -> dict[Deployed, Checked | MlopsError]:
    settings = Settings()
    mlflow = build_engines(home, settings.mlflow_url, settings.mlflow_port).mlflow
    monitor = Monitor(home, store, mlflow, Evidently())
    baseline = Baseline(asked.baseline, weeks=asked.weeks)
    versions = deployed.versions(home, asked.deployment)
    return monitor.check_all(versions, baseline=baseline, report=asked.report)


if __name__ == "__main__":
    sys.exit(main())

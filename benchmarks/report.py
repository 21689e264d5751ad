"""How long a report of nine projects takes, and how large it is, over a large installation.

    .venv/bin/python -m benchmarks.report [--runs 100000] [--requests 90000] [--home FOLDER]

Nine projects with a live endpoint each, 100,000 runs in the period, two weeks of hourly checks of
four kinds and 20 columns, 500 alerts, and a prediction log. The report is made by the process that
pages start, so what is measured begins with the start of Python. Bounds: 10 s, 3 MB. ``--home``
keeps what was made, so that a second run begins at once.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks import lineage
from benchmarks.lineage import BEGUN_MS, PROJECTS
from services.actions.journal import Journal
from services.alerting import deciding
from services.alerting.models import Event, Policy
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.monitoring.models import ColumnVerdict, Family, Histogram, Verdict
from services.monitoring.store import VerdictStore, verdict_id
from services.predictions.log import PredictionLog
from services.predictions.models import Record
from services.reports import kept
from services.reports.making import Wish
from tests.deployments_seed import request_id

DAY = 86_400.0
BOUND_S, BOUND_BYTES = 10.0, 3_000_000
_KINDS: tuple[Family, ...] = ("data", "prediction", "quality", "accuracy")
_COLUMNS, _ALERTS, _TIMES = 20, 500, 3
_BARS = Histogram(tuple(float(n) for n in range(11)), (), (0.1,) * 10)


def main() -> int:
    """Run the benchmark; 1 when a bound is not held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=90_000)
    parser.add_argument("--home", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = Home((options.home or Path(scratch)).resolve())
        home.create()
        until = BEGUN_MS / 1000 + options.runs
        if not (home.databases / "mirror.sqlite").exists():
            _fill(home, options.runs, options.requests, until)
        return _measure(home, until)


def _fill(home: Home, runs: int, requests: int, until: float) -> None:
    lineage.fill(home, runs, 5_000)
    engine = schema.open_engine(f"sqlite:///{home.databases / 'mirror.sqlite'}")
    for project in PROJECTS:
        document = {"title": project, "kind": "large", "priority": 1, "path": f"/x/{project}"}
        Store(engine).write_project(project, "connected", document)
    engine.dispose()
    _checks(home, until)
    _alerts(home, until)
    _log(home, requests, until)


def _checks(home: Home, until: float) -> None:
    store, chance = VerdictStore(home), random.Random(5)  # noqa: S311 - the same each time
    for hour in range(14 * 24, 0, -1):
        for project in PROJECTS:
            at = until - hour * 3600
            store.record([_verdict(project, kind, at, chance) for kind in _KINDS])
    store.close()


def _verdict(project: str, kind: Family, at: float, chance: random.Random) -> Verdict:
    drifted = chance.random() < 0.1
    columns = tuple(
        ColumnVerdict(
            f"input.column_{n}", "input", "numeric", "drifted" if drifted and n < 3 else "steady",
            chance.random(), 0.1, "Wasserstein", 0.01, 2000, 2000, 0.05, _BARS, _BARS, "moved",
        )
        for n in range(_COLUMNS)
    )  # fmt: skip
    return Verdict(
        verdict_id(at), project, "model", 1, kind, at, "evaluation", at - 3600, at, 2000, columns,
        0.15 if drifted else 0.0, "medium" if drifted else "none",
        "drifted" if drifted else "steady", f"{kind} of {project}",
    )  # fmt: skip


def _alerts(home: Home, until: float) -> None:
    journal = Journal(f"sqlite:///{home.databases / 'journal.sqlite'}")
    for number in range(_ALERTS):
        at = until - 13 * DAY + number * 2000
        project = PROJECTS[number % 9]
        one = Event(
            f"drift/{project}/model-{number}/data", at, "firing", "warning", project,
            f"Drift {number}", "It drifted.", "A column moved.",
        )  # fmt: skip
        over = Event(one.key, at + 1500, "ok", said="It is steady.")
        deciding.decide(journal, [one], at, Policy())
        deciding.decide(journal, [over], at + 1500, Policy())
    journal.close()


def _log(home: Home, requests: int, until: float) -> None:
    log, chance = PredictionLog.open(home, "gateway"), random.Random(7)  # noqa: S311 - the same
    for number in range(requests):
        at = until - 13 * DAY * (1 - number / requests)
        project = PROJECTS[number % 9]
        log.append(Record(request_id(at, chance), at, project, "model", 1, "plain", 200, 3.0))
    log.close()


def _measure(home: Home, until: float) -> int:
    variables = {"MLOPS_HOME": str(home.root), "MLOPS_MIRROR_URL": "", "MLOPS_JOURNAL_URL": ""}
    held = True
    for project in (None, PROJECTS[0]):
        wish = Wish(kept.new_name(until, str(project)), project, until - 7 * DAY, until, "bench")
        times = []
        for _ in range(_TIMES):
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-P", "-m", "services.reports", "make"],
                input=json.dumps(asdict(wish)), text=True, check=True, env=os.environ | variables,
            )  # fmt: skip
            times.append(time.perf_counter() - start)
        made = kept.find(home, wish.name)
        assert made is not None and not made.missing, made  # noqa: PT018 - it was just made
        of = "nine projects" if project is None else "one project"
        print(f"  {of:14} {sorted(times)[1]:6.2f} s (longest {max(times):.2f}), "
              f"{made.bytes / 1e6:.3f} MB")  # fmt: skip
        held = held and max(times) <= BOUND_S and made.bytes <= BOUND_BYTES
    print("  bounds held" if held else f"  NOT within {BOUND_S:g} s and {BOUND_BYTES / 1e6:g} MB")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

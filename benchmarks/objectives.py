"""Objectives at size: how a deployment stands, of a million predictions.

    .venv/bin/python -m benchmarks.objectives [--rows 1000000] [--days 30]

The rows lie in Parquet as the compactor leaves them, a day or two a file, 1 % of them failed.
Printed: a process's first look (from disk), a look after it, one with as many new rows as come in
an hour, and latency by the state of the machine; the medians of seven. Bound: 100 ms a look.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from services.actions.journal import Journal
from services.home import Home
from services.objectives import hosts, standing, store
from services.objectives.counting import Counter
from services.objectives.models import DAY_S, Objective
from services.predictions import columns, parquet
from services.predictions.folder import Folder, day
from services.serving import store as deployments
from services.serving.models import Rollout, Target
from tests.services.predictions.records import record, written

BOUND_MS = 100.0
PROJECT, MODEL = "bench", "model"
_TRIALS = 7
_STATES = [
    f'{{"thermal_level":{level},"memory_pressure":1,"low_power_mode":0}}' for level in (0, 2)
]


def fill(
    home: Home, rows: int, days: int, now: float, project: str = PROJECT, model: str = MODEL
) -> int:
    """Write the log of a model; return its files."""
    import pyarrow as pa

    rng = np.random.default_rng(1)
    each, files = rows // days, 0
    schema = columns.schema(columns.TYPES)
    for number in range(days):
        # Not quite to now, and not over midnight: a file is of one day.
        begin = (now - number * DAY_S) // DAY_S * DAY_S
        end = min(begin + DAY_S, now - 60.0)
        at = np.sort(rng.uniform(begin, end, each))
        made = {
            "id": [f"{number:04x}{n:028x}" for n in range(each)],
            "answered_at": (at * 1e6).astype(np.int64),
            "project": np.full(each, project), "model": np.full(each, model),
            "version": np.full(each, 3), "rows": np.full(each, 1),
            "status": np.where(rng.random(each) < 0.01, 500, 200),
            "latency_ms": rng.lognormal(1.0, 0.5, each), "energy_j": rng.random(each) / 100,
            "shadow": np.zeros(each, dtype=bool),
            "host_state": np.array(_STATES)[(rng.random(each) < 0.2).astype(int)],
        }  # fmt: skip
        arrays = [
            pa.array(made[field.name], pa.int64()).cast(field.type)
            if field.name == "answered_at"
            else pa.array(made[field.name], field.type)
            if field.name in made
            else pa.nulls(each, field.type)
            for field in schema
        ]
        table = pa.Table.from_arrays(arrays, schema=schema)
        parquet.write(Folder(home).of_rows(project, model, day(begin)), f"bench-{number}", table)
        files += 1
    return files


def timed(
    title: str, ask: Callable[[], object], before: Callable[[], object] = lambda: None
) -> float:
    times = []
    for _ in range(_TRIALS):
        before()
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1000)
    middle = statistics.median(times)
    print(f"  {title:44} {middle:7.1f} ms   (at most {max(times):.1f})")
    return middle


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=30)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlops-bench-") as folder:
        home = Home(Path(folder) / "home")
        home.create()
        journal = Journal(f"sqlite:///{home.databases / 'journal.sqlite'}")
        deployments.put_rollout(journal, PROJECT, MODEL, Rollout(Target(3), action_id=1))
        deployments.finish_rollout(journal, f"{PROJECT}.{MODEL}", 3, live=True, said="")
        store.put(journal, PROJECT, "", Objective("latency", 0.95, asked.days, 10.0))
        now = time.time()
        files = fill(home, asked.rows, asked.days, now)
        print(f"{asked.rows:,} predictions of {asked.days} days in {files} files, two objectives")
        found = standing(home, journal, now=now)
        assert sum(one.requests for one in found) > asked.rows
        counter = Counter(home)

        def new() -> None:
            hour = asked.rows // asked.days // 24
            written(home, *(
                record(now - 30, project=PROJECT, model=MODEL, inputs=None, outputs=None)
                for _ in range(hour)
            ))  # fmt: skip

        cold = timed("first look of a process", lambda: standing(home, journal, now=now))
        standing(home, journal, now=now, counter=counter)
        warm = timed("a look after it", lambda: standing(home, journal, now=now, counter=counter))
        grown = timed(
            "with an hour of new rows",
            lambda: standing(home, journal, now=now, counter=counter),
            new,
        )
        timed("latency by state of the machine", lambda: hosts.by_state(home, PROJECT, MODEL))
        journal.close()
    return 0 if max(cold, warm, grown) <= BOUND_MS else 1


if __name__ == "__main__":
    sys.exit(main())

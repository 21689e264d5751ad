"""Drift: false alarms, how soon changes are found, and what an hour of new predictions costs.

    .venv/bin/python -m benchmarks.drift [--days 300] [--trials 200] [--rows 1000000] [--jobs 2]
                                         [--only PART…]

Parts: ``alarms`` (undrifted data, hourly checks over days, several kinds of data; some through
``Monitor.check`` on a written log), ``delay`` (changes of several kinds and strengths, made to data
and found in data: rows until the first verdict says so), ``cost`` (a log of a million rows × 20
columns and a new hour of 10,000: a check with its report beside Evidently alone on the same rows;
memory). Ends with 1 when a bound is not held, or so few days or trials do not show that it is.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks import drift_days, drift_delay, drift_log
from benchmarks.drift_data import synthetic
from benchmarks.drift_log import MODEL, OF, PROJECT, VERSION
from services.engines.evidently.adapter import Evidently
from services.home import Home
from services.monitoring import exporting, reference, windows
from services.monitoring.computing import Monitor
from services.monitoring.models import Verdict
from services.monitoring.reference import Baseline
from services.monitoring.store import VerdictStore

BOUND_COST = 1.3
_PARTS = ("alarms", "delay", "cost")


def cost(rows: int) -> bool:
    """Print what a check takes beside Evidently; return whether the bound is held."""
    print(f"cost of a check with its report: {rows:,} logged rows, 10,000 new ones, 20 columns")
    with tempfile.TemporaryDirectory(prefix="mlops-bench-") as place:
        home = Home(Path(place) / "home")
        home.create()
        now = float(int(time.time() // 3600) * 3600)
        new = 10_000
        _log(home, rows, new, now)
        store, engine = VerdictStore(home), Evidently()
        since = now - 3600.0
        base = Baseline("window", since - 3600.0, since)
        plain = Monitor(home, store, None, engine)
        plain.check(*OF, baseline=base, report=False, now=since)
        times: dict[str, list[float]] = {"ours": [], "without report": [], "Evidently": []}
        for _ in range(3):
            began = time.perf_counter()
            checked = plain.check(*OF, baseline=base, report=True, now=now)
            times["ours"].append(time.perf_counter() - began)
            store.prune(now + 1)
            plain.check(*OF, baseline=base, report=False, now=since)
            began = time.perf_counter()
            plain.check(*OF, baseline=base, report=False, now=now)
            times["without report"].append(time.perf_counter() - began)
            store.prune(now + 1)
            plain.check(*OF, baseline=base, report=False, now=since)
            times["Evidently"].append(_alone(home, engine, checked.verdicts[0], base, now))
        store.close()
        for name, spent in times.items():
            print(f"  {name:16} {' '.join(f'{one:6.2f}' for one in spent)} s")
        rows_seen = checked.verdicts[0].rows
        ratio = min(times["ours"]) / min(times["Evidently"])
        print(f"  rows looked at {rows_seen:,}; ours / Evidently {ratio:.2f} (bound {BOUND_COST})")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1024 if sys.platform == "linux" else 1024 * 1024
    )
    print(f"  peak memory of this process, which also wrote the log, {peak:.0f} MB")
    return ratio <= BOUND_COST


def _log(home: Home, rows: int, new: int, now: float) -> None:
    """Write typed columns as the compactor leaves them: an older day or more, then the hours."""
    rng = np.random.default_rng(1)
    chunk, left = 50_000, rows - 2 * new
    spans = [(now - 7200.0, now - 3600.0, new), (now - 3600.0, now, new)]
    spans += [
        (now - 7200.0 - 1800.0 * (n + 1), now - 7200.0 - 1800.0 * n, min(chunk, left - n * chunk))
        for n in range(-(-left // chunk))
    ]
    for number, (since, until, count) in enumerate(spans):
        at = np.linspace(since, until, count, endpoint=False)
        drift_log.features(home, synthetic(rng, count), at, f"part-{number}")


def _alone(
    home: Home, engine: Evidently, verdict: Verdict, baseline: Baseline, now: float
) -> float:
    """Return the seconds of Evidently on the same rows, which are Parquet files already."""
    since, until = baseline.since or 0.0, baseline.until or now
    chosen = reference.of_window(home, PROJECT, MODEL, since, until, VERSION)
    assert chosen is not None
    window = windows.read(home, *OF, now, now - 3600.0)
    with tempfile.TemporaryDirectory() as place:
        asked = exporting.question(
            home, exporting.tables(chosen, window.table), verdict, Path(place)
        )
        began = time.perf_counter()
        engine.report(asked)
        return time.perf_counter() - began


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.drift", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--days", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=12.0, help="of alarms, at most")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=_PARTS)
    asked = parser.parse_args(argv)
    held = True
    spawn = multiprocessing.get_context("spawn")  # DuckDB and Arrow do not outlive a fork
    with ProcessPoolExecutor(asked.jobs, spawn, drift_log.without_waiting) as pool:
        if "alarms" in asked.only:
            held &= drift_days.run(asked.days, pool, asked.minutes)
        if "delay" in asked.only:
            held &= drift_delay.run(asked.trials, pool)
    if "cost" in asked.only:
        held &= cost(asked.rows)
    print("all bounds are held" if held else "NOT all bounds are held")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

"""Drift: false alarms, how soon changes are found, and what an hour of new predictions costs.

    .venv/bin/python -m benchmarks.drift [--only PART…] [--jobs 2] [--days 100] [--minutes 12]
                                         [--trials 200] [--rows 1000000] [--times 5] [--cold 2]

Parts: ``alarms`` (undrifted data, hourly checks over days: tables, data sets, texts, vectors,
pictures; some through ``Monitor.check`` on a written log; ``--minutes`` at most), ``delay``
(changes of several kinds and strengths, made to data and found in data: rows until the first
verdict says so), ``cost`` (a log of a million rows × 20 columns and a new hour of 10,000: a check
beside Evidently alone on the same rows; memory). Ends with 1 when a bound is not held, or so few
trials do not show that it is. Each part says how long it took.
"""

import argparse
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from benchmarks import drift_cost, drift_days, drift_delay, drift_log

_PARTS = ("alarms", "delay", "cost")
_NEW = 10_000


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.drift", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--days", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--new", type=int, default=_NEW)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--cold", type=int, default=2)
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
        held &= drift_cost.run(asked.rows, asked.new, asked.times, asked.cold)
    print("all bounds are held" if held else "NOT all bounds are held")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

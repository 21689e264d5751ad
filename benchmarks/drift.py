"""Drift: false alarms, how soon real shifts are found, and what an hour of new predictions costs.

    .venv/bin/python -m benchmarks.drift [--trials 200] [--days 100] [--rows 1000000] [--only PART…]

Parts: ``alarms`` (undrifted data, hourly checks over days, several kinds of data), ``delay`` (real
data sets and a synthetic one, shifts of several strengths: rows until the first verdict says so),
``cost`` (a log of a million rows × 20 columns and a new hour of 10,000: a check with its report
beside Evidently alone on the same rows; memory).
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from services.engines.evidently.adapter import Evidently
from services.home import Home
from services.monitoring import exporting, reference, windows
from services.monitoring.computing import Monitor
from services.monitoring.models import Verdict
from services.monitoring.reference import Baseline, Reference
from services.monitoring.store import VerdictStore
from services.monitoring.verdict import judge
from services.predictions.folder import Folder

Draw = Callable[[np.random.Generator, int], pa.Table]
HOURS = 24
BOUND_ALARMS, BOUND_ROWS, BOUND_FOUND, BOUND_COST = 0.01, 2000, 0.95, 1.3


def synthetic(rng: np.random.Generator, rows: int, shift: float = 0.0, moved: int = 3) -> pa.Table:
    """Twenty columns: normal, skewed, long-tailed, categories, whole numbers, and two answers."""
    values = rng.normal(size=(rows, 12))
    values[:, :moved] += shift
    columns: dict[str, Any] = {f"input.n{place}": values[:, place] for place in range(12)}
    columns |= {f"input.s{place}": rng.lognormal(size=rows) for place in range(2)}
    columns["input.tail"] = rng.standard_t(2, size=rows)
    columns["input.kind"] = rng.choice(list("abcde"), rows, p=[0.6, 0.2, 0.1, 0.07, 0.03])
    columns["input.place"] = rng.zipf(1.3, rows).clip(0, 10_000).astype(str)
    columns["input.doors"] = rng.integers(2, 6, rows)
    columns["input.gap"] = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows))
    columns["input.gap"] = pa.array(columns["input.gap"], from_pandas=True)
    columns["output.label"] = (values[:, 0] + rng.normal(size=rows) > 0).astype(int)
    return pa.table(columns)


def real() -> Mapping[str, np.ndarray]:
    """Return data sets that scikit-learn carries; the digits are the data of five projects."""
    from sklearn import datasets

    return {
        "breast cancer": datasets.load_breast_cancer().data,
        "wine": datasets.load_wine().data,
        "diabetes": datasets.load_diabetes().data,
        "digits (pixels)": datasets.load_digits().data,
        "digits (mean, deviation)": _figures(datasets.load_digits().data),
    }


def _figures(pixels: np.ndarray) -> np.ndarray:
    """Return what the prediction log keeps of pictures."""
    parts = [pixels.mean(axis=1), pixels.std(axis=1), pixels.min(axis=1), pixels.max(axis=1)]
    return np.stack(parts, axis=1)


def resampled(data: np.ndarray, shift: float = 0.0, moved: int = 3) -> Draw:
    """Return rows drawn from a data set with replacement; the most varied columns are moved.

    The data set stands for all there could be: two halves of so few rows differ by themselves.
    """
    order = np.argsort(-np.array([len(np.unique(column)) for column in data.T]))
    chosen, spread = order[:moved], data.std(axis=0)

    def draw(rng: np.random.Generator, rows: int) -> pa.Table:
        values = data[rng.integers(0, len(data), rows)].astype(float)
        values[:, chosen] += shift * spread[chosen]
        return pa.table({f"input.c{place}": column for place, column in enumerate(values.T)})

    return draw


# Parts


def alarms(days: int) -> None:
    print(f"false alarms on undrifted data: days of {HOURS} checks, {days} a line")
    for rows in (200, 2000, 10_000):
        for size in (360, 2000):
            told = f"synthetic, 20 columns; {rows:,} rows a check, reference {size:,}"
            _alarms(told, days, rows, lambda rng, size=size: (synthetic(rng, size), synthetic))
    _alarms("batches of 50 alike rows a request; 2,000 rows a check", days, 2000, _batches)


def _batches(rng: np.random.Generator) -> tuple[pa.Table, Draw]:
    def draw(rng: np.random.Generator, rows: int) -> pa.Table:
        requests = np.repeat(np.arange(rows // 50), 50)
        middle = rng.normal(size=(rows // 50, 20))[requests] * np.sqrt(0.5)
        values = middle + rng.normal(size=(rows, 20)) * np.sqrt(0.5)
        columns = {f"input.n{place}": column for place, column in enumerate(values.T)}
        return pa.table({"id": [f"r{one}" for one in requests], **columns})

    return pa.table({f"input.n{n}": rng.normal(size=2000) for n in range(20)}), draw


def _alarms(
    title: str, days: int, rows: int, made: Callable[[np.random.Generator], tuple[pa.Table, Draw]]
) -> None:
    bad, checks, began = 0, 0, time.perf_counter()
    for day in range(days):
        rng = np.random.default_rng(day)
        table, draw = made(rng)
        base = reference.made(table, "the evaluation data")
        found = 0
        for _ in range(HOURS):
            judged = judge(base, draw(rng, rows))
            found += any(one.state == "drifted" for one in judged)
        checks, bad = checks + found, bad + (found > 0)
    spent = (time.perf_counter() - began) / days / HOURS * 1000
    print(
        f"  {title:66} {bad}/{days} days with one ({bad / days:.1%}, bound {BOUND_ALARMS:.0%}; "
        f"{checks} checks of {days * HOURS:,}); {spent:.0f} ms a check",
        flush=True,
    )


def delay(trials: int) -> None:
    print(f"rows until a shift is found, {trials} trials each; checked each 250 rows")
    cases = [
        (f"synthetic, 3 of 20 by {shift}", _synthetic_case(shift)) for shift in (0.2, 0.3, 0.5, 1.0)
    ]
    cases += [
        (f"{name}, 3 of {data.shape[1]} by {shift}", _real_case(data, shift))
        for name, data in real().items()
        for shift in (0.3, 0.5, 1.0)
    ]
    for title, case in cases:
        _delay(title, trials, case)


def _synthetic_case(
    shift: float,
) -> Callable[[np.random.Generator], tuple[Reference, Draw, Draw]]:
    def made(rng: np.random.Generator) -> tuple[Reference, Draw, Draw]:
        base = reference.made(synthetic(rng, 1000), "the evaluation data")
        return base, synthetic, lambda rng, rows: synthetic(rng, rows, shift)

    return made


def _real_case(
    data: np.ndarray, shift: float
) -> Callable[[np.random.Generator], tuple[Reference, Draw, Draw]]:
    def made(rng: np.random.Generator) -> tuple[Reference, Draw, Draw]:
        base = reference.made(resampled(data)(rng, len(data) // 2), "the evaluation data")
        return base, resampled(data), resampled(data, shift)

    return made


def _delay(
    title: str,
    trials: int,
    case: Callable[[np.random.Generator], tuple[Reference, Draw, Draw]],
) -> None:
    """Windows are those of checks: the newest 2,000 rows, of which more and more are moved."""
    delays, step = [], 250
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        base, before, after = case(rng)
        calm, moved = before(rng, windows.ENOUGH), after(rng, windows.ENOUGH)
        stream = pa.concat_tables([calm, moved])
        delays.append(next(_found(base, stream, step), None))
    early = sum(one == 0 for one in delays)
    known = sorted(one for one in delays if one)
    within = sum(one <= BOUND_ROWS for one in known) / trials
    middle = known[len(known) // 2] if len(known) * 2 > trials else None
    print(
        f"  {title:44} within {BOUND_ROWS:,} rows {within:6.1%}   half of them within "
        f"{'more than 2,000' if middle is None else f'{middle:,}'}   alarms before {early}",
        flush=True,
    )


def _found(base: Reference, stream: pa.Table, step: int) -> Iterator[int]:
    for rows in range(0, len(stream) - windows.ENOUGH + 1, step):
        judged = judge(base, stream.slice(rows, windows.ENOUGH))
        if judged[0].state == "drifted":
            yield rows


def cost(rows: int) -> None:
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
        plain.check("bench", "model", 3, baseline=base, report=False, now=since)
        times: dict[str, list[float]] = {"ours": [], "without report": [], "Evidently": []}
        for _ in range(3):
            began = time.perf_counter()
            checked = plain.check("bench", "model", 3, baseline=base, report=True, now=now)
            times["ours"].append(time.perf_counter() - began)
            store.prune(now + 1)
            plain.check("bench", "model", 3, baseline=base, report=False, now=since)
            began = time.perf_counter()
            plain.check("bench", "model", 3, baseline=base, report=False, now=now)
            times["without report"].append(time.perf_counter() - began)
            store.prune(now + 1)
            plain.check("bench", "model", 3, baseline=base, report=False, now=since)
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


def _log(home: Home, rows: int, new: int, now: float) -> None:
    """Write typed columns as the compactor leaves them: an older day or more, then the hours."""
    rng = np.random.default_rng(1)
    chunk = 50_000
    spans = [(now - 7200.0, now - 3600.0, new), (now - 3600.0, now, new)]
    left = rows - 2 * new
    parts = -(-left // chunk)
    spans += [
        (now - 7200.0 - 1800.0 * (n + 1), now - 7200.0 - 1800.0 * n, min(chunk, left - n * chunk))
        for n in range(parts)
    ]
    for number, (since, until, count) in enumerate(spans):
        at = (np.linspace(since, until, count, endpoint=False) * 1e6).astype("int64")
        fixed = {
            "id": [f"{one // 1000:012x}7{n:019x}" for n, one in enumerate(at)],
            "answered_at": pa.array(at, pa.timestamp("us", tz="UTC")),
            "version": np.full(count, 3), "shadow": np.zeros(count, dtype=bool),
            "row": np.zeros(count, dtype="int64"),
        }  # fmt: skip
        table = synthetic(rng, count)
        for name, column in fixed.items():
            table = table.append_column(name, [pa.array(column)])
        day = time.strftime("%Y-%m-%d", time.gmtime(since))
        place = Folder(home).of_features("bench", "model", 3, day)
        place.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, place / f"part-{number}.parquet")


def _alone(
    home: Home, engine: Evidently, verdict: Verdict, baseline: Baseline, now: float
) -> float:
    """Return the seconds of Evidently on the same rows, which are Parquet files already."""
    since, until = baseline.since or 0.0, baseline.until or now
    chosen = reference.of_window(home, "bench", "model", since, until)
    assert chosen is not None
    window = windows.read(home, "bench", "model", 3, now, now - 3600.0)
    with tempfile.TemporaryDirectory() as place:
        asked = exporting.question(
            home, exporting.tables(chosen, window.table), verdict, Path(place)
        )
        began = time.perf_counter()
        engine.report(asked)
        return time.perf_counter() - began


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--days", type=int, default=100)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="*", default=["alarms", "delay", "cost"])
    asked = parser.parse_args(argv)
    if "alarms" in asked.only:
        alarms(asked.days)
    if "delay" in asked.only:
        delay(asked.trials)
    if "cost" in asked.only:
        cost(asked.rows)


if __name__ == "__main__":
    main()

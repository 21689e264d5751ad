"""What a check of an hour of new predictions costs, beside Evidently on the same rows.

Evidently alone is what anybody would write with it: ``DataDriftPreset`` with the same distances and
``DataSummaryPreset``, as JSON and as HTML. *Warm*: in this process, everything is imported and has
run once. *Cold*: in a process that is started for it, as the platform does. Both sides take turns,
so that what else the machine does meets both.

    python -m benchmarks.drift_cost QUESTION.json    Evidently alone, cold: started by the benchmark
"""

import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from benchmarks import drift_log
from benchmarks.drift_data import synthetic
from benchmarks.drift_log import MODEL, OF, PROJECT, VERSION
from services.engines.evidently.adapter import Evidently
from services.engines.evidently.models import Question, Report
from services.engines.evidently.wire import QuestionWire
from services.home import Home
from services.monitoring import exporting, exporting_labels, reference, windows
from services.monitoring.computing import Monitor
from services.monitoring.models import Verdict
from services.monitoring.reference import Baseline
from services.monitoring.store import VerdictStore

BOUND = 1.3
"""Times of Evidently alone, warm."""
_HOUR_S = 3600.0
_LABELLED = 10
"""Of so many predictions one gets a label, a minute later."""
_RIGHT = 0.92


class Warm(Evidently):
    """The platform's report, in this process."""

    def report(self, asked: Question) -> Report:
        """Write it."""
        from services.engines.evidently import reporting

        return reporting.write(asked).to_model()


def alone(asked: Question) -> None:
    """Have Evidently compare two tables, and labels where there are some, without the platform."""
    import pandas as pd
    from evidently import BinaryClassification, DataDefinition, Dataset
    from evidently import Report as Document
    from evidently.presets import ClassificationPreset, DataDriftPreset, DataSummaryPreset

    defined = DataDefinition(
        numerical_columns=[name for name, kind in asked.columns.items() if kind == "numeric"],
        categorical_columns=[name for name, kind in asked.columns.items() if kind == "category"],
    )
    then, now = (
        Dataset.from_pandas(pd.read_parquet(path), data_definition=defined)
        for path in (asked.reference, asked.current)
    )
    drift = DataDriftPreset(num_method="wasserstein", cat_method="jensenshannon")
    made = [Document([drift, DataSummaryPreset()]).run(now, then)]
    if asked.labels is not None:
        sides = BinaryClassification(target="target", prediction_labels="prediction", pos_label="1")
        labelled = DataDefinition(
            classification=[sides], categorical_columns=["target", "prediction"]
        )
        rows = Dataset.from_pandas(pd.read_parquet(asked.labels[1]), data_definition=labelled)
        made.append(Document([ClassificationPreset()]).run(rows, None))
    for number, one in enumerate(made):
        asked.json.with_suffix(f".alone-{number}.json").write_text(one.json(), encoding="utf-8")
        one.save_html(str(asked.html.with_suffix(f".alone-{number}.html")))


class Bench:
    """A log, a monitor, and how long each side takes."""

    def __init__(self, home: Home, rows: int, new: int, now: float) -> None:
        self._home, self._new, self._now = home, new, now
        self._since = now - _HOUR_S
        self._base = Baseline("window", self._since - _HOUR_S, self._since)
        self._store = VerdictStore(home)
        self._ids = _log(home, rows, new, now)

    def close(self) -> None:
        """Let go of the files."""
        self._store.close()

    def label(self) -> None:
        """Label a part of the two hours before now."""
        rng = np.random.default_rng(2)
        ids = self._ids[::_LABELLED]
        at = np.linspace(self._since - _HOUR_S, self._now, len(self._ids), endpoint=False)
        at = at[::_LABELLED]
        answers = rng.integers(0, 2, len(ids))
        right = rng.random(len(ids)) < _RIGHT
        said = np.where(right, answers, 1 - answers)
        drift_log.labels(self._home, ids, at, at + 60.0, answers.tolist(), said.tolist())

    def checked(self, engine: Evidently | None) -> float:
        """Return the seconds of a check of the new hour; None: its verdicts alone."""
        self._store.prune(self._now + 1)
        Monitor(self._home, self._store).check(
            *OF, baseline=self._base, report=False, now=self._since
        )
        monitor = Monitor(self._home, self._store, None, engine)
        began = time.perf_counter()
        came = monitor.check(
            *OF, baseline=self._base, report=engine is not None, now=self._now
        )  # fmt: skip
        spent = time.perf_counter() - began
        assert came.fault is None, came.fault
        assert came.verdicts[0].rows == self._new, came.verdicts[0].rows
        assert (came.report is None) == (engine is None)
        self._verdict = came.verdicts[0]
        return spent

    def evidently(self, *, labels: bool, cold: bool) -> float:
        """Return the seconds of Evidently alone on the same rows, which are Parquet files."""
        with tempfile.TemporaryDirectory() as place:
            asked = self._question(self._verdict, Path(place), labels=labels)
            path = Path(place) / "question.json"
            path.write_text(QuestionWire.of(asked).model_dump_json(), encoding="utf-8")
            began = time.perf_counter()
            if cold:
                command = [sys.executable, "-P", "-m", "benchmarks.drift_cost", str(path)]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            else:
                alone(asked)
            return time.perf_counter() - began

    def _question(self, verdict: Verdict, place: Path, *, labels: bool) -> Question:
        chosen = reference.of_window(
            self._home, PROJECT, MODEL, self._since - _HOUR_S, self._since, VERSION
        )
        assert chosen is not None
        window = windows.read(self._home, *OF, self._now, self._since)
        beside = None
        if labels:
            found = exporting_labels.read(self._home, *OF, self._since - _HOUR_S, self._now)
            beside, _ = exporting_labels.tables(found, chosen)
            assert beside is not None
        made = exporting.tables(chosen, window.table)
        return exporting.question(self._home, made, verdict, place, beside)


def run(rows: int, new: int, times: int, cold: int) -> bool:
    """Print what checks take beside Evidently; return whether those in this process are in bound.

    Args:
        rows: In the log.
        new: Of the last hour; the hour before, which they are compared with, has as many.
        times: How often each side is timed warm; one more time before that is not counted.
        cold: The same of those in a process of their own.
    """
    print(
        f"cost of a check: {rows:,} logged rows × 20 columns, {new:,} new ones beside {new:,}; "
        f"bound {BOUND} times of Evidently alone, warm, on the same rows"
    )
    began = time.monotonic()
    os.environ.update(DO_NOT_TRACK="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    with tempfile.TemporaryDirectory(prefix="mlops-bench-") as place:
        home = Home(Path(place) / "home")
        home.create()
        bench = Bench(home, rows, new, float(int(time.time() // 3600) * 3600))
        with contextlib.closing(bench):
            held = _compared(bench, times, cold, labels=False)
            bench.label()
            held &= _compared(bench, times, cold, labels=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1024 if sys.platform == "linux" else 1024 * 1024
    )
    print(f"  peak memory of this process, which also wrote the log, {peak:.0f} MB")
    print(f"  {(time.monotonic() - began) / 60:.1f} min")
    return held


def _compared(bench: Bench, times: int, cold: int, *, labels: bool) -> bool:
    said = ", with labels" if labels else ""
    warm = {
        "verdicts alone": lambda: bench.checked(None),
        "with report, warm": lambda: bench.checked(Warm()),
        "Evidently alone, warm": lambda: bench.evidently(labels=labels, cold=False),
    }
    apart = {
        "with report, cold": lambda: bench.checked(Evidently()),
        "Evidently alone, cold": lambda: bench.evidently(labels=labels, cold=True),
    }
    spent = {**_turns(warm, times, before=1), **_turns(apart, cold, before=0)}
    middle = {name: statistics.median(taken) for name, taken in spent.items() if taken}
    base, base_cold = middle["Evidently alone, warm"], middle.get("Evidently alone, cold")
    held = True
    for name, taken in spent.items():
        if name not in middle:
            continue
        told = ""
        if not name.startswith("Evidently"):
            ratio = middle[name] / base
            told = f": {ratio:.2f} × Evidently warm"
            if name.endswith("cold") and base_cold:
                told += f", {middle[name] / base_cold:.2f} × cold (no bound: it starts a process)"
            else:
                held &= ratio <= BOUND
                told += f" ({'within' if ratio <= BOUND else 'OUT OF'} {BOUND})"
        print(
            f"  {name + said:36} median {middle[name]:6.2f} s of "
            f"{' '.join(f'{one:.2f}' for one in taken)}{told}",
            flush=True,
        )
    return held


def _turns(
    sides: Mapping[str, Callable[[], float]], times: int, before: int
) -> dict[str, list[float]]:
    """Return the seconds of each side, which take turns; those ``before`` are not counted."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(times + before if times else 0):
        for name, side in sides.items():
            taken = side()
            if turn >= before:
                spent[name].append(taken)
    return spent


def _log(home: Home, rows: int, new: int, now: float) -> list[str]:
    """Write typed columns as the compactor leaves them; return the ids of the last two hours."""
    rng = np.random.default_rng(1)
    chunk, left = 50_000, rows - 2 * new
    hours = [(now - 2 * _HOUR_S, now - _HOUR_S, new), (now - _HOUR_S, now, new)]
    older = [
        (now - 7200.0 - 1800.0 * (n + 1), now - 7200.0 - 1800.0 * n, min(chunk, left - n * chunk))
        for n in range(-(-left // chunk))
    ]
    ids: list[str] = []
    for number, (since, until, count) in enumerate([*hours, *older]):
        at = np.linspace(since, until, count, endpoint=False)
        some = drift_log.features(home, synthetic(rng, count), at, f"part-{number}")
        ids += some if number < len(hours) else []
    return ids


if __name__ == "__main__":
    alone(QuestionWire.model_validate_json(Path(sys.argv[1]).read_bytes()).to_model())

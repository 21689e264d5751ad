"""Deployments that were checked: real data sets, a model that was fitted to one, real verdicts.

``LORA``: a classifier of breast cancer, asked through the prediction log with labels that come
later and checked by the monitor itself; in the last six hours three of its figures come shifted.
``CLIP``: digits, as they were all the time. ``PIXELS``: digits, with a canary that few asked.
``TEXT``: sentences and a city, of which a column stopped coming. ``IMAGES``: MLflow was away, so
nothing is known of it. ``FEW``: never checked.
"""

import os
import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from services.actions.journal import Journal
from services.engines.mlflow.models import ArtifactEntry, Version
from services.errors import EngineUnreachableError
from services.home import Home
from services.monitoring import accuracy
from services.monitoring.computing import Monitor
from services.monitoring.models import Family, Severity, Verdict, VerdictState
from services.monitoring.reference import Reference, made
from services.monitoring.store import VerdictStore, verdict_id
from services.monitoring.verdict import Judged, judge
from services.predictions.compaction import Compactor
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback, Record
from tests import deployments_seed
from tests.deployments_seed import CLIP, FEW, IMAGES, LORA, PIXELS, TEXT

__all__ = ["CLIP", "FEW", "IMAGES", "LORA", "PIXELS", "TEXT", "fill", "laid"]
HOUR_S, DAY_S = 3600.0, 86_400.0
HOURS, SHIFTED = 23, 6
"""Of predictions in the log, and of them the last that came shifted."""
AN_HOUR = 220
MOVED = ("mean radius", "mean texture", "worst concave points")
CITIES = ("Kiel", "Ulm", "Bremen", "<b>Köln</b>", "Jena")


@dataclass(frozen=True)
class Cancer:
    """Real measurements, what they are of, and a model that was fitted to half of them."""

    names: tuple[str, ...]
    inputs: np.ndarray
    labels: np.ndarray
    answer: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@cache
def cancer() -> Cancer:
    """Return the data set and a logistic regression on it."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_breast_cancer()
    chosen = [0, 1, 4, 6, 7, 20, 21, 22, 26, 27]
    rng = np.random.default_rng(3)
    order = rng.permutation(len(data.data))
    inputs, labels = data.data[order][:, chosen], data.target[order]
    half = len(inputs) // 2
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(inputs[:half], labels[:half])

    def answer(asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sure = model.predict_proba(asked)
        return sure.argmax(axis=1), sure.max(axis=1)

    names = tuple(str(data.feature_names[place]) for place in chosen)
    return Cancer(names, inputs[half:], labels[half:], answer)


def evaluation() -> bytes:
    """Return the evaluation data of the classifier, as training logs it."""
    found = cancer()
    label, sure = found.answer(found.inputs)
    columns = {name: found.inputs[:, n].tolist() for n, name in enumerate(found.names)}
    return orjson.dumps({
        "v": 1, "rows": len(found.inputs), "data_revision": "0123456789abcdef",
        "inputs": columns, "outputs": {"label": label.tolist(), "confidence": sure.tolist()},
        "labels": found.labels.tolist(),
    })  # fmt: skip


class TrackingServer:
    """MLflow, as far as evaluation data goes."""

    def __init__(self, content: bytes | Exception) -> None:
        self.content = content

    def version_of(self, workspace: str, model: str, version: int) -> Version:
        return Version(model, version, "run-1", 0, "READY", "", "", {})

    def artifacts(self, workspace: str, run_id: str, path: str) -> tuple[ArtifactEntry, ...]:
        if isinstance(self.content, Exception):
            raise self.content
        return (ArtifactEntry(f"{path}/reference.json", False, None),)

    def artifact(self, workspace: str, run_id: str, path: str) -> bytes:
        assert isinstance(self.content, bytes)
        return self.content


def asked(home: Home, now: float) -> None:
    """Ask the classifier over ``HOURS``; labels come after an hour or two."""
    found, rng = cancer(), np.random.default_rng(5)
    project, _, model = LORA.partition(".")
    count = HOURS * AN_HOUR
    rows = rng.integers(0, len(found.inputs), count)
    inputs = found.inputs[rows].copy()
    begin = now - HOURS * HOUR_S
    at = begin + np.arange(count) * (HOURS * HOUR_S / count)
    late = at >= now - SHIFTED * HOUR_S
    for name in MOVED:
        place = found.names.index(name)
        inputs[late, place] += 1.3 * found.inputs[:, place].std()
    label, sure = found.answer(inputs)
    delay = rng.uniform(0.5, 2.5, count) * HOUR_S
    chance = random.Random(5)  # noqa: S311 - the same each time
    log = PredictionLog.open(home, "gateway")
    for n in range(count):
        one = deployments_seed.request_id(float(at[n]), chance)
        columns = {name: [float(inputs[n, c])] for c, name in enumerate(found.names)}
        answers = {"label": [int(label[n])], "confidence": [round(float(sure[n]), 6)]}
        log.append(Record(
            one, float(at[n]), project, model, 1, "plain", 200, 3.0, inputs=columns,
            outputs=answers,
        ))  # fmt: skip
        if at[n] + delay[n] < now and rng.random() < 0.8:
            log.append_feedback(Feedback(one, float(at[n] + delay[n]), int(found.labels[rows[n]])))
    log.close()
    compactor = Compactor(home, 3650.0)
    compactor.run(now)
    compactor.close()


def checked_by_the_monitor(home: Home, store: VerdictStore, now: float) -> None:
    """Check the classifier every hour, and once a model of which MLflow tells nothing."""
    project, _, model = LORA.partition(".")
    server = TrackingServer(evaluation())
    monitor = Monitor(home, store, server)  # type: ignore[arg-type]  # as far as it is asked
    for hour in range(HOURS - 1, -1, -1):
        monitor.check(project, model, 1, now=now - hour * HOUR_S)
    away = TrackingServer(EngineUnreachableError("MLflow does not answer."))
    project, _, model = IMAGES.partition(".")
    Monitor(home, store, away).check(project, model, 1, now=now - HOUR_S)  # type: ignore[arg-type]


# Verdicts on tables: weeks of them in seconds


def digits(rng: np.random.Generator, rows: int) -> pa.Table:
    """Return what the log keeps of pictures of digits, and which digit each is."""
    from sklearn.datasets import load_digits

    data = load_digits()
    chosen = rng.integers(0, len(data.data), rows)
    pixels = data.data[chosen]
    parts = {"mean": pixels.mean(axis=1), "std": pixels.std(axis=1), "max": pixels.max(axis=1)}
    columns: dict[str, Any] = {f"input.pixels.{name}": one for name, one in parts.items()}
    return pa.table({**columns, "output.label": data.target[chosen].astype(str)})


def sentences(rng: np.random.Generator, rows: int, *, without: str = "") -> pa.Table:
    """Return sentences of the descriptions that scikit-learn carries, with a city each."""
    from sklearn import datasets

    told = "".join(
        getattr(datasets, f"load_{name}")().DESCR for name in ("wine", "diabetes", "digits")
    )
    words = [word for word in told.split() if word.isalpha()]
    begins = rng.integers(0, len(words) - 30, rows)
    lengths = rng.integers(5, 25, rows)
    texts = [" ".join(words[b : b + n]) for b, n in zip(begins, lengths, strict=True)]
    columns: dict[str, Any] = {
        "input.text": texts,
        "input.city": rng.choice(CITIES, rows, p=[0.4, 0.3, 0.15, 0.1, 0.05]),
        "output.label": (np.array([len(one) for one in texts]) > 70).astype(str),
    }
    columns.pop(f"input.{without}", None)
    return pa.table(columns)


def keep(
    store: VerdictStore, name: str, version: int, at: float, judged: Sequence[Judged],
    reference: Reference, rows: int,
) -> str:  # fmt: skip
    """Keep the verdicts of a check as the monitor does; return the first one's id."""
    project, _, model = name.partition(".")
    kept = [
        Verdict(
            verdict_id(at), project, model, version, one.kind, at, reference.said, at - HOUR_S,
            at - 1.0, rows, one.columns, one.share, one.severity, one.state, one.said,
        )
        for one in judged
    ]  # fmt: skip
    store.record(kept)
    return kept[0].id


def over_time(
    store: VerdictStore,
    name: str,
    version: int,
    draw: Callable[[np.random.Generator, int, float], pa.Table],
    times: Sequence[float],
    rows: int,
) -> None:
    """Check a model at each moment; ``draw`` gives what it was asked by then."""
    rng = np.random.default_rng(sum(map(ord, name)) + version)
    reference = made(draw(rng, 900, 0.0), f"the evaluation data of version {version}")
    for at in times:
        judged = [*judge(reference, draw(rng, rows, at)), accuracy.judge(None, None)]
        keep(store, name, version, at, judged, reference, rows)


def fill(home: Home, journal: Journal, *, days: float = 2.0, every_s: float = 6 * HOUR_S) -> None:
    """Put six endpoints into service and check five of them, the last time some minutes ago."""
    deployments_seed.fill(home, journal, minutes=0)
    files(home, days=days, every_s=every_s)


def files(home: Home, *, days: float = 2.0, every_s: float = 6 * HOUR_S) -> None:
    """Write predictions and checks alone."""
    now = time.time() - 300.0
    times = [now - n * every_s for n in range(int(days * DAY_S / every_s), -1, -1)]
    lost = now - days * DAY_S / 6
    store = VerdictStore(home)
    over_time(store, CLIP, 1, lambda rng, rows, _: digits(rng, rows), times, 700)
    over_time(store, PIXELS, 1, lambda rng, rows, _: digits(rng, rows), times[1:], 600)
    over_time(store, PIXELS, 2, lambda rng, rows, at: digits(rng, rows if at else 900),
              times[-1:], 12)  # fmt: skip
    over_time(
        store, TEXT, 2,
        lambda rng, rows, at: sentences(rng, rows, without="city" if at > lost else ""), times,
        700,
    )  # fmt: skip
    asked(home, now)
    checked_by_the_monitor(home, store, now)
    store.close()


def laid(mould: Path, home: Home) -> None:
    """Copy predictions and checks that were made before."""
    for name in ("monitoring", "serving"):
        shutil.copytree(mould / name, home.root / name, dirs_exist_ok=True)


def many(home: Home, names: Mapping[str, int], *, days: int = 30) -> None:
    """Keep an hourly check of each (deployment → version) over days, of verdicts on digits.

    What a check found is told again at other times: it is how many there are that counts. For as
    many files nobody waits until the disk has them.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        _many(home, names, days)


def _many(home: Home, names: Mapping[str, int], days: int) -> None:
    rng, now = np.random.default_rng(1), time.time()
    reference = made(digits(rng, 900), "the evaluation data of version 1")
    found = [*judge(reference, digits(rng, 800)), accuracy.judge(None, None)]
    store = VerdictStore(home)
    for name, version in names.items():
        for hour in range(days * 24, -1, -1):
            keep(store, name, version, now - hour * HOUR_S, found, reference, 800)
    store.close()


def said(kind: Family, state: VerdictState, severity: Severity = "none") -> Judged:
    """Return a verdict in a word, for what needs no columns."""
    return Judged(kind, (), None, severity, state, f"The {kind} is {state}.")


def again(store: VerdictStore, found: Sequence[Verdict], at: float) -> None:
    """Keep a check that found what another did, at another time."""
    store.record([replace(one, id=verdict_id(at), computed_at=at) for one in found])

"""How right the answers were, as far as labels came: over time, with intervals.

Labels come late, so the newest predictions have few: a stretch is ``open`` while it is younger than
nine of ten labels took. Accuracy has Wilson's interval (1927), the mean absolute error the normal
one; both at 95 %. Rows of one request count as one each.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from services.home import Home
from services.monitoring import labels
from services.monitoring.labels import Labelled, Task
from services.monitoring.models import Severity, VerdictState
from services.monitoring.series import Figures
from services.monitoring.verdict import Judged, Rules
from services.predictions import monitoring as log
from services.predictions import reading, shadowed

Metric = Literal["accuracy", "mae"]
_LEAST = 30
"""Rows with a label from which on a figure is judged."""
_SURE = 0.975
_LATE = 0.9
_WORSE = {"accuracy": 0.10, "mae": 0.25}
"""From which loss on it is severe: points of accuracy; share of the mean absolute error."""


@dataclass(frozen=True, slots=True)
class Quality:
    """One figure and between what it lies with 95 %."""

    metric: Metric
    value: float
    low: float
    high: float
    rows: int
    deviation: float
    """Standard deviation of a row's hit (0 or 1) or absolute error."""


@dataclass(frozen=True, slots=True)
class Point:
    """A stretch of time, by when was predicted."""

    at: float
    quality: Quality
    open: bool
    """Whether labels of it are still to be expected."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How right answers were in a stretch of time."""

    task: Task
    overall: Quality | None
    """None: no label came."""
    points: tuple[Point, ...]
    predictions: int
    labelled: int
    """Of the predictions, those with a label that could be used."""
    unusable: int
    strange: int
    delay_s: float | None
    """Of half the labels, at most."""
    said: str


def read(
    home: Home,
    project: str,
    model: str,
    since: float,
    until: float,
    step_s: float,
    version: int | None = None,
    *,
    shadow: bool = False,
) -> Accuracy:
    """Return how right a model's answers of a stretch of time were; of a shadow, its copies'.

    Raises:
        PlatformError: The log cannot be read.
    """
    if shadow and version is not None:
        table = shadowed.labelled(home, project, model, version, since, until)[1]
    else:
        table = log.labelled(home, project, model, since, until, version)
    found = labels.paired(table)
    predictions = reading.count(home, project, model, since, until, version, shadow=shadow)
    return measured(found, predictions, since, until, step_s)


def measured(
    found: Labelled, predictions: int, since: float, until: float, step_s: float
) -> Accuracy:
    """Return what rows with labels come to; pure."""
    errors = errors_of(found)
    late = float(np.quantile(found.delay_s, _LATE)) if len(errors) else math.inf
    place = np.floor((found.at - since) / step_s).astype(int)
    points = []
    for number in np.unique(place):
        begin = since + float(number) * step_s
        quality = _quality(found.task, errors[place == number])
        if quality is not None:
            points.append(Point(begin, quality, begin + step_s + late > until))
    overall = _quality(found.task, errors)
    delay = float(np.median(found.delay_s)) if len(errors) else None
    said = _said(found, overall, predictions)
    return Accuracy(
        found.task, overall, tuple(points), predictions, found.requests, found.unusable,
        found.strange, delay, said,
    )  # fmt: skip


def errors_of(found: Labelled) -> Figures:
    """Return a figure a row: 1 for a hit and 0 else, or the absolute error."""
    if found.task == "classification":
        pairs = zip(found.target, found.prediction, strict=True)
        return np.array([truth == answer for truth, answer in pairs], dtype=float)
    off: Figures = np.array(found.target, dtype=float) - np.array(found.prediction, dtype=float)
    return np.abs(off)


def _quality(task: Task, errors: Figures) -> Quality | None:
    count = len(errors)
    if not count:
        return None
    mean, deviation = float(errors.mean()), float(errors.std())
    z = float(ndtri(_SURE))
    if task == "regression":
        half = z * deviation / math.sqrt(count)
        return Quality("mae", mean, max(0.0, mean - half), mean + half, count, deviation)
    middle = (mean + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(mean * (1 - mean) / count + (z / (2 * count)) ** 2)
    return Quality(
        "accuracy", mean, max(0.0, middle - half), min(1.0, middle + half), count, deviation
    )


def _said(found: Labelled, overall: Quality | None, predictions: int) -> str:
    share = f"{found.requests:,} of {predictions:,} predictions have a label"
    if overall is None:
        wrong = f"; {found.unusable:,} labels fit no answer" if found.unusable else ""
        return f"How right the answers were is not known: {share}{wrong}."
    said = f"{_figure(overall)} on {overall.rows:,} rows; {share}"
    if found.unusable:
        said += f"; {found.unusable:,} labels fit no answer and are left out"
    if found.strange:
        said += f"; {found.strange:,} rows have a label that the model never answered"
    return f"{said}."


def _figure(one: Quality) -> str:
    if one.metric == "accuracy":
        return f"Accuracy {one.value:.1%} ({one.low:.1%} to {one.high:.1%})"
    return f"Mean absolute error {one.value:.4g} ({one.low:.4g} to {one.high:.4g})"


def judge(
    now: Quality | None,
    expected: Quality | None,
    bound: float | None = None,
    rules: Rules | None = None,
) -> Judged:
    """Return the verdict on a figure: worse than it was, or beyond what the project allows.

    A one-sided test of two means (of hits or absolute errors) at the level of the other verdicts;
    a bound is broken when the figure is, at the same level.

    Args:
        now: Of the window.
        expected: Of the evaluation or an earlier window; None: not known.
        bound: Least accuracy or greatest mean absolute error.
        rules: The default ones when left out.
    """
    level = (rules or Rules()).level
    if now is None:
        return _judged("unknown", "none", "How right the answers are is not known: no labels yet.")
    if expected is None and bound is None:
        said = (
            f"{_figure(now)} on {now.rows:,} rows; it was not measured before, and no bound is set."
        )
        return _judged("unknown", "none", said)
    if now.rows < _LEAST:
        return _judged(
            "too few", "none", f"{_figure(now)} on {now.rows} rows only: {_LEAST} are wanted."
        )
    broken = bound is not None and _p_value(now, bound, 0.0) <= level
    worse = expected is not None and _is_worse(now, expected, level)
    if not broken and not worse:
        return _judged("steady", "none", f"{_figure(now)} on {now.rows:,} rows, as expected.")
    parts = [_figure(now), f"on {now.rows:,} rows"]
    parts += [f"beyond the bound of {bound:g}"] if broken else []
    parts += [f"was {expected.value:.4g} on {expected.rows:,} rows"] if expected else []
    severe = expected is not None and _loss(now, expected) >= _WORSE[now.metric]
    severity: Severity = "high" if broken or severe else "medium"
    return _judged("drifted", severity, f"{', '.join(parts)}; severity {severity}.")


def _judged(state: VerdictState, severity: Severity, said: str) -> Judged:
    return Judged("accuracy", (), None, severity, state, said)


def _is_worse(now: Quality, expected: Quality, level: float) -> bool:
    if now.metric != expected.metric:
        return False
    return _p_value(now, expected.value, expected.deviation**2 / expected.rows) <= level


def _p_value(now: Quality, value: float, variance: float) -> float:
    """Return the one-sided p-value of being as good as ``value``; of hits by their variance there.

    A row of every kind is added (Agresti and Caffo 2000), so that a perfect past is no certainty.
    """
    worse = value - now.value if now.metric == "accuracy" else now.value - value
    spread = now.deviation**2
    if now.metric == "accuracy":
        expected = (value * now.rows + 1) / (now.rows + 2)
        spread = max(spread, expected * (1 - expected))
    whole = spread / now.rows + variance
    return 1.0 if whole <= 0 else float(ndtr(-worse / math.sqrt(whole)))


def _loss(now: Quality, expected: Quality) -> float:
    if now.metric == "accuracy":
        return expected.value - now.value
    return (now.value - expected.value) / expected.value if expected.value else math.inf


def of_values(target: Sequence[object], prediction: Sequence[object]) -> Quality | None:
    """Return the figure of labels and answers that are at hand, as of evaluation data."""
    found = labels.of_rows(target, prediction)
    return _quality(found.task, errors_of(found))

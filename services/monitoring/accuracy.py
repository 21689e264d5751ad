"""How right the answers were, as far as labels came: over time, with intervals.

Labels come late, so the newest predictions have few: a stretch is ``open`` while it is younger than
nine of ten labels took. Accuracy has Wilson's interval (1927), the mean absolute error the normal
one; both at 95 %. Rows that were asked together are alike: an interval and a test go by what they
are worth (``significance.worth``), as those of drift do.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from services.home import Home
from services.monitoring import labels, significance
from services.monitoring.labels import Labelled, Task
from services.monitoring.models import Severity, VerdictState
from services.monitoring.series import Codes, Figures
from services.monitoring.verdict import Judged, Rules
from services.predictions import monitoring as log
from services.predictions import reading, shadowed

Metric = Literal["accuracy", "mae"]
_LEAST = 30
"""Rows with a label from which on a figure is judged."""
NAMES: Mapping[Metric, str] = {"accuracy": "accuracy", "mae": "mean absolute error"}
_SURE = 0.975
_SAME = 1e-9
"""Two figures that are nearer than this part of one are the same."""
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
    worth: float | None = None
    """How many independent rows they are worth; None: each is one."""

    @property
    def size(self) -> float:
        """Return of how many independent rows the figure is as sure."""
        return float(self.rows) if self.worth is None else self.worth


@dataclass(frozen=True, slots=True)
class Bound:
    """What is promised of a figure."""

    metric: Metric
    value: float
    """The least accuracy, 0 to 1, or the greatest mean absolute error, in the label's unit."""


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
        here = place == number
        quality = _quality(found.task, errors[here], found.label_of[here])
        if quality is not None:
            points.append(Point(begin, quality, begin + step_s + late > until))
    overall = _quality(found.task, errors, found.label_of)
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


def _quality(task: Task, errors: Figures, label_of: Codes) -> Quality | None:
    rows = len(errors)
    if not rows:
        return None
    mean, deviation = float(errors.mean()), float(errors.std())
    # Where all are the same nothing tells how alike the rows of a request are: each counts once.
    same = bool((errors == errors[0]).all())
    requests = len(np.unique(label_of))
    count = float(requests) if same and requests > 1 else significance.worth(errors, label_of)
    z = float(ndtri(_SURE))
    if task == "regression":
        half = z * deviation / math.sqrt(count)
        return Quality("mae", mean, max(0.0, mean - half), mean + half, rows, deviation, count)
    middle = (mean + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(mean * (1 - mean) / count + (z / (2 * count)) ** 2)
    return Quality(
        "accuracy", mean, max(0.0, middle - half), min(1.0, middle + half), rows, deviation, count
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
    bound: Bound | None = None,
    rules: Rules | None = None,
) -> Judged:
    """Return the verdict on a figure: worse than it was, or beyond what is promised.

    A one-sided test of two means (of hits or absolute errors) at the level of the other verdicts;
    a bound is broken when the figure is, at the same level. What is of another measure than the
    figure is not held against it, and the sentence says so.

    Args:
        now: Of the window.
        expected: Of the evaluation or an earlier window; None: not known.
        bound: What is promised; None: nothing is.
        rules: The default ones when left out.
    """
    if now is None:
        return _judged("unknown", "none", "How right the answers are is not known: no labels yet.")
    past = expected if expected is not None and expected.metric == now.metric else None
    held = bound if bound is not None and bound.metric == now.metric else None
    said = f"{_figure(now)} on {now.rows:,} rows"
    apart = _apart(now, expected, bound)
    if past is None and held is None:
        return _judged("unknown", "none", f"{said}; {apart}.")
    if now.size < _LEAST:
        return _judged("too few", "none", f"{said} only{_alike(now)}: {_LEAST} are wanted.")
    broken = held is not None and is_broken(now, held, rules)
    worse = past is not None and _is_worse(now, past, (rules or Rules()).level)
    parts = [said]
    parts += [_beside_bound(now, held, broken=broken)] if held else []
    parts += [_beside_past(past, worse=worse, alone=not broken)] if past else []
    more = f"; {apart}" if (past, held) != (expected, bound) else ""
    if not broken and not worse:
        return _judged("steady", "none", f"{', '.join(parts)}{more}.")
    severe = past is not None and _loss(now, past) >= _WORSE[now.metric]
    severity: Severity = "high" if broken or severe else "medium"
    return _judged("drifted", severity, f"{', '.join(parts)}{more}; severity {severity}.")


def is_broken(now: Quality, bound: Bound, rules: Rules | None = None) -> bool:
    """Return whether a figure is beyond a bound of its measure, at the level of the verdicts."""
    return _p_value(now, bound.value, 0.0) <= (rules or Rules()).level


def _alike(now: Quality) -> str:
    if now.rows < _LEAST:
        return ""
    return f", which were asked together and are worth {now.size:.0f} that were not"


def _apart(now: Quality, expected: Quality | None, bound: Bound | None) -> str:
    """Return what a figure is not held against, and why."""
    parts = []
    if expected is None:
        parts.append("it was not measured before")
    elif expected.metric != now.metric:
        parts.append(f"its evaluation data has a figure of {NAMES[expected.metric]}")
    if bound is None:
        parts.append("no bound is set")
    elif bound.metric != now.metric:
        parts.append(
            f"the bound that is set is one of {NAMES[bound.metric]}, which these labels do not give"
        )
    return ", and ".join(parts)


def _beside_bound(now: Quality, bound: Bound, *, broken: bool) -> str:
    beyond = now.value < bound.value if now.metric == "accuracy" else now.value > bound.value
    if broken or not beyond:
        return f"{'beyond' if broken else 'within'} the bound of {bound.value:g}"
    return f"beyond the bound of {bound.value:g}, which may be chance"


def _beside_past(past: Quality, *, worse: bool, alone: bool) -> str:
    was = f"was {past.value:.4g} on {past.rows:,} rows"
    return was if worse or not alone else f"as expected (it {was})"


def _judged(state: VerdictState, severity: Severity, said: str) -> Judged:
    return Judged("accuracy", (), None, severity, state, said)


def _is_worse(now: Quality, expected: Quality, level: float) -> bool:
    if now.metric != expected.metric:
        return False
    return _p_value(now, expected.value, expected.deviation**2 / expected.size) <= level


def _p_value(now: Quality, value: float, variance: float) -> float:
    """Return the one-sided p-value of being as good as ``value``; of hits by their variance there.

    A row of every kind is added (Agresti and Caffo 2000), so that a perfect past is no certainty.
    Of errors that are all the same the mean is certain, but for what floating point makes of it.
    """
    worse = value - now.value if now.metric == "accuracy" else now.value - value
    if worse <= _SAME * abs(value):
        return 1.0
    spread = now.deviation**2
    if now.metric == "accuracy":
        expected = (value * now.size + 1) / (now.size + 2)
        spread = max(spread, expected * (1 - expected))
    whole = spread / now.size + variance
    return 0.0 if whole <= 0 else float(ndtr(-worse / math.sqrt(whole)))


def _loss(now: Quality, expected: Quality) -> float:
    if now.metric == "accuracy":
        return expected.value - now.value
    return (now.value - expected.value) / expected.value if expected.value else math.inf


def of_values(target: Sequence[object], prediction: Sequence[object]) -> Quality | None:
    """Return the figure of labels and answers that are at hand, as of evaluation data."""
    found = labels.of_rows(target, prediction)
    return _quality(found.task, errors_of(found), found.label_of)

"""Measures of rows with labels, each with an interval.

Accuracy has Wilson's interval (1927), the mean absolute error the normal one. The others have that
of a bootstrap over requests (Efron 1979; requests are drawn, not rows, for rows of one request are
alike): 500 draws of at most 1,000 groups of requests, of a fixed seed, so that the same rows give
the same figures and many cost no more than few. A share is told no surer than Wilson's interval
tells it, for a bootstrap of a perfect figure knows no doubt. All at 95 %.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from services.monitoring import metrics, significance
from services.monitoring.labels import Labelled
from services.monitoring.metrics import Metric, Task
from services.monitoring.series import Codes, Figures

FEWEST = 5
"""Labels of a class from which on it counts in a mean over classes: a typing error is no class."""
CLASSES = 200
"""More classes have no mean over them: texts that a model writes are no classes."""
_DRAWS, _GROUPS, _SEED = 500, 1000, 20240229
_SURE = 0.975


@dataclass(frozen=True, slots=True)
class Quality:
    """One figure and between what it lies with 95 %."""

    metric: Metric
    value: float
    low: float
    high: float
    rows: int
    deviation: float
    """Standard deviation of a row's part in it: of a hit (0 or 1), of an error."""
    worth: float | None = None
    """How many independent rows they are worth; None: each is one."""
    classes: tuple[str, ...] = ()
    """Of a mean over classes: those that count, by name."""
    left_out: int = 0
    """Of a mean over classes: those with fewer than ``FEWEST`` labels."""

    @property
    def size(self) -> float:
        """Return of how many independent rows the figure is as sure."""
        return float(self.rows) if self.worth is None else self.worth


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows with a label, as numbers: the same place in each is the same row."""

    task: Task
    truth: Figures
    """Figures, or places in ``names``."""
    answer: Figures
    request: Codes
    names: tuple[str, ...] = ()
    """Classes that are labels or answers, in order."""

    def part(self, here: NDArray[np.bool_]) -> "Rows":
        """Return some of them."""
        return Rows(self.task, self.truth[here], self.answer[here], self.request[here], self.names)

    @property
    def errors(self) -> Figures:
        """Return a figure a row: 1 for a hit and 0 else, or the absolute error."""
        if self.task == "classification":
            hits: Figures = (self.truth == self.answer).astype(float)
            return hits
        off: Figures = np.abs(self.answer - self.truth)
        return off

    @property
    def counts(self) -> tuple[Figures, Figures, Figures]:
        """Return by class how often it was right, a label, an answer."""
        size = len(self.names)
        truth, answer = (side.astype(np.int64) for side in (self.truth, self.answer))
        found = (truth[truth == answer], truth, answer)
        right, labels, answers = (np.bincount(one, minlength=size).astype(float) for one in found)
        return right, labels, answers


def rows_of(found: Labelled) -> Rows:
    """Return rows with a label as numbers."""
    if found.task == "regression":
        labels = np.array(found.target, dtype=float)
        return Rows(found.task, labels, np.array(found.prediction, dtype=float), found.label_of)
    names = tuple(sorted({*found.target, *found.prediction}))
    place = {name: number for number, name in enumerate(names)}
    truth, answer = (
        np.array([place[one] for one in side], dtype=float)
        for side in (found.target, found.prediction)
    )
    return Rows(found.task, truth, answer, found.label_of, names)


def classes_of(rows: Rows) -> tuple[str, ...]:
    """Return the classes that a mean over them is of: those with labels enough, else with any."""
    labels = rows.counts[1]
    least = FEWEST if (labels >= FEWEST).any() else 1
    return tuple(name for name, n in zip(rows.names, labels, strict=True) if n >= least)


def quality(
    rows: Rows, metric: Metric | None = None, classes: Sequence[str] | None = None
) -> Quality | None:
    """Return a measure of rows; None: there are none, or none of the classes has a label.

    Args:
        rows: Some.
        metric: What is wanted; what their labels do not give is accuracy, or the mean absolute
            error. More than ``CLASSES`` classes give accuracy alone.
        classes: Of a mean over classes: those that count; None: ``classes_of`` the rows.
    """
    if not len(rows.truth):
        return None
    wanted = metrics.fitting(rows.task, metric)
    if wanted in ("accuracy", "mae") or len(rows.names) > CLASSES:
        return _mean(rows)
    if rows.task == "regression":
        return _of_errors(rows, wanted)
    return _over_classes(rows, wanted, classes_of(rows) if classes is None else classes)


def _mean(rows: Rows) -> Quality:
    errors, count = rows.errors, worth(rows)
    mean, deviation = float(errors.mean()), float(errors.std())
    if rows.task == "classification":
        low, high = wilson(mean, count)
        return Quality("accuracy", mean, low, high, len(errors), deviation, count)
    half = float(ndtri(_SURE)) * deviation / math.sqrt(count)
    return Quality("mae", mean, max(0.0, mean - half), mean + half, len(errors), deviation, count)


def worth(rows: Rows) -> float:
    """Return how many independent rows they are worth."""
    return worth_of(rows.errors, rows.request)


def worth_of(values: Figures, request: Codes) -> float:
    """Return how many independent rows some values are worth, one a row, of these requests."""
    # Where all are the same nothing tells how alike the rows of a request are: each counts once.
    same = bool((values == values[0]).all())
    requests = len(np.unique(request))
    if same and requests > 1:
        return float(requests)
    return significance.worth(values, request)


def wilson(mean: float, count: float) -> tuple[float, float]:
    """Return Wilson's interval of a share."""
    z = float(ndtri(_SURE))
    middle = (mean + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(mean * (1 - mean) / count + (z / (2 * count)) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)


def _of_errors(rows: Rows, metric: Metric) -> Quality:
    off = rows.answer - rows.truth
    groups = _groups(rows.request)
    parts = off**2 if metric == "rmse" else off
    sums = np.stack((np.bincount(groups, parts), np.bincount(groups).astype(float)), axis=1)

    def figure(drawn: Figures) -> Figures:
        mean: Figures = drawn[:, 0] / drawn[:, 1]
        return np.sqrt(mean) if metric == "rmse" else mean

    value = float(figure(sums.sum(axis=0, keepdims=True))[0])
    drawn = figure(_drawn(sums))
    low, high = (float(one) for one in np.quantile(drawn, (1 - _SURE, _SURE)))
    count = worth(rows)
    deviation = float(drawn.std()) * math.sqrt(count)
    return Quality(metric, value, min(low, value), max(high, value), len(off), deviation, count)


def _over_classes(rows: Rows, metric: Metric, classes: Sequence[str]) -> Quality | None:
    _, labels, answers = rows.counts
    known = {name: place for place, name in enumerate(rows.names)}
    wanted = np.array([known[one] for one in classes if one in known], dtype=np.int64)
    wanted = wanted[labels[wanted] > 0]
    if not len(wanted):
        return None
    groups = _groups(rows.request)
    sums = _sums(rows, groups)[:, :, wanted]
    value = float(_macro(metric, sums.sum(axis=0)[None])[0])
    drawn = _macro(metric, _drawn(sums.reshape(len(sums), -1)).reshape(-1, 3, len(wanted)))
    # As many rows as an even mix of classes would have that is as sure: the rarest weigh most.
    each = _denominator(metric, labels[wanted], answers[wanted])
    even = len(wanted) ** 2 / float((1 / np.where(each > 0, each, labels[wanted])).sum())
    count = min(even, len(rows.truth)) * worth(rows) / len(rows.truth)
    low, high = (float(one) for one in np.quantile(drawn, (1 - _SURE, _SURE)))
    least, most = wilson(value, count)
    return Quality(
        metric, value, min(low, least), max(high, most), len(rows.truth),
        float(drawn.std()) * math.sqrt(count), count, tuple(rows.names[n] for n in wanted),
        int((labels > 0).sum()) - len(wanted),
    )  # fmt: skip


def by_class(metric: Metric, right: Figures, labels: Figures, answers: Figures) -> Figures:
    """Return a measure of each class; 0 where nothing of it was answered, or labelled."""
    under = _denominator(metric, labels, answers)
    found: Figures = np.divide(right, under, out=np.zeros_like(under), where=under > 0)
    return found


def _denominator(metric: Metric, labels: Figures, answers: Figures) -> Figures:
    if metric == "recall":
        return labels
    return answers if metric == "precision" else (labels + answers) / 2


def _macro(metric: Metric, counts: Figures) -> Figures:
    """Return the mean over classes of draws × (right, labels, answers) × classes.

    A class of which a draw has no label is left out of it.
    """
    right, labels, answers = counts[:, 0], counts[:, 1], counts[:, 2]
    there = labels > 0
    each = np.where(there, by_class(metric, right, labels, answers), 0.0)
    mean: Figures = each.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return mean


def _sums(rows: Rows, groups: Codes) -> Figures:
    """Return counts of (right, labels, answers) by group and class."""
    size, number = len(rows.names), int(groups.max()) + 1
    truth, answer = (side.astype(np.int64) for side in (rows.truth, rows.answer))
    hits = truth == answer
    pairs = ((groups[hits], truth[hits]), (groups, truth), (groups, answer))
    return np.stack(
        [
            np.bincount(group * size + of, minlength=number * size).reshape(number, size)
            for group, of in pairs
        ],
        axis=1,
    ).astype(float)


def _groups(request: Codes) -> Codes:
    """Return a group a row: its request, or several requests at random where there are many."""
    _, codes = np.unique(request, return_inverse=True)
    number = int(codes.max()) + 1
    if number == 1:  # nothing is known of how alike rows are
        codes = np.arange(len(request))
        number = len(codes)
    if number <= _GROUPS:
        return codes
    return np.random.default_rng(_SEED).permutation(number)[codes] % _GROUPS


def _drawn(sums: Figures) -> Figures:
    """Return draws × columns: sums over groups that were drawn with replacement."""
    count = len(sums)
    rng = np.random.default_rng(_SEED)
    picked = rng.integers(count, size=(_DRAWS, count)) + count * np.arange(_DRAWS)[:, None]
    weights = np.bincount(picked.ravel(), minlength=_DRAWS * count).reshape(_DRAWS, count)
    found: Figures = weights.astype(float) @ sums
    return found

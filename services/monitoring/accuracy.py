"""How right the answers were, as far as labels came: over time, with intervals.

Labels come late, so the newest predictions have few: a stretch is ``open`` while it is younger than
nine of ten labels took. Rows that were asked together are alike: an interval and a test go by what
they are worth (``significance.worth``), as those of drift do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from services.home import Home
from services.monitoring import labels, measures, metrics
from services.monitoring.labels import Labelled, Task
from services.monitoring.measures import Quality as Quality
from services.monitoring.metrics import NAMES as NAMES
from services.monitoring.metrics import Metric as Metric
from services.monitoring.models import Figure, Severity, VerdictState
from services.monitoring.series import Figures
from services.monitoring.verdict import Judged, Rules
from services.predictions import monitoring as log
from services.predictions import reading, shadowed

LEAST = 30
"""Rows with a label from which on a figure is judged."""
_SAME = 1e-9
"""Two figures that are nearer than this part of one are the same."""
_LATE = 0.9
_WORSE_SHARE, _WORSE_ERROR = 0.10, 0.25
"""From which loss on it is severe: points of a share; a part of an error, or, of bias, of the
standard deviation of errors."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What is promised of a figure."""

    metric: Metric
    value: float
    """The least share, 0 to 1, or the greatest error, in the label's unit; of bias either way."""


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
    metric: Metric | None = None,
) -> Accuracy:
    """Return how right a model's answers of a stretch of time were; of a shadow, its copies'.

    ``metric``: what is wanted; see ``measures.quality``.

    Raises:
        PlatformError: The log cannot be read.
    """
    found = labelled(home, project, model, since, until, version, shadow=shadow)
    predictions = reading.count(home, project, model, since, until, version, shadow=shadow)
    return measured(found, predictions, since, until, step_s, metric)


def labelled(
    home: Home,
    project: str,
    model: str,
    since: float,
    until: float,
    version: int | None = None,
    *,
    shadow: bool = False,
) -> Labelled:
    """Return the rows of a stretch of time that have a label; of a shadow, its copies'.

    Raises:
        PlatformError: The log cannot be read.
    """
    if shadow and version is not None:
        return labels.paired(shadowed.labelled(home, project, model, version, since, until)[1])
    return labels.paired(log.paired(home, project, model, since, until, version))


def measured(
    found: Labelled,
    predictions: int,
    since: float,
    until: float,
    step_s: float,
    metric: Metric | None = None,
) -> Accuracy:
    """Return what rows with labels come to; pure."""
    rows = measures.rows_of(found)
    count = len(rows.truth)
    late = float(np.quantile(found.delay_s, _LATE)) if count else math.inf
    place = np.floor((found.at - since) / step_s).astype(int)
    overall = measures.quality(rows, metric)
    classes = None if overall is None else overall.classes
    points = []
    for number in np.unique(place):
        begin = since + float(number) * step_s
        quality = measures.quality(rows.part(place == number), metric, classes)
        if quality is not None:
            points.append(Point(begin, quality, begin + step_s + late > until))
    delay = float(np.median(found.delay_s)) if count else None
    said = _said(found, overall, predictions)
    return Accuracy(
        found.task, overall, tuple(points), predictions, found.requests, found.unusable,
        found.strange, delay, said,
    )  # fmt: skip


def errors_of(found: Labelled) -> Figures:
    """Return a figure a row: 1 for a hit and 0 else, or the absolute error."""
    return measures.rows_of(found).errors


def _said(found: Labelled, overall: Quality | None, predictions: int) -> str:
    share = f"{found.requests:,} of {predictions:,} predictions have a label"
    if overall is None:
        wrong = f"; {found.unusable:,} labels fit no answer" if found.unusable else ""
        return f"How right the answers were is not known: {share}{wrong}."
    said = f"{_figure(overall)} on {overall.rows:,} rows; {share}"
    said += _without(overall)
    if found.unusable:
        said += f"; {found.unusable:,} labels fit no answer and are left out"
    if found.strange:
        said += f"; {found.strange:,} rows have a label that the model never answered"
    return f"{said}."


def _without(one: Quality) -> str:
    """Return what is left out of a mean over classes, as the end of a sentence."""
    if not one.left_out:
        return ""
    many = "1 class" if one.left_out == 1 else f"{one.left_out:,} classes"
    be = "is" if one.left_out == 1 else "are"
    few = f"with fewer than {measures.FEWEST} labels"
    return f"; {many} {few} {be} left out of the mean over classes"


def _figure(one: Quality) -> str:
    name = NAMES[one.metric]
    value, low, high = (metrics.told(one.metric, each) for each in (one.value, one.low, one.high))
    return f"{name[:1].upper()}{name[1:]} {value} ({low} to {high})"


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
        said = "How right the answers are is not known: no labels yet."
        return Judged("accuracy", (), None, "none", "unknown", said)
    past = expected if expected is not None and expected.metric == now.metric else None
    held = bound if bound is not None and bound.metric == now.metric else None
    said = f"{_figure(now)} on {now.rows:,} rows"
    apart, without = _apart(now, expected, bound), _without(now)

    def judged(state: VerdictState, severity: Severity, said: str) -> Judged:
        return Judged("accuracy", (), None, severity, state, said, _told(now, past, held))

    if past is None and held is None:
        return judged("unknown", "none", f"{said}; {apart}{without}.")
    if now.size < LEAST:
        few = f"{said} only{alike(now)}: {LEAST} are wanted{without}."
        return judged("too few", "none", few)
    broken = held is not None and is_broken(now, held, rules)
    worse = past is not None and _is_worse(now, past, (rules or Rules()).level)
    parts = [said]
    parts += [_beside_bound(now, held, broken=broken)] if held else []
    parts += [_beside_past(past, worse=worse, alone=not broken)] if past else []
    more = f"; {apart}{without}" if (past, held) != (expected, bound) else without
    if not broken and not worse:
        return judged("steady", "none", f"{', '.join(parts)}{more}.")
    severe = past is not None and _is_severe(now, past)
    severity: Severity = "high" if broken or severe else "medium"
    return judged("drifted", severity, f"{', '.join(parts)}{more}; severity {severity}.")


def is_broken(now: Quality, bound: Bound, rules: Rules | None = None) -> bool:
    """Return whether a figure is beyond a bound of its measure, at the level of the verdicts."""
    return _p_value(now, bound.value, 0.0) <= (rules or Rules()).level


def alike(now: Quality) -> str:
    """Return why rows are worth less than they are many, as the end of a phrase."""
    if now.rows < LEAST:
        return ""
    if now.classes:
        return f", of classes so rare that they are worth {now.size:.0f} of an even mix"
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
    beyond = metrics.is_beyond(now.metric, now.value, bound.value)
    if broken or not beyond:
        return f"{'beyond' if broken else 'within'} the bound of {bound.value:g}"
    return f"beyond the bound of {bound.value:g}, which may be chance"


def _beside_past(past: Quality, *, worse: bool, alone: bool) -> str:
    was = f"was {past.value:.4g} on {past.rows:,} rows"
    return was if worse or not alone else f"as expected (it {was})"


def _told(now: Quality, past: Quality | None, held: Bound | None) -> Figure:
    return Figure(
        now.metric, now.value, now.low, now.high, now.rows,
        None if past is None else past.value, None if held is None else held.value,
    )  # fmt: skip


def _is_worse(now: Quality, expected: Quality, level: float) -> bool:
    if now.metric != expected.metric:
        return False
    return _p_value(now, expected.value, expected.deviation**2 / expected.size) <= level


def _p_value(now: Quality, value: float, variance: float) -> float:
    """Return the one-sided p-value of being as good as ``value``; of hits by their variance there.

    A row of every kind is added (Agresti and Caffo 2000), so that a perfect past is no certainty.
    Of errors that are all the same the mean is certain, but for what floating point makes of it.
    Bias is as bad to either side, so both sides count.
    """
    share = metrics.is_share(now.metric)
    worse = value - now.value if share else abs(now.value) - abs(value)
    if worse <= _SAME * abs(value):
        return 1.0
    spread = now.deviation**2
    if share:
        expected = (value * now.size + 1) / (now.size + 2)
        spread = max(spread, expected * (1 - expected))
    whole = spread / now.size + variance
    sides = 2.0 if now.metric == "bias" else 1.0
    return 0.0 if whole <= 0 else min(1.0, sides * float(ndtr(-worse / math.sqrt(whole))))


def _is_severe(now: Quality, past: Quality) -> bool:
    if metrics.is_share(now.metric):
        return past.value - now.value >= _WORSE_SHARE
    unit = now.deviation if now.metric == "bias" else past.value
    return abs(now.value) - abs(past.value) >= _WORSE_ERROR * unit


def of_values(
    target: Sequence[object],
    prediction: Sequence[object],
    metric: Metric | None = None,
    classes: Sequence[str] | None = None,
) -> Quality | None:
    """Return the figure of labels and answers that are at hand, as of evaluation data.

    ``classes``: of a mean over classes, those that count, as of the figure it stands beside.
    """
    rows = measures.rows_of(labels.of_rows(target, prediction))
    return measures.quality(rows, metric, classes)

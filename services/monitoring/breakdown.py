"""How right answers were in detail: by class, which for which, how far figures were off.

All of rows with labels, those of the window beside those of the evaluation data.
"""

from dataclasses import dataclass

import numpy as np

from services.monitoring import measures
from services.monitoring.labels import Labelled
from services.monitoring.measures import Rows
from services.monitoring.metrics import Task
from services.monitoring.models import Histogram
from services.monitoring.series import Figures

DRAWN = 20
"""Classes up to which a matrix is read."""
_BARS = 24
_MIDDLE = (0.01, 0.99)
"""Of all errors: what lies outside is in the first and the last bar."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share, 0 to 1, and of how many; ``share`` is None of none."""

    share: float | None
    of: int


@dataclass(frozen=True, slots=True)
class Class:
    """One class; then: in the evaluation data, None where it has no labels of this kind."""

    name: str
    precision: Share
    """Of the answers that say so, those that are right."""
    recall: Share
    """Of the rows whose label says so, those that were found."""
    precision_then: Share | None
    recall_then: Share | None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """What rows with labels are in detail."""

    task: Task
    classes: tuple[Class, ...] = ()
    """The most frequent label first; () of figures, and of more than ``measures.CLASSES``."""
    names: tuple[str, ...] = ()
    """Of the matrix; () where there are more than ``DRAWN``."""
    matrix: tuple[tuple[int, ...], ...] = ()
    """A row a true class: how often each class was answered."""
    off: Histogram | None = None
    """Of figures: how answer − label is spread."""
    off_then: Histogram | None = None


def of(now: Labelled, then: Labelled | None) -> Breakdown | None:
    """Return the detail of rows with labels; None: there are none.

    Args:
        now: Of the window.
        then: Of the evaluation data; None: it has no labels.
    """
    if not now.target:
        return None
    rows = measures.rows_of(now)
    same = then is not None and then.task == now.task and bool(then.target)
    past = measures.rows_of(then) if then is not None and same else None
    if now.task == "regression":
        return _of_figures(rows, past)
    if len(rows.names) > measures.CLASSES:
        return Breakdown(now.task)
    names, matrix = _matrix(rows)
    return Breakdown(now.task, _classes(rows, past), names, matrix)


def _classes(now: Rows, then: Rows | None) -> tuple[Class, ...]:
    here = _by_name(now)
    past = None if then is None else _by_name(then)
    order = sorted(here, key=lambda name: (-here[name][1].of, name))
    nothing = Share(None, 0), Share(None, 0)
    return tuple(
        Class(name, *here[name], *((None, None) if past is None else past.get(name, nothing)))
        for name in order
    )


def _by_name(rows: Rows) -> dict[str, tuple[Share, Share]]:
    """Return precision and recall of each class."""
    right, labels, answers = rows.counts
    return {
        name: (_share(right[n], answers[n]), _share(right[n], labels[n]))
        for n, name in enumerate(rows.names)
    }


def _share(some: float, whole: float) -> Share:
    return Share(float(some / whole) if whole else None, int(whole))


def _matrix(rows: Rows) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    size = len(rows.names)
    if size > DRAWN:
        return (), ()
    codes = (rows.truth * size + rows.answer).astype(np.int64)
    counts = np.bincount(codes, minlength=size * size).reshape(size, size)
    return rows.names, tuple(tuple(int(one) for one in row) for row in counts)


def _of_figures(now: Rows, then: Rows | None) -> Breakdown:
    sides = [one.answer - one.truth for one in (now, then) if one is not None]
    low, high = (float(one) for one in np.quantile(np.concatenate(sides), _MIDDLE))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _BARS + 1)
    drawn = [_spread(one, edges) for one in sides]
    return Breakdown(now.task, off=drawn[0], off_then=drawn[1] if len(drawn) > 1 else None)


def _spread(off: Figures, edges: Figures) -> Histogram:
    counts, _ = np.histogram(np.clip(off, edges[0], edges[-1]), edges)
    shares = counts / len(off)
    return Histogram(tuple(edges.tolist()), (), tuple(shares.tolist()))

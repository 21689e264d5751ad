"""The two sides of a lost accuracy: the rows whose labels came, nothing else.

Labels come late, so these are older than the newest requests. They are compared with those of
before, or with the evaluation data of the version.

Every function may raise ``PlatformError``: the files cannot be read.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.causes import comparing, logged, onset
from services.causes.case import Numbers, Places, Rows, Side
from services.causes.data_checks import INPUT, STRANGE
from services.causes.logged import MOST, Asked, column_of, side_of
from services.home import Home
from services.monitoring import labels
from services.monitoring.accuracy import errors_of
from services.monitoring.reference import ANSWER, LABEL, Reference
from services.predictions import monitoring as log

HOUR_S = 3600.0
RISE = 0.1
"""Part of what it was, by which it must get worse for that to be its begin."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Both sides as far as labels came."""

    then: Side
    now: Side
    metric: str
    answered: frozenset[Any]
    """What the model answered, on both sides."""


def begin(home: Home, project: str, model: str, since: float, until: float) -> float | None:
    """Return the hour in which answers got worse; None: none is found.

    It is looked for in the hours by themselves: of each as many rows with a label count as make
    ``MOST`` together.
    """
    hours = max(1, math.ceil((until - since) / HOUR_S))
    each = max(comparing.LEAST, MOST // hours)
    table = log.paired(home, project, model, since, until, each_hour=each)
    found = labels.paired(table)
    wrong = _wrong(found)
    hour, place = np.unique(np.floor(found.at / HOUR_S), return_inverse=True)
    counts = np.bincount(place, minlength=len(hour))
    sums = np.bincount(place, wrong, minlength=len(hour))
    points = zip((hour * HOUR_S).tolist(), counts.tolist(), (sums / counts).tolist(), strict=True)
    step = onset.step_up(list(points))
    if step is None:
        return None
    later = found.at >= step.at
    is_real = comparing.rose(wrong[~later], wrong[later], RISE, onset.SURE)
    return step.at if is_real else None


def _wrong(found: labels.Labelled) -> Numbers:
    """Return 1 for a wrong answer, else 0; of figures the absolute error."""
    errors: Numbers = errors_of(found)
    return 1.0 - errors if found.task == "classification" else errors


def read(
    home: Home, project: str, model: str, back_to: float, since: float, until: float
) -> Labels:
    """Return the rows with a label of before a moment and of after it, the newest ``MOST`` each."""
    import pyarrow as pa

    of = home, project, model
    parts = [
        log.paired(*of, *stretch, newest=MOST) for stretch in ((back_to, since), (since, until))
    ]
    found = labels.paired(pa.concat_tables(parts))
    answered = frozenset(found.prediction)
    classes = found.task == "classification"
    strange = np.array([one not in answered for one in found.target], dtype=float)
    ids: list[str] = [name for part in parts for name in part["id"].to_pylist()]
    keys = [
        (ids[of], row)
        for of, row in zip(found.label_of.tolist(), _numbers(found.label_of), strict=True)
    ]
    told = _Told(keys, _wrong(found), strange if classes else None)
    sides = [
        _side(*of, logged.requests(*of, *stretch, ids=part["id"].to_pylist()), told)
        for stretch, part in zip(((back_to, since), (since, until)), parts, strict=True)
    ]
    metric = "wrong answers" if classes else "mean absolute error"
    return Labels(sides[0], sides[1], metric, answered)


@dataclass(frozen=True, slots=True)
class _Told:
    keys: Sequence[tuple[str, int]]
    """Request and row."""
    wrong: Numbers
    strange: Numbers | None


def _numbers(of: Places) -> list[int]:
    """Return which row of its request each is."""
    seen: dict[int, int] = {}
    rows = []
    for one in of.tolist():
        rows.append(seen.get(one, 0))
        seen[one] = rows[-1] + 1
    return rows


def _side(home: Home, project: str, model: str, one: Asked, told: _Told) -> Side:
    known = {name: place for place, name in enumerate(one.ids)}
    pairs = [(known[name], at) for at, (name, _) in enumerate(told.keys) if name in known]
    places = np.array([place for place, _ in pairs], dtype=np.int64)
    mine = np.array([at for _, at in pairs], dtype=np.int64)
    columns = _beside(home, project, model, one, [told.keys[at] for at in mine.tolist()])
    if told.strange is not None:
        columns[STRANGE] = told.strange[mine]
    return side_of(one, places, {"whole": told.wrong[mine]}, columns)


def _beside(
    home: Home, project: str, model: str, one: Asked, keys: Sequence[tuple[str, int]]
) -> dict[str, NDArray[Any]]:
    """Return the inputs of rows that have a label; empty where the log has none of them."""
    if not keys:
        return {}
    table = log.features(home, project, model, None, one.since, one.until, ids=one.ids)
    ids, rows = table["id"].to_pylist(), table["row"].to_pylist()
    known = {pair: place for place, pair in enumerate(zip(ids, rows, strict=True))}
    found = np.array([known.get(key, -1) for key in keys], dtype=np.int64)
    return {
        name: _filled(column_of(table, name), found)
        for name in table.column_names
        if name.startswith(INPUT)
    }


def _filled(values: NDArray[Any], places: Places) -> NDArray[Any]:
    if not len(values):
        return np.full(len(places), np.nan)
    taken = values[np.maximum(places, 0)].copy()
    taken[places < 0] = np.nan if values.dtype.kind == "f" else None
    return taken


def of_evaluation(beside: Labels, reference: Reference) -> Side | None:
    """Return evaluation data as what there was before; None: its labels are of another kind.

    Nobody asked for these rows: when, by whom and from which version is not known of them.
    """
    table = reference.table
    if not {LABEL, ANSWER} <= set(table.column_names):
        return None
    found = labels.of_rows(*(table[name].to_pylist() for name in (LABEL, ANSWER)))
    classes = found.task == "classification"
    if classes != (beside.metric == "wrong answers") or not len(found.target):
        return None
    columns = {
        name: column_of(table, name)[found.label_of]
        for name in beside.now.columns
        if name in table.column_names
    }
    if classes:
        answered = beside.answered | set(found.prediction)
        strange = [one not in answered for one in found.target]
        columns[STRANGE] = np.array(strange, dtype=float)
    rows = Rows.of({"at": np.full(len(found.target), np.nan)})
    return Side(math.nan, math.nan, rows, {"whole": _wrong(found)}, columns)

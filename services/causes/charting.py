"""What a cause is drawn from: the rows, the strata and the figures that its check compared. Pure.

Over time in steps that begin with the trouble, so that none holds rows of before and of now; and
then beside now, by the strata the weight was found with.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.causes import regions
from services.causes.case import Case, Numbers, Side
from services.causes.comparing import LEAST, Codes, Strata, binned, named, ranged
from services.causes.factor import Factor, Figure
from services.causes.models import KINDS, Chart, Course
from services.causes.wording import begun, measure
from services.monitoring.models import ColumnVerdict, Histogram
from services.monitoring.weights import LOST

STEPS = 60
_BACK_S = 3600.0
_TIMES_BACK = 3.0
"""So many times as long as it lasts the time before is drawn, an hour at least."""
_LABELS = 8
_LINES = 5
_REST = "others"


def chart(case: Case, factor: Factor) -> Chart:
    """Return what shows a circumstance: its course, and then and now by its strata."""
    if factor.column is not None:
        return _of_column(case, factor.column)
    return of_strata(case, factor.strata, factor.figure, begun(KINDS[factor.kind]))


def of_strata(case: Case, strata: Strata, figure: Figure | None, title: str) -> Chart:
    """Return the same of a circumstance that rows have.

    Args:
        case: Its rows, then and now.
        strata: Of each row.
        figure: What is drawn over time; None: how many rows have each label.
        title: Of the chart, where there is no figure.
    """
    strata = _few(strata)
    then, now = _shares(strata.then, strata), _shares(strata.now, strata)
    steps = _Steps(case)
    courses = _courses(steps, strata, (then, now)) if figure is None else (_course(steps, figure),)
    return Chart(
        title=title if figure is None else figure.name,
        unit="% of the rows" if figure is None else figure.unit,
        begins=steps.begins,
        step_s=steps.step_s,
        courses=courses,
        outcome=begun(measure(case)),
        outcome_unit=_unit(case),
        outcome_course=steps.means(_outcome(case, case.then), _outcome(case, case.now)),
        labels=strata.labels,
        of="% of the rows",
        then=then,
        now=now,
        then_outcome=_by_label(strata.then, _outcome(case, case.then), strata),
        now_outcome=_by_label(strata.now, _outcome(case, case.now), strata),
    )


class _Steps:
    """Equal steps of time of which one begins with the trouble."""

    def __init__(self, case: Case) -> None:
        onset, until = case.onset, max(case.now.until, case.onset + 1.0)
        dated = case.then.rows.at[np.isfinite(case.then.rows.at)]  # evaluation data has no time
        first = float(dated.min()) if len(dated) else onset
        start = max(first, onset - max(_TIMES_BACK * (until - onset), _BACK_S))
        self.step_s = (until - start) / STEPS
        self._before = math.ceil((onset - start) / self.step_s)
        count = self._before + math.ceil((until - onset) / self.step_s)
        begins = onset + (np.arange(count) - self._before) * self.step_s
        self.begins = tuple(float(one) for one in begins)
        at = np.concatenate([case.then.rows.at, case.now.rows.at])
        dated = np.where(np.isfinite(at), at, onset - (self._before + 1) * self.step_s)
        self._place = np.floor((dated - onset) / self.step_s).astype(np.int64) + self._before

    def means(self, then: Numbers, now: Numbers) -> tuple[float | None, ...]:
        """Return the mean of what is known in each step, None where nothing is."""
        values = np.concatenate([then, now])
        kept = np.isfinite(values) & (self._place >= 0) & (self._place < len(self.begins))
        place, values = self._place[kept], values[kept]
        counts = np.bincount(place, minlength=len(self.begins))
        sums = np.bincount(place, values, minlength=len(self.begins))
        return tuple(
            float(total / count) if count else None
            for total, count in zip(sums, counts, strict=True)
        )


def _course(steps: _Steps, figure: Figure) -> Course:
    return Course(figure.name, steps.means(figure.then, figure.now))


def _courses(
    steps: _Steps, strata: Strata, shares: tuple[Sequence[float], Sequence[float]]
) -> tuple[Course, ...]:
    """Return what share of the rows of each step had a label, of those whose share moved most."""
    moved = [abs(after - before) for before, after in zip(*shares, strict=True)]
    order = sorted(range(len(moved)), key=lambda place: (-moved[place], place))
    found = []
    for place in sorted(order[:_LINES]):
        then, now = (
            np.where(codes < 0, np.nan, (codes == place) * 100.0)
            for codes in (strata.then, strata.now)
        )
        found.append(Course(strata.labels[place], steps.means(then, now)))
    return tuple(found)


def _few(strata: Strata) -> Strata:
    """Return strata with at most so many labels as there is room for; they are by frequency."""
    if len(strata.labels) <= _LABELS:
        return strata
    last = _LABELS - 1
    then, now = np.minimum(strata.then, last), np.minimum(strata.now, last)
    return Strata(then, now, (*strata.labels[:last], _REST))


def _shares(codes: Codes, strata: Strata) -> tuple[float, ...]:
    known = codes[codes >= 0]
    counts = np.bincount(known, minlength=len(strata.labels))
    return tuple(float(one) for one in counts / max(1, len(known)) * 100.0)


def _by_label(codes: Codes, values: Numbers, strata: Strata) -> tuple[float | None, ...]:
    found: list[float | None] = []
    for place in range(len(strata.labels)):
        mine = values[codes == place]
        known = mine[np.isfinite(mine)]  # of an input that no region is known of there is none
        found.append(float(known.mean()) if len(known) >= LEAST else None)
    return tuple(found)


def _outcome(case: Case, side: Side) -> Numbers:
    scale = 100.0 if _unit(case) == "%" else 1.0
    whole: Numbers = side.whole if len(side.whole) else np.full(len(side.rows), np.nan)
    return whole * scale


def _unit(case: Case) -> str:
    if case.symptom == "slow":
        return "ms"
    return "" if case.metric == "mean absolute error" else "%"


# Inputs that a verdict tells of


def _of_column(case: Case, one: ColumnVerdict) -> Chart:
    name = one.name.partition(".")[2] or one.name
    title = f"The input {name}"
    then, now = case.then.columns.get(one.name), case.now.columns.get(one.name)
    if min(len(case.then.rows), len(case.now.rows)) >= LEAST:
        if one.state in LOST and (then is not None or now is not None):
            return of_strata(case, _filled(case, then, now), None, title)
        if then is not None and now is not None:
            return of_strata(case, *strata_of(name, then, now), title)
    return _of_verdict(one, title)


def strata_of(
    name: str, then: NDArray[np.generic], now: NDArray[np.generic]
) -> tuple[Strata, Figure | None]:
    """Return strata of a column of the rows, and the figure to draw where it has figures."""
    if then.dtype.kind == "f" and now.dtype.kind == "f":
        before, after = then.astype(np.float64), now.astype(np.float64)
        figure = Figure(f"The input {name}", "", before, after)
        return ranged(binned(before, after), before, after), figure
    return named(then.tolist(), now.tolist()), None


def _filled(
    case: Case, then: NDArray[np.generic] | None, now: NDArray[np.generic] | None
) -> Strata:
    codes = [
        np.ones(len(side.rows), dtype=np.int64)
        if values is None
        else regions.empty(values).astype(np.int64)
        for values, side in ((then, case.then), (now, case.now))
    ]
    return Strata(codes[0], codes[1], ("with a value", "without a value"))


def _of_verdict(one: ColumnVerdict, title: str) -> Chart:
    """Return what the verdict kept: no rows of then and now are at hand."""
    spread = one.reference, one.current
    if spread[0] is None or spread[1] is None:
        # It cannot be compared, and how many values there are says why.
        counts = (float(one.n_reference),), (float(one.n_current),)
        return Chart(title, labels=("values",), of="values", then=counts[0], now=counts[1])
    return Chart(
        title,
        labels=_labels(spread[0]),
        of="% of the values",
        then=tuple(share * 100 for share in spread[0].shares),
        now=tuple(share * 100 for share in spread[1].shares),
    )


def _labels(found: Histogram) -> tuple[str, ...]:
    if found.labels:
        return found.labels
    pairs = zip(found.edges[:-1], found.edges[1:], strict=True)
    return tuple(f"{low:,.3g} to {high:,.3g}" for low, high in pairs)

"""Inputs that moved, columns that are lost, labels and truths that are other than they were."""

import numpy as np
from numpy.typing import NDArray

from services.causes.case import Case
from services.causes.charting import of_strata, strata_of
from services.causes.comparing import Strata
from services.causes.factor import Answer, Factor, Missing, above, evidence, known, mean_of
from services.causes.models import Cause, Chart
from services.causes.wording import address, chart, column, spread, when
from services.monitoring import weights
from services.monitoring.models import ColumnVerdict, is_moved
from services.telemetry.figures import percent

INPUT = "input."
STRANGE = "label.strange"
MOST = 60
"""Columns of which rows are compared; those that moved most, by their importance."""
_MOVED = 0.1
_LEFT = 0.3
"""Share of the change from which on what nothing explains is told as another truth."""
_BY_WEIGHT = (
    "its importance × how far it moved, of all inputs that moved; importance is how much of the "
    "answer goes with an input in the reference"
)
_BY_DISTANCE = (
    "how far it moved, of all inputs that moved; how much of the answer goes with each is not known"
)


def by_verdict(case: Case) -> list[Answer]:
    """Return the inputs that moved with their shares of all that moved, by a rule of thumb."""
    if not case.moved:
        reason = "no verdict on its inputs is kept of that time, or all it has are ignored"
        return [Missing("feature", reason)]
    known = {one.name: one for one in case.moved}
    how = _BY_DISTANCE
    if any(one.importance is not None for one in case.moved):
        how = _BY_WEIGHT
    shares = weights.shares(case.moved)
    return [_moved(case, known[name], share, how) for name, share in shares.items()]


def _moved(case: Case, one: ColumnVerdict, share: float, how: str) -> Factor:
    name = one.name.removeprefix(INPUT)
    lost = one.state in weights.LOST
    importance = ""
    if one.importance is not None:
        importance = f"{percent(one.importance)} of the answer goes with it."
    return Factor(
        "lost" if lost else "feature",
        _NONE,
        worse=True,
        title=f"The input {name} is {_STATE[one.state]}" if lost else f"The input {name} moved",
        evidence=evidence(_said(one), importance),
        suggestion=_LOOK_LOST if lost else _LOOK_MOVED,
        page=column(case, one.name),
        share=share,
        how=how,
        column=one,
        about=one.name,
    )


_NONE = Strata(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), ())
_STATE = {
    "missing": "missing", "empty": "empty", "constant": "the same in all rows", "new": "new",
    "failed": "of another kind than it was",
}  # fmt: skip
_LOOK_LOST = "Look at what fills this column where the model is asked: it is broken or renamed."
_LOOK_MOVED = "See what changed where the model is asked; if it stays so, retrain on newer data."


def _said(one: ColumnVerdict) -> str:
    if one.said:
        return one.said
    if one.effect is None:
        return f"{one.name}: {one.state}, {one.n_reference:,} rows then, {one.n_current:,} now."
    return (
        f"{one.name} moved by {one.effect:.3g} ({one.measure}; {one.threshold or 0:.3g} counts), "
        f"{one.n_reference:,} rows then, {one.n_current:,} now."
    )


def by_rows(case: Case) -> list[Answer]:
    """Return each input as a circumstance of the rows: what of the change goes with it."""
    names = _compared(case)
    if not names:
        reason = "no inputs of before and of now are at hand to compare, or all are ignored"
        return [Missing("feature", reason)]
    names = _held(case)
    if not names:
        fewer = min(len(case.then.rows), len(case.now.rows))
        reason = f"{fewer} rows are too few to compare their values part by part"
        return [Missing("feature", reason)]
    said = {one.name: one for one in case.moved}
    return [_of_rows(case, name, said.get(name)) for name in names]


def _compared(case: Case) -> list[str]:
    names = [
        name for name in case.then.columns if name.startswith(INPUT) and name in case.now.columns
    ]
    order = {one.name: place for place, one in enumerate(weights.ordered(case.moved))}
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))[:MOST]


def _held(case: Case) -> list[str]:
    """Return the inputs of which rows enough are there to be compared value by value."""
    return [
        name
        for name in _compared(case)
        if _has_parts(case.then.columns[name], case.now.columns[name])
    ]


def _has_parts(then: NDArray[np.generic], now: NDArray[np.generic]) -> bool:
    strata, figure = strata_of("", then, now)
    if figure is None or len(strata.labels) > 1:
        return True
    both = np.concatenate([figure.then, figure.now])
    return len(np.unique(both[np.isfinite(both)])) == 1  # it is held, being always the same


def _of_rows(case: Case, name: str, said: ColumnVerdict | None) -> Factor:
    then, now = case.then.columns[name], case.now.columns[name]
    short = name.removeprefix(INPUT)
    strata, figure = strata_of(short, then, now)
    moved = _distance(strata) >= _MOVED or (said is not None and is_moved(said.state))
    lines = [_said(said)] if said is not None else []
    if figure is not None and known(then, now):
        lines.append(
            f"{short}: {mean_of(then):.3g} on average of {len(then):,} rows then, "
            f"{mean_of(now):.3g} of {len(now):,} now."
        )
    return Factor(
        "feature",
        strata,
        moved,
        f"The input {short} moved",
        evidence(*lines, *when(case, strata)),
        _LOOK_MOVED,
        column(case, name),
        figure=figure,
        about=name,
    )


def _distance(strata: Strata) -> float:
    then, now = (side[side >= 0] for side in (strata.then, strata.now))
    if not len(then) or not len(now):
        return 0.0
    count = len(strata.labels)
    shares = [np.bincount(side, minlength=count) / len(side) for side in (then, now)]
    return float(np.abs(shares[1] - shares[0]).sum()) / 2


def labels(case: Case) -> Answer:
    """Look for labels that the model never answers."""
    then, now = (side.columns.get(STRANGE, np.zeros(0)) for side in (case.then, case.now))
    if not known(then, now):
        return Missing("labels", "there are too few labels of before or of now")
    strata = above(then, now, 1.0, ("a label it answers", "a label it never answers"))
    return Factor(
        "labels",
        strata,
        mean_of(now) > mean_of(then),
        "Labels name classes that the model never answers",
        evidence(spread(then, now, "Rows with such a label"), *when(case, strata)),
        "Look who sends these labels: another name for a class, or a class it was never taught.",
        address("deployments", deployment=case.name),
    )


def relation(case: Case, explained: float) -> Cause | None:
    """Return that the truth of the same inputs is another, where nothing explains the change."""
    left = 1.0 - explained
    count = len(_held(case)) if left >= _LEFT else 0
    if not count:
        return None
    held = "" if case.reference else "versions, who asks and "
    inputs = "1 input" if count == 1 else f"{count} inputs"
    verb = "is" if count == 1 and not held else "are"
    return Cause(
        "relation",
        "The same inputs have other labels than before",
        f"{percent(left)} of the change is left when {held}{inputs} {verb} held as they were.",
        left,
        measured=False,
        evidence=(f"{len(case.then.rows):,} rows with a label then, {len(case.now.rows):,} now.",),
        suggestion="See whether labels are made as before; if they are, retrain on newer labels.",
        link=chart(case, "relation"),
        page=address("monitoring", deployment=case.name, part="accuracy"),
        chart=_as_they_were(case),
    )


def _as_they_were(case: Case) -> Chart:
    """Return how it came out for the same values of the input that weighs most."""
    name = _held(case)[0]
    then, now = case.then.columns[name], case.now.columns[name]
    strata, figure = strata_of(name.removeprefix(INPUT), then, now)
    return of_strata(case, strata, figure, f"The input {name.removeprefix(INPUT)}")

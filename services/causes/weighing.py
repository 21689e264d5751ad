"""From circumstances to causes with weights that together explain at most the whole change.

What was compared at the same time (``comparing.effect``) has the share that was measured; where
these are more than all of it together, each has its part. What is left is shared equally among
what changed with the begin and cannot be told apart; what only makes requests wait has a part of
the waiting alone. Of what these explain nothing the inputs that a verdict says moved have their
shares of all that moved (``monitoring.weights``): a rule of thumb, and told as one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from services.causes import charting, comparing, wording
from services.causes.case import Case, Numbers, Side
from services.causes.factor import QUEUE, Factor
from services.causes.models import KINDS, Cause, Kind
from services.telemetry.figures import percent

SMALLEST = 0.05
"""A cause of less is not told."""
FIRST = 3
"""So many inputs that moved are told however small their shares: of thirty none has a twentieth."""
_WHOLE = 0.995
_ORDER = list(KINDS)


@dataclass(frozen=True, slots=True)
class Weighed:
    """What came of the circumstances."""

    causes: tuple[Cause, ...]
    clear: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class _Share:
    factor: Factor
    share: float
    apart: bool


def weigh(case: Case, factors: Iterable[Factor]) -> Weighed:
    """Return causes, what explains most first, and what explains nothing."""
    every = sorted(factors, key=lambda one: (_ORDER.index(one.kind), one.title, one.page))
    compared = [one for one in _without_followers(every) if one.share is None]
    shares = [one for factor in compared if (one := _share(case, factor))]
    measured = [one for one in shares if not one.apart]
    scale = max(1.0, sum(one.share for one in measured))
    causes = [_measured(case, one.factor, one.share / scale) for one in measured]
    left = max(0.0, 1.0 - sum(one.share for one in measured))
    causes += _apart(case, [one.factor for one in shares if one.apart], left)
    causes = [one for one in causes if one.weight >= SMALLEST]
    left = max(0.0, 1.0 - sum(one.weight for one in causes))
    causes += _by_rule(case, [one for one in every if one.worse], left)
    causes.sort(key=lambda one: (-round(one.weight, 2), _ORDER.index(one.kind), one.title))
    told = {one.kind for one in causes}
    looked = dict.fromkeys(factor.kind for factor in every)
    return Weighed(tuple(causes), tuple(kind for kind in looked if kind not in told))


def _without_followers(factors: Sequence[Factor]) -> list[Factor]:
    """Leave the clock out where what caps it was found."""
    caps = {one.kind for one in factors if one.worse} & {"thermal", "low_power"}
    return [one for one in factors if not (one.kind == "clock" and caps)]


def _share(case: Case, factor: Factor) -> _Share | None:
    if not factor.worse:
        return None
    change = float(case.now.whole.mean() - case.then.whole.mean())
    if change <= 0:
        return None
    then, now = _values(case.then, factor), _values(case.now, factor)
    found = comparing.effect(factor.strata, then, now)
    if found is None:
        return None
    if found.apart:
        return _Share(factor, 0.0, apart=True)
    return _Share(factor, min(1.0, found.value / change), apart=False) if found.sure else None


def _values(side: Side, factor: Factor) -> Numbers:
    mine = [values for part, values in side.values.items() if part in factor.parts]
    summed: Numbers = np.sum(mine, axis=0) if mine else np.zeros(len(side.rows))
    return summed


def _measured(case: Case, factor: Factor, share: float) -> Cause:
    said = (
        f"It explains {percent(share)} of the change: requests with and without it were compared "
        "at the same time, on each side by itself."
    )
    return _cause(case, factor, share, said, sure=True)


def _by_rule(case: Case, factors: Sequence[Factor], left: float) -> list[Cause]:
    """Return the inputs that moved, each with its share of what is left."""
    if left < SMALLEST:
        return []
    known = sorted(((one.share, one) for one in factors if one.share), key=lambda pair: -pair[0])
    return [
        _cause(case, one, share * left, _of_what_moved(one, share, left), sure=False)
        for place, (share, one) in enumerate(known)
        if place < FIRST or share * left >= SMALLEST
    ]


def _of_what_moved(factor: Factor, share: float, left: float) -> str:
    order = "It orders them; it proves no cause."
    if left >= _WHOLE:
        return f"About {percent(share)} of what moved: {factor.how}. {order}"
    return (
        f"About {percent(share * left)} of the change: {percent(share)} of what moved, where what "
        f"was compared leaves {percent(left)}. It is {factor.how}. {order}"
    )


def _apart(case: Case, factors: Sequence[Factor], left: float) -> list[Cause]:
    """Return what changed with the begin, each with its part of what is left."""
    if not factors or left < SMALLEST:
        return []
    waiting = left * _waiting(case)
    on_work = [one for one in factors if one.parts != QUEUE]
    causes = []
    for one in factors:
        share = waiting / len(factors)
        if one.parts != QUEUE:
            share += (left - waiting) / len(on_work)
        causes.append(
            _cause(case, one, share, _not_told_apart(share, len(factors) - 1), sure=False)
        )
    return causes


def _waiting(case: Case) -> float:
    """Return the share of the change that is time spent waiting for a model server; 1: not told."""
    if "queue" not in case.then.values or "queue" not in case.now.values:
        return 1.0
    change = float(case.now.whole.mean() - case.then.whole.mean())
    waited = float(case.now.values["queue"].mean() - case.then.values["queue"].mean())
    return min(1.0, max(0.0, waited / change)) if change > 0 else 0.0


def _not_told_apart(share: float, others: int) -> str:
    if not others:
        return (
            f"It changed when this began, and so did nothing else that was looked at: "
            f"{percent(share)} of the change is left for it."
        )
    noun = "one other change" if others == 1 else f"{others} other changes"
    return (
        f"It changed when this began, as {noun} did; nothing tells them apart, so each has an "
        f"equal part of what is left: {percent(share)}."
    )


def _cause(case: Case, factor: Factor, share: float, said: str, *, sure: bool) -> Cause:
    return Cause(
        factor.kind,
        factor.title,
        said,
        share,
        sure,
        factor.evidence,
        factor.suggestion,
        wording.chart(case, factor.kind, factor.about),
        factor.page,
        factor.about,
        charting.chart(case, factor),
    )

"""From circumstances to causes with weights that together explain at most the whole change.

What was compared at the same time (``comparing.effect``) has the share that was measured; where
these are more than all of it together, each has its part. What is left is shared equally among
what changed with the begin and cannot be told apart; what only makes requests wait has a part of
the waiting alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from services.causes import comparing
from services.causes.case import Case, Numbers, Side
from services.causes.factor import QUEUE, Factor
from services.causes.models import KINDS, Cause, Kind
from services.telemetry.figures import percent

SMALLEST = 0.05
"""A cause of less is not told."""
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
    every = sorted(factors, key=lambda one: (_ORDER.index(one.kind), one.title, one.link))
    shares = [one for factor in _without_followers(every) if (one := _share(case, factor))]
    measured = [one for one in shares if not one.apart]
    scale = max(1.0, sum(one.share for one in measured))
    causes = [_measured(one.factor, one.share / scale) for one in measured]
    left = max(0.0, 1.0 - sum(one.share for one in measured))
    causes += _apart(case, [one.factor for one in shares if one.apart], left)
    causes = [one for one in causes if one.weight >= SMALLEST]
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
    if factor.fixed is not None:
        return _Share(factor, factor.fixed, apart=False)
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


def _measured(factor: Factor, share: float) -> Cause:
    how = factor.how or (
        "requests with and without it were compared at the same time, on each side by itself"
    )
    if factor.fixed is not None:
        said = f"About {percent(share)} of what moved: {how}. It orders them; it proves no cause."
    else:
        said = f"It explains {percent(share)} of the change: {how}."
    return _cause(factor, share, said, sure=factor.fixed is None)


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
        causes.append(_cause(one, share, _not_told_apart(share, len(factors) - 1), sure=False))
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


def _cause(factor: Factor, share: float, said: str, *, sure: bool) -> Cause:
    return Cause(
        factor.kind,
        factor.title,
        said,
        share,
        sure,
        factor.evidence,
        factor.suggestion,
        factor.link,
    )

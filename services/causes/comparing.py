"""How much of a change goes with a circumstance: standardisation of rates and means by strata.

Two sides, *then* and *now*, are rows with a value (milliseconds, failed or not, wrong or not) and a
stratum (a version, a thermal level, a tenth of a column). What the mean would be *now* with the
strata of *then* (direct standardisation), and what it would have been *then* with those of *now*,
are compared with what it was; where both can be told, their mean counts (Kitagawa 1955,
"Components of a difference between two rates"). This asks of each side by itself, so what else
changed between the sides is not taken for the circumstance's effect. A circumstance whose strata
are never on one side together cannot be told apart from what changed with it: it is ``apart``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Values = NDArray[np.float64]

LEAST = 20
"""Rows of a stratum below which its mean says nothing."""
COVERED = 0.5
"""Share of a side's rows whose strata the other side must have for it to be standardised."""
WHOLE = 0.9
"""From this share on both sides count alike."""
NEW = 0.2
"""Share of a side's rows in strata the other side has not, from which on it changed."""
SURE = 3.0
"""Standard errors from which on a difference is none of chance."""
_BINS = 6
_SPREAD = 601
"""Quantiles of each side that stand for it."""
_THIN = 4
"""A part has its share with one of so many of an equal part."""
_TOP = 0.99


@dataclass(frozen=True, slots=True)
class Strata:
    """One circumstance of each row: a number of ``labels``, -1 where it is not known."""

    then: Codes
    now: Codes
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """What a circumstance did to the mean."""

    value: float
    """In the unit of the values: by how much it raised the mean."""
    error: float
    """Standard error."""
    apart: bool
    """Its strata were never on one side together, so ``value`` is 0."""

    @property
    def sure(self) -> bool:
        """Return whether it is none of chance."""
        return self.value > SURE * self.error


def effect(strata: Strata, then: Values, now: Values) -> Effect | None:
    """Return what the change of strata did to the mean; None: they are known of too few rows.

    Args:
        strata: Of each row.
        then: A value a row.
        now: The same.
    """
    before = _means(strata.then, then, len(strata.labels))
    after = _means(strata.now, now, len(strata.labels))
    if before is None or after is None:
        return None
    both = _standardised(after, before, 1.0), _standardised(before, after, -1.0)
    covered = max(one.covered for one in both)
    if covered < COVERED:
        return Effect(0.0, 0.0, apart=True)
    # A side that lacks a stratum of the other cannot tell its effect: it is not asked then.
    found = [one for one in both if one.covered >= min(covered, WHOLE)]
    value = sum(one.value for one in found) / len(found)
    error = math.sqrt(sum(one.error**2 for one in found)) / len(found)
    return Effect(value, error, apart=False)


@dataclass(frozen=True, slots=True)
class _Standard:
    value: float
    """A side's mean less what it would be with the other's strata; then turned to now."""
    error: float
    covered: float
    """Share of the other's rows whose strata are known of this side."""


@dataclass(frozen=True, slots=True)
class _Side:
    share: Values
    """Of each stratum."""
    mean: Values
    variance: Values
    """Of the mean."""
    count: Values


def _means(codes: Codes, values: Values, strata: int) -> _Side | None:
    known = codes >= 0
    if known.sum() < LEAST:
        return None
    codes, values = codes[known], values[known]
    count = np.bincount(codes, minlength=strata).astype(float)
    sums = np.bincount(codes, values, minlength=strata)
    mean = sums / np.maximum(count, 1.0)
    squares = np.bincount(codes, (values - mean[codes]) ** 2, minlength=strata)
    variance = squares / np.maximum(count, 1.0) / np.maximum(count, 1.0)
    return _Side(count / count.sum(), mean, variance, count)


def _standardised(own: _Side, other: _Side, sign: float) -> _Standard:
    known = own.count >= LEAST
    covered = float(other.share[known].sum())
    if covered <= 0:
        return _Standard(0.0, 0.0, 0.0)
    weights = own.share - np.where(known, other.share, 0.0) / covered
    value = float((weights * own.mean).sum())
    error = math.sqrt(float((weights**2 * own.variance).sum()))
    return _Standard(sign * value, error, covered)


def changed(strata: Strata) -> bool:
    """Return whether a side has many rows in strata the other hardly has."""
    before, after = _shares(strata.then, strata), _shares(strata.now, strata)
    if before is None or after is None:
        return False
    return float(np.abs(after - before).sum()) / 2 >= NEW


def _shares(codes: Codes, strata: Strata) -> Values | None:
    known = codes[codes >= 0]
    if len(known) < LEAST:
        return None
    found: Values = np.bincount(known, minlength=len(strata.labels)) / len(known)
    return found


def named(then: Sequence[object], now: Sequence[object], most: int = 40) -> Strata:
    """Return strata of texts or whole numbers; empty ones are not known, rare ones are together."""
    told = [*map(_text, then), *map(_text, now)]
    values, counts = np.unique(np.array(told, dtype=object).astype(str), return_counts=True)
    ranked = sorted(zip(-counts, values, strict=True))
    labels = [str(value) for _, value in ranked if value][:most]
    places = {label: place for place, label in enumerate(labels)}
    rest = len(labels) if len([v for v in values if v]) > most else -1
    codes = np.array([places.get(one, rest if one else -1) for one in told], dtype=np.int64)
    cut = len(then)
    return Strata(codes[:cut], codes[cut:], (*labels, *(["others"] if rest >= 0 else [])))


def _text(value: object) -> str:
    return "" if value is None else str(value)


def binned(then: Values, now: Values, bins: int = _BINS) -> Strata:
    """Return strata of figures: each value of a few, else parts of equally many rows.

    Both sides count alike for these, however few rows one has: else what is new of it would lie in
    one part with most of the other's.
    """
    both = np.concatenate([then, now])
    known = both[np.isfinite(both)]
    if not len(known):
        none = np.full(len(both), -1, dtype=np.int64)
        return Strata(none[: len(then)], none[len(then) :], ())
    values = np.unique(known)
    if len(values) <= bins:
        cuts = values[1:]
    else:
        sides = [side[np.isfinite(side)] for side in (then, now)]
        spread = [np.quantile(side, np.linspace(0, 1, _SPREAD)) for side in sides if len(side)]
        cuts = np.unique(np.quantile(np.concatenate(spread), np.linspace(0, 1, bins + 1)[1:-1]))
        cuts = _filled(cuts, sides)
    codes = np.where(np.isfinite(both), np.searchsorted(cuts, both, side="right"), -1)
    codes = codes.astype(np.int64)
    labels = tuple(f"part {place + 1}" for place in range(len(cuts) + 1))
    return Strata(codes[: len(then)], codes[len(then) :], labels)


def _filled(cuts: Values, sides: Sequence[Values]) -> Values:
    """Return cuts without those between parts that tell nothing for a side is small.

    Such a part has fewer rows than ``LEAST`` and still its share of them. One that a side hardly
    has is kept: it is what is new.
    """
    parts = len(cuts) + 1
    while len(cuts):
        for side in sides:
            counts = np.bincount(np.searchsorted(cuts, side, side="right"), minlength=len(cuts) + 1)
            thin = np.flatnonzero((counts < LEAST) & (counts * _THIN * parts >= max(len(side), 1)))
            if len(thin):
                beside = [at for at in (thin[0] - 1, thin[0] + 1) if 0 <= at < len(counts)]
                cuts = np.delete(cuts, min(thin[0], min(beside, key=lambda at: counts[at])))
                break
        else:
            break
    return cuts


def ranged(strata: Strata, then: Values, now: Values, unit: str = "") -> Strata:
    """Return strata of figures that are named by what they hold."""
    unit = f" {unit}" if unit else ""
    values, codes = np.concatenate([then, now]), np.concatenate([strata.then, strata.now])
    labels = []
    for place, label in enumerate(strata.labels):
        mine = values[codes == place]
        low, high = (float(mine.min()), float(mine.max())) if len(mine) else (0.0, 0.0)
        same = f"{low:,.3g}{unit}" if low == high else f"{low:,.3g} to {high:,.3g}{unit}"
        labels.append(same if len(mine) else label)
    return Strata(strata.then, strata.now, tuple(labels))


def mean(values: Values) -> float | None:
    """Return the mean of what is known, None of nothing."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def rose(then: Values, now: Values, by: float, sure: float = SURE) -> bool:
    """Return whether the mean rose by a share ``by`` and more, and that is none of chance.

    Welch's statistic, ``sure`` standard errors; a rise from nothing counts.
    """
    if min(len(then), len(now)) < LEAST:
        return False
    difference = float(now.mean() - then.mean())
    error = math.sqrt(float(then.var()) / len(then) + float(now.var()) / len(now))
    least = max(by * abs(float(then.mean())), sure * error)
    return difference > 0 and difference >= least


def capped(then: Values, now: Values) -> float:
    """Return the value up to which values count: a hundredth of them is longer."""
    return float(np.quantile(np.concatenate([then, now]), _TOP))

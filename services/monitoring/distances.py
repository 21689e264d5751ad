"""How far apart two samples are, in units that do not grow with the number of rows.

The one home of the two measures that monitoring and rollouts use. Both are what Evidently takes for
more than 1,000 rows, with its threshold (``limits.THRESHOLD``): the Wasserstein distance normed by
the reference's standard deviation, and the Jensen-Shannon distance (natural logarithm, so at most
√ln 2 = 0.83). A shift of all values by d standard deviations is a normed Wasserstein distance of d.

Whether a distance can be chance is asked elsewhere, in two ways: ``significance`` has closed tests,
which cost little and take thousands of rows with a design effect; ``shift`` deals rows to the two
sides at random, which holds for some hundred rows and looks again and again.
"""

from typing import Any

import numpy as np

Values = np.ndarray[Any, Any]
"""Figures or counts."""

NORMED_WASSERSTEIN = "standard deviations moved (Wasserstein distance)"
JENSEN_SHANNON = "Jensen–Shannon distance"
LARGEST_JENSEN_SHANNON = float(np.sqrt(np.log(2)))
"""Nothing in common."""
_NO_SPREAD = 1e-14
"""Of the largest value: a smaller standard deviation is the rounding of values that are equal."""


def wasserstein(reference: Values, current: Values) -> float:
    """Return the mean distance values must move, in standard deviations of the reference.

    The area between the two distribution functions (Vallender 1974). The deviation of both together
    stands in where the reference has none; Evidently takes 0.001 there, whatever the unit.

    Args:
        reference: Figures without gaps, in any order; at least one.
        current: The same of the other side.
    """
    order, gaps = pooled(reference, current)
    moved = area(shares(len(reference), len(current))[order], gaps)
    with np.errstate(over="ignore", invalid="ignore"):
        spread = _spread(reference) or _spread(np.concatenate((reference, current)))
    return moved / spread if spread and np.isfinite(spread) else 0.0


def jensen_shannon(reference: Values, current: Values) -> float:
    """Return the distance of two spreads over the same categories, 0 to 0.83.

    The root of the divergence with the natural logarithm (Endres and Schindelin 2003).

    Args:
        reference: How often each category came, or its share; not all zero.
        current: The same of the other side, in the same order.
    """
    return float(jensen_shannon_of_each(reference, current)[()])


def jensen_shannon_of_each(reference: Values, current: Values) -> Values:
    """Return the distances of spreads that lie along the last axis; others are paired by numpy."""
    p = reference / reference.sum(axis=-1, keepdims=True)
    q = current / current.sum(axis=-1, keepdims=True)
    middle = (p + q) / 2
    parts = _relative(p, middle) + _relative(q, middle)
    root: Values = np.sqrt(np.maximum(parts.sum(axis=-1) / 2, 0.0))
    return root


def pooled(reference: Values, current: Values) -> tuple[Values, Values]:
    """Return the order of all values, and how far each is from the next."""
    both = np.concatenate([reference, current])
    order = np.argsort(both, kind="stable")
    return order, np.diff(both[order])


def shares(reference: int, current: int) -> Values:
    """Return what each row adds to the difference of the two distribution functions."""
    return np.repeat([1.0 / reference, -1.0 / current], [reference, current])


def area(side: Values, gaps: Values) -> float:
    """Return the area between two distribution functions.

    Args:
        side: Of ``shares``, in the order of ``pooled``.
        gaps: Of ``pooled``.
    """
    return float(np.abs(np.cumsum(side)[:-1]) @ gaps)


def _spread(values: Values) -> float:
    deviation = float(np.std(values))
    return deviation if deviation > _NO_SPREAD * float(np.max(np.abs(values))) else 0.0


def _relative(p: Values, middle: Values) -> Values:
    """Return the terms of the Kullback-Leibler divergence; of what never came it is 0."""
    p = np.broadcast_to(p, middle.shape)
    ratio = np.divide(p, middle, out=np.ones_like(middle), where=p > 0)
    terms: Values = p * np.log(ratio)
    return terms

"""Whether a difference of two samples can be chance: p-values, and what rows are worth.

Kolmogorov–Smirnov for figures (its limit law, a little too careful for few rows and with ties),
Pearson's χ² of homogeneity for categories, Fisher's exact test for two shares of which little is
expected (χ² alarms there by far too often), Holm's correction for several columns. Rows that were
asked together are alike, so they count for less: n divided by Kish's design effect,
1 + (m − 1)ρ, with ρ the intraclass correlation from an analysis of variance (Donner and Koval
1980); for categories the first-order correction of Rao and Scott (1984). With one request in all
nothing is known of that, and each row counts.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, gammaln, kolmogi, kolmogorov

from services.monitoring.series import Codes, Figures


def kolmogorov_smirnov(
    reference: Figures, current: Figures, n_reference: float, n_current: float
) -> tuple[float, float]:
    """Return the largest difference of the two distribution functions, and its p-value.

    Both sorted; ``n_…`` are what their rows are worth.
    """
    both = np.concatenate((reference, current))
    left = np.searchsorted(reference, both, side="right") / len(reference)
    right = np.searchsorted(current, both, side="right") / len(current)
    distance = float(np.max(np.abs(left - right)))
    return distance, float(kolmogorov(distance * np.sqrt(effective(n_reference, n_current))))


def chi_square(reference: Figures, current: Figures, worth: tuple[float, float]) -> float:
    """Return the p-value of two rows of counts being of one spread.

    ``worth``: what the rows of each are worth together, at most their number.
    """
    rows = np.stack((reference, current))
    if not rows.sum(axis=1).all():
        return 1.0
    rows = rows[:, rows.sum(axis=0) > 0]
    if rows.shape[1] < 2:
        return 1.0
    rows = rows * (np.array(worth) / rows.sum(axis=1))[:, None]
    expected = np.outer(rows.sum(axis=1), rows.sum(axis=0)) / rows.sum()
    statistic = float(((rows - expected) ** 2 / expected).sum())
    return float(chdtrc(rows.shape[1] - 1, statistic))


_EXPECTED = 5.0
"""Rows to be expected in each cell of a table of two shares for χ² to hold (Cochran 1954)."""


def is_little(reference: Figures, current: Figures, worth: tuple[float, float]) -> bool:
    """Return whether χ² does not hold for two rows of counts; arguments as of ``chi_square``."""
    rows = np.stack((reference, current))
    rows = rows * (np.array(worth) / np.maximum(rows.sum(axis=1), 1.0))[:, None]
    expected = np.outer(rows.sum(axis=1), rows.sum(axis=0)) / max(1.0, rows.sum())
    return bool((expected < _EXPECTED).any())


def exact(reference: tuple[float, int], current: tuple[float, int]) -> float:
    """Return the two-sided p-value of two shares being one: twice Fisher's smaller tail (1934).

    Args:
        reference: How many have it, rounded to whole ones, and of how many.
        current: As ``reference``.
    """
    (some, count), (mine, size) = reference, current
    found, both = round(mine), round(mine) + round(some)
    whole = size + count
    possible = np.arange(max(0, both - count), min(both, size) + 1)
    logs = (
        _log_choose(size, possible) + _log_choose(count, both - possible)
        - _log_choose(whole, np.array(both))
    )  # fmt: skip
    chances = np.exp(logs)
    tails = chances[possible <= found].sum(), chances[possible >= found].sum()
    return min(1.0, 2 * float(min(tails)))


def _log_choose(of: int, some: NDArray[np.int64]) -> Figures:
    found: Figures = gammaln(of + 1) - gammaln(some + 1) - gammaln(of - some + 1)
    return found


def effective(n_reference: float, n_current: float) -> float:
    """Return the size that two samples have as one of the two-sample tests."""
    whole = n_reference + n_current
    return n_reference * n_current / whole if whole else 0.0


BLIND = 0.35
"""Difference of distribution functions that must be visible: where it is not, rows are too few.

Normal values that move by 0.9 standard deviations differ as much.
"""


def is_blind(level: float, size: float) -> bool:
    """Return whether even a large difference would not be significant: see ``detectable``."""
    return detectable(level, size) > BLIND


def detectable(level: float, size: float) -> float:
    """Return the least difference of distribution functions that would be significant.

    ``size``: of ``effective``.
    """
    return float(kolmogi(level) / np.sqrt(size)) if size > 0 else math.inf


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Return p-values corrected for their number (Holm 1979); None was no test."""
    tested = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank, (p, place) in enumerate(tested):
        least = max(least, min(1.0, p * (len(tested) - rank)))
        corrected[place] = least
    return tuple(corrected)


def worth(values: Figures, requests: Codes | None) -> float:
    """Return how many independent rows some rows are worth; ``values`` are figures or 0/1 rows.

    Args:
        values: One a row, or one row of zeros and ones a row (categories).
        requests: Which request each came with.
    """
    count = len(values)
    if requests is None or count < 2:
        return float(count)
    _, codes, sizes = np.unique(requests, return_inverse=True, return_counts=True)
    groups = len(sizes)
    if groups in (1, count):
        return float(count)
    columns = values.reshape(count, -1)
    sums = np.stack([np.bincount(codes, column, groups) for column in columns.T], axis=1)
    middle = columns.mean(axis=0)
    between = float((sizes[:, None] * (sums / sizes[:, None] - middle) ** 2).sum())
    within = float(((columns - middle) ** 2).sum()) - between
    squares = float((sizes.astype(float) ** 2).sum()) / count
    usual = (count - squares) / (groups - 1)
    mean_between, mean_within = between / (groups - 1), max(within, 0.0) / (count - groups)
    whole = mean_between + (usual - 1) * mean_within
    alike = 0.0 if whole <= 0 else (mean_between - mean_within) / whole
    return count / (1 + (squares - 1) * min(1.0, max(0.0, alike)))

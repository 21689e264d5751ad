"""How far apart two samples are, in units that do not grow with the number of rows.

Both are what Evidently uses for more than 1,000 rows, with its threshold of 0.1: the Wasserstein
distance normed by the reference's standard deviation, and the Jensen–Shannon distance (natural
logarithm, so at most √ln 2 = 0.83). A shift of all values by d standard deviations is a
normed Wasserstein distance of d.
"""

import numpy as np

from services.monitoring.series import Figures

NORMED_WASSERSTEIN = "standard deviations moved (Wasserstein distance)"
JENSEN_SHANNON = "Jensen–Shannon distance"
THRESHOLD = 0.1


def wasserstein(reference: Figures, current: Figures) -> float:
    """Return the mean distance values must move, in standard deviations of the reference.

    Both sorted, without gaps. The pooled deviation stands in where the reference has none.
    """
    both = np.sort(np.concatenate((reference, current)))
    steps = np.diff(both)
    share_r = np.searchsorted(reference, both[:-1], side="right") / len(reference)
    share_c = np.searchsorted(current, both[:-1], side="right") / len(current)
    with np.errstate(over="ignore"):
        spread = float(np.std(reference)) or float(np.std(both))
        moved = float(np.sum(np.abs(share_r - share_c) * steps))
    return moved / spread if spread and np.isfinite(spread) else 0.0


def jensen_shannon(reference: Figures, current: Figures) -> float:
    """Return the distance of two spreads over the same categories (counts or shares), 0 to 0.83."""
    p, q = reference / reference.sum(), current / current.sum()
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(p > 0, p * np.log(p / middle), 0.0).sum()
        right = np.where(q > 0, q * np.log(q / middle), 0.0).sum()
    return float(np.sqrt(max(0.0, (left + right) / 2)))

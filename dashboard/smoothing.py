"""Smoothing of noisy curves."""

import math
from collections.abc import Iterable


def debiased_average(values: Iterable[float], weight: float) -> tuple[float, ...]:
    """Return the exponential moving average, corrected for its start at zero.

    ``weight`` of 0 leaves the curve as it is; towards 1 it forgets ever more slowly. Values that
    are not finite stay where they are and do not spread.

    Raises:
        ValueError: ``weight`` is not in 0 ≤ weight < 1.
    """
    if not 0 <= weight < 1:
        raise ValueError(f"A smoothing weight lies in 0 to 1 (1 excluded), not {weight}.")
    smooth = []
    average, mass = 0.0, 0.0
    for value in values:
        if not math.isfinite(value):
            smooth.append(value)
            continue
        average = weight * average + (1 - weight) * value
        mass = weight * mass + (1 - weight)
        smooth.append(average / mass)
    return tuple(smooth)

"""Where the values of a column are that there are more of now: one yes or no a row. Pure."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.causes.case import Numbers

_CUTS = 200


@dataclass(frozen=True, slots=True)
class Region:
    """The part of a column's values that grew by most."""

    said: str
    """As "above 3.2" or "that are “card”"."""
    then: Numbers
    """1 for a row in it, else 0."""
    now: Numbers
    growth: float
    """Share of the rows, 0–1."""


def grown(then: NDArray[Any], now: NDArray[Any]) -> Region | None:
    """Return where a column grew by most; None: it holds nothing on a side.

    Of figures the rows beyond the point at which both distribution functions are farthest apart
    (Kolmogorov's distance); of texts the value whose share rose by most.
    """
    if then.dtype.kind == "f" and now.dtype.kind == "f":
        return _figures(then, now)
    return _texts(_words(then), _words(now))


def _figures(then: Numbers, now: Numbers) -> Region | None:
    before, after = (np.sort(side[np.isfinite(side)]) for side in (then, now))
    if not len(before) or not len(after):
        return None
    cuts = np.unique(np.quantile(np.concatenate([before, after]), np.linspace(0, 1, _CUTS)))
    shares = [np.searchsorted(side, cuts, side="right") / len(side) for side in (before, after)]
    gaps = shares[1] - shares[0]
    place = int(np.argmax(np.abs(gaps)))
    cut, lower = float(cuts[place]), bool(gaps[place] > 0)
    inside = [(side <= cut) if lower else (side > cut) for side in (then, now)]
    said = f"up to {cut:.4g}" if lower else f"above {cut:.4g}"
    return Region(said, inside[0].astype(float), inside[1].astype(float), abs(float(gaps[place])))


def _words(side: NDArray[Any]) -> NDArray[Any]:
    return np.array(["" if one is None else str(one) for one in side], dtype=object)


def _texts(then: NDArray[Any], now: NDArray[Any]) -> Region | None:
    if not len(then) or not len(now):
        return None
    before, after = Counter(then.tolist()), Counter(now.tolist())
    rises = {one: after[one] / len(now) - before[one] / len(then) for one in before | after}
    best = max(rises, key=lambda one: (rises[one], one))
    said = f"that are “{best[:60]}”" if best else "that are empty"
    inside = [(side == best).astype(float) for side in (then, now)]
    return Region(said, inside[0], inside[1], rises[best])


def empty(values: NDArray[Any]) -> Numbers:
    """Return 1 for a row without a value, else 0."""
    if values.dtype.kind == "f":
        lacking: Numbers = (~np.isfinite(values)).astype(float)
        return lacking
    absent: Numbers = np.array([one is None or one == "" for one in values.tolist()], dtype=float)
    return absent

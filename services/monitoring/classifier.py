"""Whether rows of figures can be told from others: a domain classifier, judged on held-out rows.

Half of each side teaches it, half is scored (Lopez-Paz and Oquab 2017, "Revisiting classifier
two-sample tests"). So no number of elements and no freedom of the classifier makes rows look
different by chance: what it learned of noise is of no use on the other half.

It is quadratic, in few directions: the principal components of both sides together and the
difference of their means, turned so that what the two covariances differ by lies along the axes
(Fukunaga and Koontz 1970); of these the values and their squares, weighed by ridge regression. A
linear one would not see vectors that are turned, or whose elements go together in another way.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr

from services.monitoring import significance
from services.monitoring.series import Codes, Figures

COMPONENTS = 16
LEAST = 10
"""Rows of each half; of fewer nothing is learned."""
_MORE, _ROUNDS = 8, 4
"""Of the search for components: directions beside them, and how often it goes on."""
_RIDGE = 0.05
_FAR = 5.0
"""Standard deviations beyond which a value counts as this: squares of outliers tell nothing."""
_NO_SPREAD = 1e-6
"""Of the largest component: what varies less is rounding."""


@dataclass(frozen=True, slots=True)
class Apart:
    """How well rows of then and now can be told apart."""

    auc: float
    """Of the held-out rows: how often one of now has a higher score than one of then; 0.5: chance
    (ties count half)."""
    p_value: float
    """One-sided: of Mann and Whitney (1947)."""
    worth: tuple[float, float]
    """How many independent rows the scored ones of then and now are worth."""
    scores: tuple[Figures, Figures]
    """Of the held-out rows; no unit, higher is more like now."""
    kept: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    """Which rows were held out."""


def apart(
    then: Figures,
    now: Figures,
    asked_then: Codes | None = None,
    asked_now: Codes | None = None,
    beside: int = 0,
) -> Apart | None:
    """Return how well two samples can be told apart; None of too few rows.

    Args:
        then: Rows × figures; gaps are NaN.
        now: As ``then``.
        asked_then: Which request each row came with: those of one are in the same half, and count
            for what they are worth together.
        asked_now: As ``asked_then``.
        beside: How many of the figures, the last ones, are no elements: they are taken as they
            are, beside the components.
    """
    rng = np.random.default_rng(0)
    held = _held_out(len(then), asked_then, rng), _held_out(len(now), asked_now, rng)
    if min(min(one.sum(), (~one).sum()) for one in held) < LEAST:
        return None
    score = _learned(then[~held[0]], now[~held[1]], beside, rng)
    scores = score(then[held[0]]), score(now[held[1]])
    order = np.sort(scores[0])
    below = np.searchsorted(order, scores[1]), np.searchsorted(order, scores[1], side="right")
    auc = float((below[0] + below[1]).mean()) / 2 / len(order)
    asked = [
        None if one is None else one[which]
        for one, which in zip((asked_then, asked_now), held, strict=True)
    ]
    ranks = np.searchsorted(np.sort(np.concatenate(scores)), np.concatenate(scores)).astype(float)
    cut = len(order)
    worth = significance.worth(ranks[:cut], asked[0]), significance.worth(ranks[cut:], asked[1])
    return Apart(auc, _p_value(auc, worth, asked), worth, scores, held)


def components(then: Figures, now: Figures, count: int) -> tuple[Figures, Figures]:
    """Return two samples along the first principal components of both together.

    Figures are set to mean 0 and deviation 1 first, gaps to the mean; each side weighs the same.

    Args:
        then: Rows × figures, at least one row; gaps are NaN.
        now: As ``then``.
        count: How many components, those that vary most first.

    Returns:
        Rows × components each, without components that do not vary; no unit.
    """
    weights = np.repeat([0.5 / len(then), 0.5 / len(now)], [len(then), len(now)])
    rows = np.concatenate((then, now))
    rows = _scaling(rows, weights)(rows)
    axes = _components(rows, weights, np.random.default_rng(0))[:, :count]
    largest = np.abs(axes).argmax(axis=0)  # else a component's sign would be chance
    flat = rows @ (axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0))
    spread = flat.std(axis=0)
    flat = flat[:, spread > _NO_SPREAD * spread.max(initial=0.0)]
    return flat[: len(then)], flat[len(then) :]


def _held_out(count: int, asked: Codes | None, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which rows are not learned of: half, the same each time; requests are not divided."""
    groups = np.arange(count)
    if asked is not None and len(np.unique(asked)) > 1:  # of one alone nothing is known
        groups = np.unique(asked, return_inverse=True)[1]
    number = int(groups.max(initial=-1)) + 1
    chosen = np.zeros(number, dtype=bool)
    chosen[rng.permutation(number)[: number // 2]] = True
    return chosen[groups]


def _p_value(auc: float, worth: tuple[float, float], asked: list[Codes | None]) -> float:
    then, now = worth
    z = (auc - 0.5) / np.sqrt((then + now + 1) / (12 * then * now))
    requests = [len(np.unique(one)) for one in asked if one is not None]
    few = min((one for one in requests if one > 1), default=0)
    return float(stdtr(few - 1, -z) if few else ndtr(-z))


def _learned(
    then: Figures, now: Figures, beside: int, rng: np.random.Generator
) -> Callable[[Figures], Figures]:
    """Return what gives rows their scores."""
    weights = np.repeat([0.5 / len(then), 0.5 / len(now)], [len(then), len(now)])
    rows = np.concatenate((then, now))
    scaled = _scaling(rows, weights)
    cut = rows.shape[1] - beside
    found = scaled(rows)
    turned = _turned(found[:, :cut], weights, len(then), rng)

    def features(values: Figures) -> Figures:
        axes = turned(values[:, :cut])
        return np.concatenate((axes, axes**2, values[:, cut:]), axis=1)

    made = features(found)
    plain = _scaling(made, weights)
    made = plain(made)
    sides = np.repeat([-1.0, 1.0], [len(then), len(now)])
    weighed = made * weights[:, None]
    ridge = weighed.T @ made + _RIDGE * np.eye(made.shape[1])
    slopes = np.linalg.solve(ridge, weighed.T @ sides)
    return lambda values: plain(features(scaled(values))) @ slopes


def _scaling(rows: Figures, weights: Figures) -> Callable[[Figures], Figures]:
    """Return what sets figures to mean 0 and deviation 1, gaps to the mean."""
    known = np.isfinite(rows) * weights[:, None]
    whole = np.maximum(known.sum(axis=0), 1e-300)
    plain = np.nan_to_num(rows, posinf=0.0, neginf=0.0)
    mean = (plain * known).sum(axis=0) / whole
    spread = np.sqrt((known * (plain - mean) ** 2).sum(axis=0) / whole)
    # One value alone has a deviation of its rounding.
    spread[spread <= 1e-9 * np.abs(mean)] = np.inf
    spread[spread == 0] = np.inf
    return lambda values: np.clip(np.nan_to_num((values - mean) / spread), -_FAR, _FAR)


def _turned(
    rows: Figures, weights: Figures, cut: int, rng: np.random.Generator
) -> Callable[[Figures], Figures]:
    """Return what turns rows into the directions in which both sides differ most."""
    axes = _components(rows, weights, rng)
    means = rows[cut:].mean(axis=0) - rows[:cut].mean(axis=0)
    axes = np.linalg.qr(np.column_stack((axes, means)))[0]
    flat = rows @ axes
    spreads = [np.atleast_2d(np.cov(side.T)) for side in (flat[:cut], flat[cut:])]
    sizes, vectors = np.linalg.eigh((spreads[0] + spreads[1]) / 2)
    kept = sizes > 1e-6 * sizes[-1] if sizes[-1] > 0 else np.zeros(len(sizes), dtype=bool)
    white = vectors[:, kept] / np.sqrt(sizes[kept])
    other = white.T @ (spreads[1] - spreads[0]) @ white
    matrix = axes @ white @ np.linalg.eigh(other)[1]
    return lambda values: np.clip(values @ matrix, -_FAR, _FAR)


def _components(rows: Figures, weights: Figures, rng: np.random.Generator) -> Figures:
    """Return the principal components as columns (Halko, Martinsson and Tropp 2011)."""
    weighed = rows * np.sqrt(weights)[:, None]
    width = min(rows.shape[1], COMPONENTS + _MORE)
    basis = np.linalg.qr(rng.normal(size=(rows.shape[1], width)))[0]
    for _ in range(_ROUNDS):
        basis = np.linalg.qr(weighed.T @ (weighed @ basis))[0]
    _, _, vectors = np.linalg.svd(weighed @ basis, full_matrices=False)
    found: Figures = basis @ vectors[:COMPONENTS].T
    return found

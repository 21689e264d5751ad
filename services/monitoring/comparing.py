"""One column beside its reference: how far it moved, and whether that can be chance."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from services.monitoring import distances, significance, spreads, texts, vectors, wholes
from services.monitoring.models import Histogram, Kind
from services.monitoring.series import Codes, Figures, Series
from services.monitoring.significance import effective
from services.monitoring.spreads import Categories

EMPTY = "share of empty values"
CONSTANT = "one value alone"
TEXTS = "share of values that are no numbers"
MANY_RARE = 0.2
"""Share of values in rare categories from which on these are looked at by themselves."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One comparison."""

    effect: float
    measure: str
    p_value: float
    """Not yet corrected for other columns."""
    size: float
    """``significance.effective`` of what the rows of both are worth."""
    direction: str = ""
    """Of figures: ``up`` or ``down``, by the means; of texts: what of them moved."""
    shown: tuple[Histogram, Histogram] | None = None
    """Then and now, where not the values are drawn: of vectors, by what was learned of them."""


def compare(reference: Series, current: Series, threshold: float) -> Difference:
    """Compare two samples of a column that both have values; the kind is the reference's.

    Args:
        reference: Then.
        current: Now.
        threshold: From which effect on a difference is large: of texts large ones go first.
    """
    if reference.kind == "text":
        return _texts(reference, current, threshold)
    return _KINDS[reference.kind](reference, current)


def histograms(reference: Series, current: Series) -> tuple[Histogram, Histogram]:
    """Return how both are spread; of texts, their numbers of words."""
    if reference.kind == "category":
        return spreads.of_categories(reference.values, current.values)
    if reference.kind == "text":
        then, now, _ = texts.described(list(reference.values), list(current.values))["words"]
        return spreads.of_figures(then, now)
    return spreads.of_figures(reference.values.astype(float), current.values.astype(float))


def constancy(reference: Series, current: Series) -> Difference | None:
    """Return how likely it is that all values are one by chance; None when they are not one.

    The reference's share of that value, to the power of the requests (or rows) that came. None
    also where the reference itself has one value.
    """
    values = current.values
    if (
        not len(values)
        or (values != values[0]).any()
        or (not len(reference.values) or (reference.values == reference.values[0]).all())
    ):
        return None
    asked = current.requests
    count = len(values) if asked is None else len(np.unique(asked))
    known = int((reference.values == values[0]).sum())
    share = (known + 1) / (len(reference.values) + 1)
    size = effective(len(reference.values), count)
    return Difference(1.0 - share, CONSTANT, share**count, size)


def emptiness(reference: Series, current: Series) -> Difference:
    """Compare how many rows have no value; the effect is the difference of the shares."""
    worth, counts = [], []
    for one in (reference, current):
        there = one.present.astype(float)
        worth.append(significance.worth(there, one.asked))
        counts.append(np.array([one.rows - there.sum(), there.sum()]))
    shares = [float(one[0] / max(1.0, one.sum())) for one in counts]
    asked = counts[0], counts[1], (worth[0], worth[1])
    if significance.is_little(*asked):
        p_value = significance.exact(_empty(reference), _empty(current))
    else:
        p_value = significance.chi_square(*asked)
    direction = "up" if shares[1] > shares[0] else "down"
    return Difference(
        abs(shares[1] - shares[0]), EMPTY, p_value, effective(worth[0], worth[1]), direction
    )


def _empty(one: Series) -> tuple[float, int]:
    """Return how many requests have no value, each by its share of rows, and of how many."""
    gaps = 1.0 - one.present
    if one.asked is None:
        return float(gaps.sum()), one.rows
    _, codes, sizes = np.unique(one.asked, return_inverse=True, return_counts=True)
    return float((np.bincount(codes, gaps) / sizes).sum()), len(sizes)


def texts_of(reference: Series, texts: Series) -> Difference:
    """Compare how many values are no numbers: of a reference of numbers none is.

    Args:
        reference: Figures.
        texts: Of ``Pair.texts``.
    """
    plain = replace(reference, present=np.ones(reference.rows, dtype=bool))
    return replace(emptiness(plain, texts), measure=TEXTS)


def _figures(reference: Series, current: Series) -> Difference:
    return _moved(
        reference.values.astype(float), current.values.astype(float),
        reference.requests, current.requests,
    )  # fmt: skip


def _moved(
    then: Figures, now: Figures, asked_then: Codes | None, asked_now: Codes | None
) -> Difference:
    worth = _ranked(then, now, asked_then, asked_now)
    direction = "up" if np.mean(now) > np.mean(then) else "down"
    then, now = np.sort(then), np.sort(now)
    _, p_value = significance.kolmogorov_smirnov(then, now, *worth)
    effect = distances.wasserstein(then, now)
    return Difference(effect, distances.NORMED_WASSERSTEIN, p_value, effective(*worth), direction)


def _ranked(
    then: Figures, now: Figures, asked_then: Codes | None, asked_now: Codes | None
) -> tuple[float, float]:
    """Return what the rows are worth, by their ranks: a few extreme values do not decide it."""
    if asked_then is None and asked_now is None:
        return float(len(then)), float(len(now))
    order = np.sort(np.concatenate((then, now)))
    return (
        significance.worth(np.searchsorted(order, then).astype(float), asked_then),
        significance.worth(np.searchsorted(order, now).astype(float), asked_now),
    )


def _categories(reference: Series, current: Series) -> Difference:
    """Compare category by category; where many are rare, also how often they came before."""
    requests = reference.requests, current.requests
    both = Categories.of(reference.values, current.values)
    plain = _spread(both, *requests)
    if both.rare < MANY_RARE or len(reference.values) < 2:
        return plain
    half = None if requests[0] is None else requests[0][1::2]
    past = Categories.by_past(reference.values, current.values)
    other = _spread(past, half, requests[1])
    best = min(plain, other, key=lambda one: (one.p_value, -one.effect))
    measure = best.measure if best is plain else f"{best.measure} in how often values came before"
    return replace(best, measure=measure, p_value=min(1.0, 2 * best.p_value))


def _spread(both: Categories, then: Codes | None, now: Codes | None) -> Difference:
    counts = both.counts()
    ones = None if then is None and now is None else np.eye(both.count)
    worth = _worth(ones, both.reference, then), _worth(ones, both.current, now)
    p_value = significance.chi_square(*counts, worth)
    effect = distances.jensen_shannon(*counts)
    return Difference(effect, distances.JENSEN_SHANNON, p_value, effective(*worth))


def _worth(ones: Figures | None, codes: Codes, requests: Codes | None) -> float:
    if ones is None or requests is None:
        return float(len(codes))
    return significance.worth(ones[codes], requests)


def _texts(reference: Series, current: Series, threshold: float) -> Difference:
    """Compare each figure of texts, and which words they are of; the clearest counts.

    It is corrected for their number. Large differences go before small ones that are surer.
    """
    measured = texts.described(list(reference.values), list(current.values))
    found: list[Difference] = []
    for name, (then, now, step) in measured.items():
        asked = None if reference.requests is None else reference.requests[step - 1 :: step]
        if not len(then):
            continue
        one = _moved(then, now, asked, current.requests)
        found.append(replace(one, measure=f"{one.measure} in {name}"))
    words = _wholes(*(_in_words(one) for one in (reference, current)))
    found.append(replace(words, measure=f"{words.measure} in its words", shown=None))
    best = min(found, key=lambda one: (one.effect < threshold, one.p_value, -one.effect))
    return replace(best, p_value=min(1.0, best.p_value * (len(measured) + 1)))


def _in_words(one: Series) -> Series:
    """Return texts as vectors, at most as many as of those."""
    chosen = vectors.evenly(len(one.values))
    asked = None if one.requests is None else one.requests[chosen]
    rows = texts.in_words([one.values[place] for place in chosen])
    return Series(one.name, one.role, "vector", rows, np.ones(len(rows), dtype=bool), asked)


def _wholes(reference: Series, current: Series) -> Difference:
    found = wholes.moved(reference, current)
    return Difference(
        found.effect, wholes.MEASURE, found.p_value, effective(*found.worth), found.said,
        found.shown,
    )  # fmt: skip


_KINDS: Mapping[Kind, Callable[[Series, Series], Difference]] = {
    "numeric": _figures,
    "embedding": _figures,
    "category": _categories,
    "vector": _wholes,
    "picture": _wholes,
}

"""How the values of two samples are spread over the same bars or categories."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.monitoring.models import Histogram
from services.monitoring.series import Codes, Figures

_BARS = 20
_SHOWN = 20
_OTHERS = "others"
_LEAST = 10.0
"""Rows to be expected in a category of the smaller sample: below it χ² alarms too often."""
_STEPS = np.array([1, 2, 3, 6])
"""How often a value came before: never, once, twice, up to five times, more often."""


@dataclass(frozen=True, slots=True)
class Categories:
    """Two samples over the same buckets."""

    reference: Codes
    """The bucket of each value."""
    current: Codes
    count: int
    rare: float = 0.0
    """Share of all values that is in the bucket of the rare ones."""

    @classmethod
    def of(cls, reference: NDArray[Any], current: NDArray[Any]) -> "Categories":
        """Return texts as categories, rare ones in one bucket.

        Rare looks at both samples as one, so it favours neither.
        """
        labels, codes = np.unique(
            np.concatenate((reference, current)).astype(str), return_inverse=True
        )
        counts = np.bincount(codes, minlength=len(labels)).astype(float)
        smaller = min(len(reference), len(current)) / max(1, len(codes))
        common = counts * smaller >= _LEAST
        first = int(common.sum())
        place = np.full(len(labels), first, dtype=np.int64)
        place[common] = np.arange(first)
        rare = float(counts[~common].sum())
        if rare * smaller < _LEAST and first:  # too few for a bucket: with the rarest of the others
            place[~common] = place[int(np.argmin(np.where(common, counts, np.inf)))]
        found = place[codes].astype(np.int64)
        cut = len(reference)
        return cls(found[:cut], found[cut:], first + 1, rare / max(1, len(codes)))

    @classmethod
    def by_past(cls, reference: NDArray[Any], current: NDArray[Any]) -> "Categories":
        """Return values by how often each came in every second value of the reference.

        The other half of the reference is what is compared, so neither is favoured. New values
        show, and rare ones that become frequent, among 10,000 categories too.
        """
        known, counts = np.unique(reference[::2].astype(str), return_counts=True)

        def past(values: NDArray[Any]) -> Codes:
            place = np.minimum(np.searchsorted(known, values.astype(str)), len(known) - 1)
            came = np.where(known[place] == values.astype(str), counts[place], 0)
            return np.searchsorted(_STEPS, came, side="right").astype(np.int64)

        return cls(past(reference[1::2]), past(current), len(_STEPS) + 1)

    def counts(self) -> tuple[Figures, Figures]:
        """Return how many values of each sample each bucket has."""
        return (
            np.bincount(self.reference, minlength=self.count).astype(float),
            np.bincount(self.current, minlength=self.count).astype(float),
        )


def of_figures(reference: Figures, current: Figures) -> tuple[Histogram, Histogram]:
    """Return two samples over bars between the reference's 0.5 % and 99.5 %."""
    low, high = (float(one) for one in np.quantile(reference, (0.005, 0.995)))
    if not low < high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _BARS + 1)
    return _bars(edges, reference), _bars(edges, current)


def _bars(edges: Figures, values: Figures) -> Histogram:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    shares = counts / max(1, len(values))
    return Histogram(tuple(map(float, edges)), (), tuple(map(float, shares)))


def of_categories(reference: NDArray[Any], current: NDArray[Any]) -> tuple[Histogram, Histogram]:
    """Return two samples over their most frequent categories and the others."""
    both = np.concatenate((reference, current)).astype(str)
    labels, codes = np.unique(both, return_inverse=True)
    order = np.argsort(-np.bincount(codes), kind="stable")
    shown = np.sort(order[:_SHOWN])
    place = np.full(len(labels), len(shown))
    place[shown] = np.arange(len(shown))
    kept = [str(label)[:80] for label in labels[shown]]
    kept += [_OTHERS] if len(labels) > len(shown) else []
    bars = place[codes]
    pair = (bars[: len(reference)], bars[len(reference) :])
    first, second = (
        Histogram((), tuple(kept), tuple(np.bincount(one, minlength=len(kept)) / max(1, len(one))))
        for one in pair
    )
    return _plain(first), _plain(second)


def _plain(made: Histogram) -> Histogram:
    return Histogram(made.edges, made.labels, tuple(map(float, made.shares)))

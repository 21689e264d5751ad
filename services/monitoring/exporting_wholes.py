"""Vectors and pictures as columns that Evidently reads: it compares figures, one column at a time.

A vector is told by its first principal components and by the score of the domain classifier that
the verdict goes by; a picture also by the figures of ``pictures.NAMES``.
"""

from collections.abc import Iterator

import numpy as np

from services.monitoring import classifier, pictures
from services.monitoring.pairs import Pair
from services.monitoring.series import Figures
from services.monitoring.vectors import ROWS

COMPONENTS = 3
NOTE = (
    f"Vectors and pictures are compared on at most {ROWS:,} rows of each side: by their first "
    f"{COMPONENTS} principal components, of both sides together, and by the score of a domain "
    "classifier on the half of the rows that it did not learn from (higher is more like now)."
)


def columns(pair: Pair) -> Iterator[tuple[str, Figures, Figures]]:
    """Give name, then and now of each column of a whole one; none of too few rows to learn from.

    Components without any spread are left out; both sides have the same.
    """
    if pair.reference is None:
        return
    then, now = (np.asarray(one.values, float) for one in (pair.reference, pair.looks[0]))
    if min(len(then), len(now)) < classifier.LEAST:
        return
    many = len(pictures.NAMES) if pair.reference.kind == "picture" else 0
    cut = then.shape[1] - many
    before, after = classifier.components(then[:, :cut], now[:, :cut], COMPONENTS)
    for place in range(before.shape[1]):
        yield f"principal component {place + 1}", before[:, place], after[:, place]
    asked = pair.reference.requests, pair.looks[0].requests
    found = classifier.apart(then, now, *asked, many)
    if found is not None:
        yield "domain classifier score", *found.scores
    for place, name in enumerate(pictures.NAMES[:many], cut):
        yield name, then[:, place], now[:, place]

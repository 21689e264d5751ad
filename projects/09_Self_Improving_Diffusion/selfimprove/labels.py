"""The few real images the loop starts from, some of them wrongly labelled."""

import numpy as np

from selfimprove.data import CLASSES, Digits


def noisy_few(train: Digits, count: int, noise: float, seed: int) -> Digits:
    """Return `count` real images, evenly over the digits, a share `noise` labelled at random.

    A random label may be the right one: at 10 digits nine in ten of them are wrong.
    """
    draws = np.random.default_rng([seed, 5])
    ranks = np.empty(len(train), dtype=int)
    order = draws.permutation(len(train))
    for label in range(CLASSES):
        rows = order[train.labels[order] == label]
        ranks[rows] = np.arange(len(rows))
    rows = np.lexsort((train.labels, ranks))[:count]
    labels = train.labels[rows].copy()
    struck = draws.permutation(count)[: round(noise * count)]
    labels[struck] = draws.integers(0, CLASSES, len(struck))
    return Digits(train.images[rows], labels)

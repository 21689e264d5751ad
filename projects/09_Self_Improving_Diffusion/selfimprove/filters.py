"""Which of its own samples the generator may train on.

The scorer that decides is trained on the same few real images as the generator, wrong labels
included. It is not the judge, and has seen no held-out image.
"""

from collections.abc import Callable

import mlx.core as mx
import numpy as np

from selfimprove.data import Digits
from selfimprove.quality import Judge

Scores = Callable[[Judge, Digits], np.ndarray]
"""(scorer, samples) -> one score a sample, the higher the better."""


def confidence(scorer: Judge, samples: Digits) -> np.ndarray:
    """Return how sure the scorer is that a sample shows the digit that was asked for."""
    probabilities = np.array(mx.softmax(scorer(mx.array(samples.images)), axis=-1))
    return probabilities[np.arange(len(samples)), samples.labels]


def anything(scorer: Judge, samples: Digits) -> np.ndarray:
    """Return the same score for all."""
    del scorer
    return np.zeros(len(samples))


def best_of_each_digit(samples: Digits, scores: np.ndarray, share: float) -> np.ndarray:
    """Return the rows of the best-scored `share` of each digit, so that the digits stay balanced.

    Raises:
        ValueError: the share is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"The kept share must be above 0 and at most 1, not {share}.")
    kept = []
    for label in np.unique(samples.labels):
        rows = np.flatnonzero(samples.labels == label)
        count = max(round(share * len(rows)), 1)
        kept.append(rows[np.argsort(-scores[rows], kind="stable")[:count]])
    return np.sort(np.concatenate(kept))

"""The coordinator's arithmetic: whose weights count, and how much."""

from collections.abc import Sequence

import numpy as np

from federated.model import Weights


def weighted_mean(updates: Sequence[tuple[Weights, int]]) -> Weights:
    """Return the mean of the clients' weights, each counting as many times as it has images.

    Only who answered is in `updates`, so the share of a client that dropped out falls to the rest.

    Raises:
        ValueError: nobody answered, or nobody has images.
    """
    total = sum(samples for _, samples in updates)
    if not total:
        raise ValueError("There is nothing to average.")
    mean = {}
    for name in updates[0][0]:
        parts = [weights[name].astype(np.float64) * samples for weights, samples in updates]
        mean[name] = (np.sum(parts, axis=0) / total).astype(np.float32)
    return mean


def present(clients: int, drop_out: float, seed: int, number: int) -> list[int]:
    """Return the clients that take part in a round; at least one does.

    Drawn from the seed and the round's number, so that every technique meets the same absences.
    """
    generator = np.random.default_rng([seed, number])
    here = np.flatnonzero(generator.random(clients) >= drop_out)
    return here.tolist() or [int(generator.integers(clients))]


def divergence(updates: Sequence[tuple[Weights, int]], mean: Weights) -> float:
    """Return how far the clients' weights lie from their mean (root mean square over clients)."""
    squares = [
        sum(float(((weights[name] - mean[name]) ** 2).sum()) for name in mean)
        for weights, _ in updates
    ]
    return float(np.sqrt(np.mean(squares)))

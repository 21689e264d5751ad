"""Contrastive losses. Pairs of equal meaning in a batch count as matches, not as opponents."""

import mlx.core as mx
import numpy as np


def matches(meanings: np.ndarray) -> np.ndarray:
    """Return a square matrix: 1 where two rows mean the same, else 0."""
    return (meanings[:, None] == meanings[None]).all(-1).astype(np.float32)


def softmax_loss(similarity: mx.array, same: mx.array) -> mx.array:
    """Return CLIP's loss: each image picks its text among all, and each text its image."""
    targets = same / mx.sum(same, axis=1, keepdims=True)
    by_image = mx.sum(targets * _log_softmax(similarity), axis=1)
    by_text = mx.sum(targets * _log_softmax(similarity.T), axis=1)
    return -(mx.mean(by_image) + mx.mean(by_text)) / 2


def sigmoid_loss(similarity: mx.array, same: mx.array) -> mx.array:
    """Return SigLIP's loss, each pair alone told to match or not, with both kinds weighing equally.

    SigLIP sums over all pairs. With few matches among 128 x 128 pairs and a few hundred steps that
    only teaches that nothing matches.
    """
    errors = mx.logaddexp(mx.zeros_like(similarity), (1 - 2 * same) * similarity)
    missed = mx.sum(errors * same) / mx.sum(same)
    confused = mx.sum(errors * (1 - same)) / mx.maximum(mx.sum(1 - same), 1)
    return missed + confused


def _log_softmax(rows: mx.array) -> mx.array:
    return rows - mx.logsumexp(rows, axis=1, keepdims=True)

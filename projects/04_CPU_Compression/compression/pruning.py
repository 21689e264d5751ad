"""Magnitude pruning: the smallest weights of the whole model become zero and stay zero."""

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from compression.network import Classifier

Masks = list[mx.array]


def magnitude_masks(model: Classifier, sparsity: float) -> Masks:
    """Return a mask a layer; together they keep exactly ``round((1 - sparsity) * weights)``.

    Biases are never pruned.
    """
    sizes = [np.abs(np.array(layer.weight)) for layer in model.layers]
    flat = np.concatenate([size.reshape(-1) for size in sizes])
    kept = round((1 - sparsity) * flat.size)
    mask = np.zeros(flat.size, dtype=bool)
    mask[np.argsort(-flat, kind="stable")[:kept]] = True
    ends = np.cumsum([size.size for size in sizes])[:-1]
    parts = np.split(mask, ends)
    return [mx.array(part.reshape(size.shape)) for part, size in zip(parts, sizes, strict=True)]


def apply_masks(model: Classifier, masks: Masks) -> None:
    """Set the pruned weights to zero."""
    for layer, mask in zip(model.layers, masks, strict=True):
        layer.weight = mx.where(mask, layer.weight, 0.0)


def weight_sparsity(model: Classifier) -> float:
    """Return the share of weights, without biases, that are zero."""
    weights = [layer.weight for layer in model.layers if isinstance(layer, nn.Linear)]
    zeros = sum(int((weight == 0).sum().item()) for weight in weights)
    return zeros / sum(weight.size for weight in weights)

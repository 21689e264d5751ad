"""Low-rank compression: every wide layer becomes two thin ones, from its singular values."""

from itertools import pairwise

import mlx.core as mx
import numpy as np

from compression.network import Classifier, Factored


def factors(weight: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ``wide @ thin``, the best approximation of a matrix by one of that rank."""
    left, values, right = np.linalg.svd(weight, full_matrices=False)
    root = np.sqrt(values[:rank])
    return left[:, :rank] * root, root[:, None] * right[:rank]


def factored(model: Classifier, widths: tuple[int, ...], rank: int) -> Classifier:
    """Return the model with each layer factored for which that saves parameters."""
    ranks = tuple(
        rank if rank * (inputs + outputs) < inputs * outputs else None
        for inputs, outputs in pairwise(widths)
    )
    result = Classifier(widths, ranks)
    for source, target in zip(model.layers, result.layers, strict=True):
        if isinstance(target, Factored):
            wide, thin = factors(np.array(source.weight), rank)
            target.wide.weight, target.thin.weight = mx.array(wide), mx.array(thin)
            target.wide.bias = source.bias
        else:
            target.update(source.parameters())
    return result


def ranks_of(model: Classifier) -> list[int | None]:
    """Return each layer's rank; None for a whole one."""
    return [
        layer.thin.weight.shape[0] if isinstance(layer, Factored) else None
        for layer in model.layers
    ]

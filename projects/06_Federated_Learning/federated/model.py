"""The classifier that is trained, and its weights as plain arrays."""

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten

from federated.data import CLASSES, PIXELS

Weights = dict[str, np.ndarray]


class Classifier(nn.Module):
    """One hidden layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(PIXELS, width)
        self.last = nn.Linear(width, CLASSES)

    def __call__(self, images: mx.array) -> mx.array:
        """Return one score a digit, one row an image."""
        return self.last(nn.relu(self.hidden(images)))


def weights_of(model: Classifier) -> Weights:
    """Return a copy of the weights as NumPy arrays."""
    return {name: np.array(array) for name, array in tree_flatten(model.parameters())}


def model_from(weights: Weights) -> Classifier:
    """Return a classifier with these weights."""
    model = Classifier(len(weights["hidden.bias"]))
    model.load_weights([(name, mx.array(array)) for name, array in weights.items()])
    return model


def initial_weights(width: int, seed: int) -> Weights:
    """Return fresh weights, the same for the same seed."""
    mx.random.seed(seed)
    return weights_of(Classifier(width))

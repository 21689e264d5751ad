"""The predictor that is rebuilt from a stored model."""

from collections.abc import Callable, Mapping
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten

from compression.data import PIXELS
from compression.factors import ranks_of
from compression.network import Classifier
from compression.storage import from_tensors

ENTRY = "compression.serving:predictor"
Forward = Callable[..., mx.array]
"""What a server may compile: it calls the predictor with `mx.compile` where that is faster."""


def configuration(model: Classifier, widths: tuple[int, ...]) -> dict[str, Any]:
    """Return what is needed to rebuild the model around its tensors."""
    return {"widths": list(widths), "ranks": ranks_of(model)}


def rebuilt(tensors: Mapping[str, mx.array], config: Mapping[str, Any]) -> Classifier:
    """Return the model of a stored one."""
    model = Classifier(tuple(config["widths"]), tuple(config["ranks"]))
    shapes = {name: array.shape for name, array in tree_flatten(model.parameters())}
    model.load_weights(list(from_tensors(tensors, shapes).items()))
    model.freeze()
    mx.eval(model.parameters())
    return model


def predictor(
    weights: Mapping[str, mx.array],
    config: Mapping[str, Any],
    compiled: Callable[[Forward], Forward] = lambda forward: forward,
) -> Callable[[np.ndarray | Mapping[str, Any]], dict[str, np.ndarray]]:
    """Return a function from pixels (rows of 64, 0 to 1) to digits and confidences."""
    forward = compiled(rebuilt(weights, config))

    def predict(inputs: np.ndarray | Mapping[str, Any]) -> dict[str, np.ndarray]:
        pixels = inputs["pixels"] if isinstance(inputs, Mapping) else inputs
        rows = np.asarray(pixels, dtype=np.float32).reshape(-1, PIXELS)
        probabilities = np.array(mx.softmax(forward(mx.array(rows)), axis=-1))
        return {
            "label": probabilities.argmax(axis=-1).astype(np.int64),
            "confidence": probabilities.max(axis=-1, initial=0.0).astype(np.float32),
        }

    return predict

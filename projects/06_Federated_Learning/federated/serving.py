"""The predictor that is rebuilt from a stored model: images in, digits out."""

from collections.abc import Callable, Mapping
from typing import Any

import mlx.core as mx
import numpy as np

from federated.data import PIXELS
from federated.model import model_from

ENTRY = "federated.serving:predictor"
Forward = Callable[..., mx.array]
"""What a server may compile: it calls the predictor with `mx.compile` where that is faster."""


def predictor(
    weights: Mapping[str, mx.array],
    config: Mapping[str, Any],
    compiled: Callable[[Forward], Forward] = lambda forward: forward,
) -> Callable[[np.ndarray | Mapping[str, Any]], dict[str, np.ndarray]]:
    """Return a function from images (64 pixels in [0, 1] a row) to labels and confidences."""
    del config  # the weights' shapes say everything
    forward = compiled(model_from({name: np.array(array) for name, array in weights.items()}))

    def predict(inputs: np.ndarray | Mapping[str, Any]) -> dict[str, np.ndarray]:
        images = inputs["image"] if isinstance(inputs, Mapping) else inputs
        rows = np.asarray(images, dtype=np.float32)
        if rows.size == 0 or rows.size % PIXELS:
            raise ValueError("Column 'image' must hold 8x8 images: 64 pixels each.")
        probabilities = np.array(mx.softmax(forward(mx.array(rows.reshape(-1, PIXELS))), axis=-1))
        return {
            "label": probabilities.argmax(-1).astype(np.int64),
            "confidence": probabilities.max(-1).astype(np.float64),
        }

    return predict

"""The predictor of a stored model: it learns a world, then reads digits in it."""

from collections.abc import Callable, Mapping
from typing import Any

import mlx.core as mx
import numpy as np

from meta.learning import Inner, adapt
from meta.network import forward
from meta.tasks import PIXELS, WAYS

ENTRY = "meta.serving:predictor"
UNKNOWN = -1
"""The label of a row whose digit is asked; rows with another label are the examples."""


def configuration(inner: Inner, steps: int) -> dict[str, Any]:
    """Return how a stored model learns a world."""
    return {
        "lora": inner.lora,
        "steps": steps,
        "learning_rate": inner.learning_rate,
        "alpha": inner.alpha,
    }


def predictor(
    weights: Mapping[str, mx.array], config: Mapping[str, Any]
) -> Callable[[Mapping[str, Any]], dict[str, np.ndarray]]:
    """Return a function from pixels and labels (-1: unknown) to digits and confidences."""
    parameters = dict(weights)
    inner = Inner(config["lora"], config["steps"], config["learning_rate"], config["alpha"])

    def predict(inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        pixels = np.asarray(inputs["pixels"], dtype=np.float32).reshape(-1, PIXELS)
        labels = np.asarray(inputs["label"], dtype=np.int64).reshape(-1)
        known = labels != UNKNOWN
        if not known.any():
            raise ValueError("No row has a label: give one to three examples of every digit.")
        if labels[known].min() < 0 or labels[known].max() >= WAYS:
            raise ValueError(f"A label is a digit, or {UNKNOWN} where it is asked.")
        adapted = adapt(
            parameters,
            mx.array(pixels[known][None]),
            mx.array(labels[known][None]),
            inner,
            inner.steps,
        )
        logits = forward(adapted, mx.array(pixels[None]), inner.alpha)[0]
        probabilities = np.array(mx.softmax(logits, axis=-1))
        return {
            "label": np.where(known, labels, probabilities.argmax(axis=-1)),
            "confidence": np.where(known, 1.0, probabilities.max(axis=-1)).astype(np.float32),
        }

    return predict

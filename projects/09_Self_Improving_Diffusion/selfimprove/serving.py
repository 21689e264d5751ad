"""The predictor that is rebuilt from a stored model: digits asked for in, images out."""

from collections.abc import Callable, Mapping
from typing import Any

import mlx.core as mx
import numpy as np

from selfimprove.data import CLASSES, SIDE
from selfimprove.generator import Forward, sample, starting_noise
from selfimprove.network import Denoiser

ENTRY = "selfimprove.serving:predictor"


def predictor(
    weights: Mapping[str, mx.array],
    config: Mapping[str, Any],
    compiled: Callable[[Forward], Forward] = lambda forward: forward,
) -> Callable[[np.ndarray | Mapping[str, Any]], dict[str, np.ndarray]]:
    """Return a function from ``{"label": digits, "seed": optional}`` to ``{"image": (n, 8, 8)}``.

    Pixels are in [0, 1]. The same label and seed give the same image.
    """
    model = Denoiser(config["width"], config["blocks"])
    model.load_weights(list(weights.items()))
    model.freeze()
    forward = compiled(model)

    def predict(inputs: np.ndarray | Mapping[str, Any]) -> dict[str, np.ndarray]:
        columns = inputs if isinstance(inputs, Mapping) else {"label": inputs}
        labels = wanted(columns["label"])
        seeds = columns.get("seed")
        if seeds is None:
            seeds = np.random.default_rng().integers(0, 2**31, len(labels))
        start = starting_noise(np.asarray(seeds, dtype=np.int64).reshape(-1))
        images = sample(forward, labels, start, steps=config["sampling_steps"])
        return {"image": ((images + 1) / 2).reshape(-1, SIDE, SIDE)}

    return predict


def wanted(column: np.ndarray | list[int]) -> np.ndarray:
    """Return the digits asked for.

    Raises:
        ValueError: something else than digits 0 to 9.
    """
    labels = np.asarray(column).reshape(-1)
    if not len(labels) or not np.isin(labels, np.arange(CLASSES)).all():
        raise ValueError("Column 'label' must hold at least one digit, each from 0 to 9.")
    return labels.astype(np.int64)

"""The predictor that is rebuilt from a stored model: digits asked for in, images out."""

from collections.abc import Callable, Mapping
from typing import Any

import mlx.core as mx
import numpy as np

from diffusion.asking import seeded, wanted
from diffusion.data import SIDE
from diffusion.network import Denoiser
from diffusion.sampling import Forward, Sampler, sample
from diffusion.schedule import linear

ENTRY = "diffusion.serving:predictor"


def predictor(
    weights: Mapping[str, mx.array],
    config: Mapping[str, Any],
    compiled: Callable[[Forward], Forward] = lambda forward: forward,
) -> Callable[[np.ndarray | Mapping[str, Any]], dict[str, np.ndarray]]:
    """Return a function from ``{"label": digits, "seed": optional}`` to ``{"image": (n, 8, 8)}``.

    Pixels are in [0, 1]. With a deterministic sampler the same label and seed give the same image.
    """
    model = Denoiser(config["width"], config["blocks"])
    model.load_weights(list(weights.items()))
    model.freeze()
    forward = compiled(model)
    schedule = linear(config["timesteps"])
    sampler = Sampler(**config["sampler"])

    def predict(inputs: np.ndarray | Mapping[str, Any]) -> dict[str, np.ndarray]:
        columns = inputs if isinstance(inputs, Mapping) else {"label": inputs}
        labels = wanted(columns["label"])
        start = seeded(columns.get("seed"), len(labels))
        images = sample(forward, schedule, sampler, labels, start)
        return {"image": ((images + 1) / 2).reshape(-1, SIDE, SIDE)}

    return predict

"""The same predictor on PyTorch: for machines without MLX or Metal, and to compare both.

It needs torch, which the project itself does not, and nothing of MLX.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from compression.data import PIXELS
from compression.sparse import PARTS, dense

if TYPE_CHECKING:
    import torch


def predictor(
    weights: Mapping[str, np.ndarray], config: Mapping[str, Any], device: str
) -> Callable[[np.ndarray | Mapping[str, Any]], dict[str, np.ndarray]]:
    """Return a function from pixels (rows of 64, 0 to 1) to digits and confidences."""
    import torch

    model = _network(weights, config).to(device).eval()

    @torch.inference_mode()
    def predict(inputs: np.ndarray | Mapping[str, Any]) -> dict[str, np.ndarray]:
        pixels = inputs["pixels"] if isinstance(inputs, Mapping) else inputs
        rows = np.array(pixels, dtype=np.float32).reshape(-1, PIXELS)
        logits = model(torch.from_numpy(rows).to(device))
        probabilities = torch.softmax(logits, dim=-1).cpu().numpy()
        return {
            "label": probabilities.argmax(axis=-1).astype(np.int64),
            "confidence": probabilities.max(axis=-1, initial=0.0).astype(np.float32),
        }

    return predict


def _network(weights: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> "torch.nn.Module":
    """Return the dense layers with ReLU between them, each whole or the product of two."""
    from torch import nn

    steps: list[nn.Module] = []
    sizes = zip(pairwise(config["widths"]), config["ranks"], strict=True)
    for number, ((inputs, _), rank) in enumerate(sizes):
        name = f"layers.{number}"
        thin = [] if rank is None else [_linear(weights, f"{name}.thin", inputs)]
        wide = (
            _linear(weights, name, inputs)
            if rank is None
            else _linear(weights, f"{name}.wide", rank)
        )
        steps += [*thin, wide, nn.ReLU()]
    return nn.Sequential(*steps[:-1])


def _linear(weights: Mapping[str, np.ndarray], name: str, inputs: int) -> "torch.nn.Linear":
    import torch

    bias, matrix = weights.get(f"{name}.bias"), weights.get(f"{name}.weight")
    if matrix is None:
        matrix = dense(*(weights[f"{name}.weight.{part}"] for part in PARTS), width=inputs)
    layer = torch.nn.Linear(inputs, len(matrix), bias=bias is not None)
    state = {"weight": matrix} if bias is None else {"weight": matrix, "bias": bias}
    layer.load_state_dict({key: torch.tensor(values) for key, values in state.items()})
    return layer

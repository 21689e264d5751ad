"""The same predictor on torch, where MLX does not run; the project does not install torch."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from compression.sparse import whole


def predictor(
    weights: Mapping[str, np.ndarray], config: Mapping[str, Any], device: str
) -> Callable[[Mapping[str, Any]], dict[str, np.ndarray]]:
    """Return a function from pixels (rows of 64, 0 to 1) to digits and confidences."""
    steps = [step.to(device) for step in _layers(weights, config)]
    model = torch.nn.Sequential(*steps).eval().requires_grad_(False)  # noqa: FBT003 - torch's own

    def predict(inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        rows = np.array(inputs["pixels"], dtype=np.float32)
        with torch.inference_mode():
            chances = torch.softmax(model(torch.from_numpy(rows).to(device)), dim=-1).cpu().numpy()
        return {
            "label": chances.argmax(axis=-1).astype(np.int64),
            "confidence": chances.max(axis=-1, initial=0.0),
        }

    return predict


def _layers(weights: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> list[torch.nn.Module]:
    layers: list[torch.nn.Module] = []
    widths, ranks = config["widths"], config["ranks"]
    for place, ((inputs, outputs), rank) in enumerate(zip(pairwise(widths), ranks, strict=True)):
        name = f"layers.{place}"
        if layers:
            layers.append(torch.nn.ReLU())
        if rank is not None:
            layers.append(_linear(weights, f"{name}.thin", (rank, inputs)))
            name, inputs = f"{name}.wide", rank
        layers.append(_linear(weights, name, (outputs, inputs)))
    return layers


def _linear(
    weights: Mapping[str, np.ndarray], name: str, shape: tuple[int, int]
) -> torch.nn.Linear:
    matrix, bias = f"{name}.weight", weights.get(f"{name}.bias")
    found = weights[matrix] if matrix in weights else whole(weights, matrix, shape)
    layer = torch.nn.Linear(shape[1], shape[0], bias=bias is not None)
    layer.weight.data = torch.from_numpy(np.array(found, dtype=np.float32).reshape(shape))
    if bias is not None:
        layer.bias.data = torch.from_numpy(np.array(bias, dtype=np.float32))
    return layer

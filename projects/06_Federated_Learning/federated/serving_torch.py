"""The same predictor on PyTorch: for machines without MLX or Metal, and to compare both.

It needs torch, which the project itself does not, and nothing of MLX.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from federated.data import PIXELS


def predictor(
    weights: Mapping[str, np.ndarray], config: Mapping[str, Any], device: str
) -> Callable[[np.ndarray | Mapping[str, Any]], dict[str, np.ndarray]]:
    """Return a function from images (64 pixels in [0, 1] a row) to labels and confidences."""
    import torch
    from torch.nn import functional

    del config  # the weights' shapes say everything
    kept = {name: torch.tensor(array).float().to(device) for name, array in weights.items()}

    @torch.inference_mode()
    def predict(inputs: np.ndarray | Mapping[str, Any]) -> dict[str, np.ndarray]:
        images = inputs["image"] if isinstance(inputs, Mapping) else inputs
        rows = np.array(images, dtype=np.float32)
        if rows.size == 0 or rows.size % PIXELS:
            raise ValueError("Column 'image' must hold 8x8 images: 64 pixels each.")
        x = torch.from_numpy(rows.reshape(-1, PIXELS)).to(device)
        x = functional.linear(x, kept["hidden.weight"], kept["hidden.bias"]).relu()
        logits = functional.linear(x, kept["last.weight"], kept["last.bias"])
        probabilities = torch.softmax(logits, dim=-1).cpu().numpy()
        return {
            "label": probabilities.argmax(-1).astype(np.int64),
            "confidence": probabilities.max(-1).astype(np.float64),
        }

    return predict

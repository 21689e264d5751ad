"""The classifier: dense layers, each whole or the product of two thin ones."""

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

# Not nn.relu: MLX compiles it, which on Linux needs a C++ compiler and seconds at the first call.
DENSE = (64, 192, 192, 10)
STUDENT = (64, 24, 10)


class Factored(nn.Module):
    """A dense layer of low rank: ``wide(thin(x))``."""

    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.thin = nn.Linear(inputs, rank, bias=False)
        self.wide = nn.Linear(rank, outputs)

    def __call__(self, x: mx.array) -> mx.array:
        """Return ``x`` through both thin matrices."""
        return self.wide(self.thin(x))


class Classifier(nn.Module):
    """Dense layers with ReLU between them; ``ranks[i]`` None leaves layer i whole."""

    def __init__(
        self, widths: tuple[int, ...], ranks: tuple[int | None, ...] | None = None
    ) -> None:
        super().__init__()
        ranks = ranks or (None,) * (len(widths) - 1)
        self.layers = [
            nn.Linear(inputs, outputs) if rank is None else Factored(inputs, outputs, rank)
            for inputs, outputs, rank in zip(widths[:-1], widths[1:], ranks, strict=True)
        ]

    def __call__(self, pixels: mx.array) -> mx.array:
        """Return the logits of the ten digits."""
        x = pixels
        for layer in self.layers[:-1]:
            x = mx.maximum(layer(x), 0.0)
        return self.layers[-1](x)


def parameters(model: nn.Module) -> int:
    """Return how many numbers the model has."""
    return sum(array.size for _, array in tree_flatten(model.parameters()))


def nonzero(model: nn.Module) -> int:
    """Return how many of them are not zero."""
    return sum(int((array != 0).sum().item()) for _, array in tree_flatten(model.parameters()))

"""Low-rank adapters: put beside frozen dense layers, trained alone, merged back for serving."""

from collections.abc import Iterable

import mlx.core as mx
import mlx.nn as nn

from lora.encoder import Layer, Linear
from lora.numerics import linear

TARGETS = ("query", "key", "value", "out", "up", "down")


class LoRALinear(nn.Module):
    """``base(x) + alpha / rank * B(A(x))``; B starts at zero, so at first nothing changes."""

    def __init__(self, base: Linear, rank: int, alpha: float) -> None:
        super().__init__()
        outputs, inputs = base.weight.shape
        self.base = base
        self.base.freeze()
        self.scale = alpha / rank
        self.a = mx.random.normal((rank, inputs)) * inputs**-0.5
        self.b = mx.zeros((outputs, rank))

    def __call__(self, x: mx.array) -> mx.array:
        """Return the frozen layer's output plus the low-rank update."""
        update = linear(linear(x, self.a, trained=True), self.b, trained=True)
        return self.base(x) + self.scale * update

    def merged(self) -> Linear:
        """Return one dense layer that computes the same."""
        outputs, inputs = self.base.weight.shape
        dense = Linear(inputs, outputs)
        dense.weight = self.base.weight + self.scale * (self.b @ self.a)
        dense.bias = self.base.bias
        return dense


def parse_targets(text: str) -> tuple[str, ...]:
    """Return the target modules named in a comma-separated list.

    Raises:
        ValueError: A name is not a dense layer of the encoder, or there is none.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = sorted(set(names) - set(TARGETS))
    if unknown or not names:
        raise ValueError(f"Target modules must be among {', '.join(TARGETS)}; got {text!r}.")
    return names


def adapt(layers: Iterable[Layer], targets: Iterable[str], *, rank: int, alpha: float) -> None:
    """Replace the target dense layers by adapted ones; everything else in the layers is frozen."""
    names = tuple(targets)
    for layer in layers:
        layer.freeze()
        for name in names:
            setattr(layer, name, LoRALinear(getattr(layer, name), rank, alpha))


def merge(layers: Iterable[Layer]) -> None:
    """Replace every adapted layer by the dense layer that computes the same."""
    for layer in layers:
        for name in TARGETS:
            module = getattr(layer, name)
            if isinstance(module, LoRALinear):
                setattr(layer, name, module.merged())

"""Which layer gets how many bits, and what that costs in bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten

LAYERS = ("first", "second", "head")
Bits = Mapping[str, int]
"""Layer name -> bits a weight; a layer that is not named stays as it is."""


@dataclass(frozen=True, slots=True)
class Technique:
    """One way to make the model smaller; ``bits`` None means they are chosen by sensitivity."""

    name: str
    bits: Bits | None
    dtype: mx.Dtype = mx.float32
    baseline: bool = False


TECHNIQUES = {
    technique.name: technique
    for technique in (
        Technique("float32", {}, baseline=True),
        Technique("float16", {}, dtype=mx.float16),
        Technique("8-bit", dict.fromkeys(LAYERS, 8)),
        Technique("4-bit", dict.fromkeys(LAYERS, 4)),
        Technique("mixed", None),
        Technique("2-bit", dict.fromkeys(LAYERS, 2)),
    )
}


def quantised_bytes(weights: int, bits: int, group_size: int, scale_bytes: int = 4) -> int:
    """Return the bytes of a quantised matrix: packed weights, and a scale and a bias a group."""
    return weights * bits // 8 + weights // group_size * 2 * scale_bytes


def quantise(model: nn.Module, bits: Bits, group_size: int) -> None:
    """Replace the named layers by MLX's quantised ones, in place."""

    def choice(path: str, _module: nn.Module) -> bool | dict[str, int]:
        return {"bits": bits[path], "group_size": group_size} if path in bits else False

    if bits:
        nn.quantize(model, group_size=group_size, class_predicate=choice)


def rounded(weight: mx.array, bits: int, group_size: int) -> mx.array:
    """Return the full-precision matrix that a quantised one stands for."""
    packed, scales, biases = mx.quantize(weight, group_size=group_size, bits=bits)
    return mx.dequantize(packed, scales, biases, group_size=group_size, bits=bits)


def round_layers(model: nn.Module, bits: Bits, group_size: int, dtype: mx.Dtype) -> None:
    """Give the model, in place, the values it has once stored: quality is measured on these.

    The quantised kernels compute the same to float rounding, and are many times slower on Linux.
    """
    for name, width in bits.items():
        layer = getattr(model, name)
        layer.weight = rounded(layer.weight, width, group_size)
    if dtype != mx.float32:
        model.update(
            nn.utils.tree_map(lambda a: a.astype(dtype).astype(mx.float32), model.parameters())
        )


def stored_bytes(model: nn.Module) -> int:
    """Return the bytes of all tensors, without the file's header."""
    return sum(array.nbytes for _, array in tree_flatten(model.parameters()))


def by_sensitivity(cost_of: Callable[[Bits], float], low: int = 4, high: int = 8) -> dict[str, int]:
    """Return ``high`` bits for the layer that suffers most from ``low`` bits, ``low`` for the rest.

    Args:
        cost_of: The loss of the model with those layers rounded, the others untouched.
        low: Bits of the layers that can bear it.
        high: Bits of the one that cannot.
    """
    costs = [cost_of({name: low}) for name in LAYERS]
    worst = LAYERS[int(np.argmax(costs))]
    return {name: high if name == worst else low for name in LAYERS}

"""How many operations training needs for a token: what a run logs to be held against its chip.

Counted are the dense products of the trained part, per token, a multiply and an add as two: 2·N
forward for a weight of N numbers (Kaplan et al., "Scaling laws for neural language models", 2020,
2.1). Backward takes 2·N for the weight's gradient where it is trained, and 2·N for the gradient of
what goes into it where something trained lies below. With everything trained that is their 6·N;
with adapters beside frozen weights (Hu et al., "LoRA", 2021) 4·N of the frozen ones and 6·N of the
adapters, and 2·N of frozen weights below the first adapter.

Left out is what is small beside them: attention scores (12·20·384 a token of 20: about a
hundredth), norms, activations, and the head, which sees one row a text. Padding is no work anybody
asked for.
"""

from collections.abc import Sequence

import mlx.nn as nn
from mlx.utils import tree_flatten

from lora.adapters import LoRALinear
from lora.encoder import Layer, Linear

_STAGES = (("query", "key", "value"), ("out",), ("up",), ("down",))
"""The dense layers of one layer, in the order in which a token goes through them."""


def flops_per_token(layers: Sequence[Layer]) -> float:
    """Return the operations of one training step per token; 0 without layers."""
    total = 0
    below = False  # whether something trained lies below, so that gradients have to get there
    for layer in layers:
        for stage in _STAGES:
            dense = [getattr(layer, name) for name in stage]
            total += sum(_of(one, below=below) for one in dense)
            below = below or any(_is_trained(one) for one in dense)
        below = below or _is_trained(layer.attention_norm) or _is_trained(layer.output_norm)
    return float(total)


def _of(dense: Linear | LoRALinear, *, below: bool) -> int:
    if isinstance(dense, LoRALinear):
        # B lies above A, which is trained: gradients go through it whatever lies below.
        return (
            _products(dense.base.weight.size, trained=False, below=below)
            + _products(dense.a.size, trained=True, below=below)
            + _products(dense.b.size, trained=True, below=True)
        )
    trained = "weight" in dict(tree_flatten(dense.trainable_parameters()))
    return _products(dense.weight.size, trained=trained, below=below)


def _products(weights: int, *, trained: bool, below: bool) -> int:
    return 2 * weights * (1 + trained + below)


def _is_trained(module: nn.Module) -> bool:
    return bool(tree_flatten(module.trainable_parameters()))

"""A network as plain arrays: one set for all tasks, or one a task (a first axis more)."""

from itertools import pairwise

import mlx.core as mx
import mlx.nn as nn

from meta.tasks import PIXELS, WAYS

Parameters = dict[str, mx.array]
HIDDEN = (64, 64)


def initial(outputs: int = WAYS) -> Parameters:
    """Return random base parameters with a head of zeros."""
    widths = (PIXELS, *HIDDEN, outputs)
    parameters: Parameters = {}
    for layer, (inputs, size) in enumerate(pairwise(widths)):
        last = layer == len(HIDDEN)
        weight = mx.random.normal((size, inputs)) * (2 / inputs) ** 0.5
        parameters[f"weight{layer}"] = mx.zeros_like(weight) if last else weight
        parameters[f"bias{layer}"] = mx.zeros((size,))
    return parameters


def adapters(base: Parameters, rank: int) -> Parameters:
    """Return low-rank adapters for every weight; the second factor is zero, so nothing changes."""
    result: Parameters = {}
    for name, weight in base.items():
        if name.startswith("weight"):
            layer = name.removeprefix("weight")
            outputs, inputs = weight.shape
            result[f"a{layer}"] = mx.random.normal((rank, inputs)) * inputs**-0.5
            result[f"b{layer}"] = mx.zeros((outputs, rank))
    return result


def is_adapter(name: str) -> bool:
    """Tell whether a parameter belongs to an adapter."""
    return name[0] in "ab" and name[1:].isdigit()


def forward(parameters: Parameters, pixels: mx.array, alpha: float) -> mx.array:
    """Return the logits; parameters with a first axis for tasks need pixels with one."""
    x = pixels
    for layer in range(len(HIDDEN) + 1):
        y = x @ parameters[f"weight{layer}"].swapaxes(-1, -2)
        if f"a{layer}" in parameters:
            a, b = parameters[f"a{layer}"], parameters[f"b{layer}"]
            y = y + (alpha / a.shape[-2]) * ((x @ a.swapaxes(-1, -2)) @ b.swapaxes(-1, -2))
        y = y + parameters[f"bias{layer}"][..., None, :]
        x = y if layer == len(HIDDEN) else mx.maximum(y, 0.0)
    return x


def task_losses(
    parameters: Parameters, pixels: mx.array, labels: mx.array, alpha: float
) -> mx.array:
    """Return the sum over tasks of each one's mean loss: gradients of tasks do not mix."""
    losses = nn.losses.cross_entropy(forward(parameters, pixels, alpha), labels)
    return losses.mean(axis=-1).sum()

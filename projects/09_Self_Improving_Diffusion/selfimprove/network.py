"""The network that predicts a clean image from a noisy one, its noise level and its digit."""

import mlx.core as mx
import mlx.nn as nn

from selfimprove.data import CLASSES, PIXELS
from selfimprove.numerics import Linear

_FREQUENCIES = 16
_LABEL_WIDTH = 64


class Block(nn.Module):
    """A residual step whose normalised input is scaled and shifted by the condition."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, affine=False)
        self.inner = Linear(width, width)
        self.outer = Linear(width, width)

    def __call__(self, x: mx.array, scale: mx.array, shift: mx.array) -> mx.array:
        """Return `x` after this step."""
        return x + self.outer(nn.relu(self.inner(self.norm(x) * (1 + scale) + shift)))


class Denoiser(nn.Module):
    """Residual blocks on the 64 pixels; time and digit enter each of them."""

    def __init__(self, width: int = 128, blocks: int = 3) -> None:
        super().__init__()
        self.width = width
        self.enter = Linear(PIXELS, width)
        self.label = nn.Embedding(CLASSES + 1, _LABEL_WIDTH)
        self.label.weight = self.label.weight * _LABEL_WIDTH**0.5
        self.mix = Linear(2 * _FREQUENCIES + _LABEL_WIDTH, width)
        self.modulate = Linear(width, 2 * blocks * width)
        self.blocks = [Block(width) for _ in range(blocks)]
        self.leave = Linear(width, PIXELS)

    def __call__(self, noisy: mx.array, time: mx.array, labels: mx.array) -> mx.array:
        """Return the clean images under `noisy` at `time` in [0, 1] for `labels`."""
        condition = mx.concatenate([_waves(time), self.label(labels)], axis=-1)
        condition = self.modulate(nn.relu(self.mix(condition)))
        parts = mx.split(condition, 2 * len(self.blocks), axis=-1)
        x = self.enter(noisy)
        for block, scale, shift in zip(self.blocks, parts[::2], parts[1::2], strict=True):
            x = block(x, scale, shift)
        return self.leave(nn.relu(x))


def _waves(time: mx.array) -> mx.array:
    angles = time[:, None] * mx.exp(mx.linspace(0.0, 5.0, _FREQUENCIES))[None]
    return mx.concatenate([mx.sin(angles), mx.cos(angles)], axis=-1)

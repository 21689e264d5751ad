"""The generator: a denoiser under the cosine schedule, trained in stretches, sampled by DDIM."""

import math
from collections.abc import Callable

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten, tree_map

from selfimprove.data import PIXELS, Digits
from selfimprove.network import Denoiser

TIMESTEPS = 100
_LARGEST_WEIGHT = 5.0
"""Of the error of the clean image: 1 + signal-to-noise ratio, but no more than this."""
_AVERAGE = 0.99
Forward = Callable[[mx.array, mx.array, mx.array], mx.array]
"""The network, or what a compiler made of it: images, times, digits to clean images."""


def alpha_bar(timesteps: int = TIMESTEPS) -> np.ndarray:
    """Return the share of signal left at each timestep: a squared cosine."""
    times = np.arange(timesteps + 1) / timesteps
    left = np.cos((times + 0.008) / 1.008 * math.pi / 2) ** 2
    return np.cumprod(1 - np.minimum(1 - left[1:] / left[:-1], 0.999))


def loss_of(model: Denoiser, digits: Digits, times: np.ndarray, noise: np.ndarray) -> mx.array:
    """Return the weighted squared error of the clean images."""
    signal = alpha_bar()[times].astype(np.float32)[:, None]
    noisy = mx.array(np.sqrt(signal) * digits.images + np.sqrt(1 - signal) * noise)
    weight = mx.array(np.minimum(1 / (1 - signal), _LARGEST_WEIGHT))
    moments = mx.array((times / TIMESTEPS).astype(np.float32))
    error = model(noisy, moments, mx.array(digits.labels)) - mx.array(digits.images)
    return mx.mean(weight * mx.square(error))


class Generator:
    """A denoiser in training; samples come from the moving average of its weights."""

    def __init__(self, width: int, learning_rate: float, seed: int) -> None:
        mx.random.seed(seed)
        self.width = width
        self.learning_rate = learning_rate
        self._model, self.mean = Denoiser(width), Denoiser(width)
        self.mean.update(self._model.parameters())
        self._optimizer = optim.Adam(learning_rate=learning_rate)
        self._grads_of = nn.value_and_grad(self._model, loss_of)
        self._draws = np.random.default_rng(seed)

    def copy(self, seed: int) -> "Generator":
        """Return a generator that goes on from here on its own, its optimiser begun anew."""
        other = Generator(self.width, self.learning_rate, seed)
        other._model.update(tree_map(mx.array, self._model.parameters()))
        other.mean.update(tree_map(mx.array, self.mean.parameters()))
        return other

    def weights(self) -> dict[str, mx.array]:
        """Return a copy of the averaged weights."""
        return {name: mx.array(array) for name, array in tree_flatten(self.mean.parameters())}

    def train(
        self,
        real: Digits,
        synthetic: Digits | None,
        *,
        steps: int,
        batch_size: int,
        synthetic_share: float,
        on_step: Callable[[float, int], None],
    ) -> None:
        """Take `steps` steps on batches with a share of synthetic images, when there are any."""
        for _ in range(steps):
            batch = mixed_batch(real, synthetic, batch_size, synthetic_share, self._draws)
            times = self._draws.integers(0, TIMESTEPS, batch_size)
            noise = self._draws.standard_normal(batch.images.shape).astype(np.float32)
            loss, grads = self._grads_of(self._model, batch, times, noise)
            self._optimizer.update(self._model, grads)
            self.mean.update(
                tree_map(
                    lambda kept, new: _AVERAGE * kept + (1 - _AVERAGE) * new,
                    self.mean.parameters(),
                    self._model.parameters(),
                )
            )
            mx.eval(self._model.parameters(), self._optimizer.state, self.mean.parameters())
            on_step(loss.item(), batch_size)


def mixed_batch(
    real: Digits,
    synthetic: Digits | None,
    size: int,
    synthetic_share: float,
    draws: np.random.Generator,
) -> Digits:
    """Return a batch of real images with a share of synthetic ones."""
    made = 0 if synthetic is None or not len(synthetic) else round(size * synthetic_share)
    rows = draws.integers(0, len(real), size - made)
    images, labels = real.images[rows], real.labels[rows]
    if synthetic is None or not made:
        return Digits(images, labels)
    more = draws.integers(0, len(synthetic), made)
    return Digits(
        np.concatenate([images, synthetic.images[more]]),
        np.concatenate([labels, synthetic.labels[more]]),
    )


def starting_noise(seeds: np.ndarray) -> np.ndarray:
    """Return one image of noise a seed: the same seed always gives the same noise."""
    return np.stack(
        [np.random.default_rng(seed).standard_normal(PIXELS) for seed in seeds.tolist()]
    ).astype(np.float32)


def sample(model: Forward, labels: np.ndarray, start: np.ndarray, *, steps: int) -> np.ndarray:
    """Return one image (64 pixels in [-1, 1]) a label, by DDIM from the noise `start`.

    Raises:
        ValueError: more steps than timesteps, or none.
    """
    if not 1 <= steps <= TIMESTEPS:
        raise ValueError(f"Sampling steps must be between 1 and {TIMESTEPS}, not {steps}.")
    path = [TIMESTEPS - 1 - TIMESTEPS * number // steps for number in range(steps)]
    left = [*alpha_bar().tolist(), 1.0]  # index -1: no noise at all
    x, digits = mx.array(start), mx.array(labels)
    for here, below in zip(path, [*path[1:], -1], strict=True):
        time = mx.full((len(labels),), here / TIMESTEPS)
        clean = mx.clip(model(x, time, digits), -1.0, 1.0)
        noise = (x - left[here] ** 0.5 * clean) / (1 - left[here]) ** 0.5
        x = left[below] ** 0.5 * clean + (1 - left[below]) ** 0.5 * noise
        mx.eval(x)
    return np.array(x)

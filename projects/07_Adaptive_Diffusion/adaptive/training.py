"""Train a denoiser with any schedule and any choice of timesteps."""

from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_map

from adaptive.data import Digits
from adaptive.network import Denoiser
from adaptive.schedules import Schedule
from adaptive.timesteps import Timesteps

_LARGEST_WEIGHT = 5.0
"""Of the error of the clean image: 1 + signal-to-noise ratio, but no more than this."""


@dataclass(frozen=True, slots=True)
class Training:
    """How long and how fast."""

    epochs: int
    batch_size: int
    learning_rate: float
    average: float = 0.99


def losses_of(
    model: Denoiser,
    digits: Digits,
    times: np.ndarray,
    noise: np.ndarray,
    schedule: Schedule,
) -> mx.array:
    """Return one loss an image: the weighted squared error of the clean image."""
    signal = schedule.alpha_bar[times].astype(np.float32)[:, None]
    noisy = mx.array(np.sqrt(signal) * digits.images + np.sqrt(1 - signal) * noise)
    moments = mx.array((times / schedule.timesteps).astype(np.float32))
    weight = mx.array(np.minimum(1 / (1 - signal), _LARGEST_WEIGHT))
    error = model(noisy, moments, mx.array(digits.labels)) - mx.array(digits.images)
    return mx.mean(weight * mx.square(error), axis=1)


def held_out_loss(model: Denoiser, digits: Digits, schedule: Schedule) -> float:
    """Return the loss on held-out images, always with the same noise and even timesteps."""
    generator = np.random.default_rng(0)
    times = generator.integers(0, schedule.timesteps, len(digits))
    noise = generator.standard_normal(digits.images.shape).astype(np.float32)
    return float(mx.mean(losses_of(model, digits, times, noise, schedule)))


def fit(
    digits: Digits,
    schedule: Schedule,
    timesteps: Timesteps,
    training: Training,
    seed: int,
    *,
    width: int,
    on_step: Callable[[float, int], None],
    on_epoch: Callable[[int, Denoiser], None],
) -> Denoiser:
    """Return a trained denoiser (the moving average of its weights).

    `on_step` gets the loss and the number of images, `on_epoch` the epoch (from 1) and the average
    so far.
    """
    mx.random.seed(seed)
    generator = np.random.default_rng(seed)
    model, mean = Denoiser(width), Denoiser(width)
    mean.update(model.parameters())
    batches = len(digits) // training.batch_size
    rate = optim.cosine_decay(training.learning_rate, training.epochs * batches)
    optimizer = optim.Adam(learning_rate=rate)

    def weighted(
        model: Denoiser, batch: Digits, times: np.ndarray, weights: mx.array, noise: np.ndarray
    ) -> tuple[mx.array, mx.array]:
        losses = losses_of(model, batch, times, noise, schedule)
        return mx.mean(weights * losses), losses

    grads_of = nn.value_and_grad(model, weighted)
    for epoch in range(1, training.epochs + 1):
        order = generator.permutation(len(digits))[: batches * training.batch_size]
        for rows in order.reshape(batches, -1):
            batch = Digits(digits.images[rows], digits.labels[rows])
            times, weights = timesteps.draw(generator, len(rows))
            noise = generator.standard_normal(batch.images.shape).astype(np.float32)
            (loss, losses), grads = grads_of(model, batch, times, mx.array(weights), noise)
            optimizer.update(model, grads)
            _follow(mean, model, training.average)
            mx.eval(model.parameters(), optimizer.state, mean.parameters())
            timesteps.learn(times, np.array(losses))
            on_step(loss.item(), len(rows))
        on_epoch(epoch, mean)
    return mean


def _follow(mean: Denoiser, model: Denoiser, share: float) -> None:
    mean.update(
        tree_map(
            lambda kept, new: share * kept + (1 - share) * new,
            mean.parameters(),
            model.parameters(),
        )
    )

"""Train a denoiser, and keep the moving average of its weights, which samples better."""

from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_map

from diffusion.data import NO_LABEL, Digits
from diffusion.network import Denoiser
from diffusion.schedule import Schedule

_LARGEST_WEIGHT = 5.0


@dataclass(frozen=True, slots=True)
class Training:
    """How long and how fast."""

    epochs: int
    batch_size: int
    learning_rate: float
    label_dropout: float = 0.1
    """Share of images trained without their label, which guidance needs."""
    average: float = 0.99


@dataclass(frozen=True, slots=True)
class Batch:
    """Images with noise on them, and what the network should make of them."""

    noisy: mx.array
    time: mx.array
    labels: mx.array
    clean: mx.array
    weight: mx.array


def add_noise(
    images: np.ndarray,
    labels: np.ndarray,
    times: np.ndarray,
    noise: np.ndarray,
    schedule: Schedule,
) -> Batch:
    """Return the images at their timesteps.

    The loss is the squared error of the clean image, weighted by 1 + signal-to-noise ratio (which
    makes it the error of the velocity) up to 5: unbounded, the nearly clean images drown the ones
    that decide the digit.
    """
    signal = schedule.alpha_bar[times].astype(np.float32)[:, None]
    weight = np.minimum(1 / (1 - signal), _LARGEST_WEIGHT)
    return Batch(
        mx.array(np.sqrt(signal) * images + np.sqrt(1 - signal) * noise),
        mx.array((times / schedule.timesteps).astype(np.float32)),
        mx.array(labels),
        mx.array(images),
        mx.array(weight),
    )


def loss_of(model: Denoiser, batch: Batch) -> mx.array:
    """Return the weighted squared error of the clean images."""
    error = model(batch.noisy, batch.time, batch.labels) - batch.clean
    return mx.mean(batch.weight * mx.square(error))


def held_out_loss(model: Denoiser, digits: Digits, schedule: Schedule) -> float:
    """Return the loss on held-out images, always with the same noise and timesteps."""
    generator = np.random.default_rng(0)
    times = generator.integers(0, schedule.timesteps, len(digits))
    noise = generator.standard_normal(digits.images.shape).astype(np.float32)
    return float(loss_of(model, add_noise(digits.images, digits.labels, times, noise, schedule)))


def fit(
    digits: Digits,
    schedule: Schedule,
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
    grads_of = nn.value_and_grad(model, loss_of)
    for epoch in range(1, training.epochs + 1):
        order = generator.permutation(len(digits))[: batches * training.batch_size]
        for rows in order.reshape(batches, -1):
            loss, grads = grads_of(model, _draw(digits, rows, schedule, training, generator))
            optimizer.update(model, grads)
            _follow(mean, model, training.average)
            mx.eval(model.parameters(), optimizer.state, mean.parameters())
            on_step(loss.item(), len(rows))
        on_epoch(epoch, mean)
    return mean


def _draw(
    digits: Digits,
    rows: np.ndarray,
    schedule: Schedule,
    training: Training,
    generator: np.random.Generator,
) -> Batch:
    images, labels = digits.images[rows], digits.labels[rows]
    labels[generator.random(len(rows)) < training.label_dropout] = NO_LABEL
    times = generator.integers(0, schedule.timesteps, len(rows))
    noise = generator.standard_normal(images.shape).astype(np.float32)
    return add_noise(images, labels, times, noise, schedule)


def _follow(mean: Denoiser, model: Denoiser, share: float) -> None:
    mean.update(
        tree_map(
            lambda kept, new: share * kept + (1 - share) * new,
            mean.parameters(),
            model.parameters(),
        )
    )

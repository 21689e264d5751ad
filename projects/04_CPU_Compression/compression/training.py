"""One training loop for all techniques: they differ in the loss and in what follows a step."""

from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np

from compression.data import Split

Loss = Callable[[nn.Module, mx.array, mx.array], mx.array]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to train."""

    epochs: int
    batch_size: int
    learning_rate: float


def cross_entropy(model: nn.Module, pixels: mx.array, labels: mx.array) -> mx.array:
    """Return the mean loss against the true digits."""
    return nn.losses.cross_entropy(model(pixels), labels, reduction="mean")


def distillation(teacher: nn.Module, temperature: float, share: float) -> Loss:
    """Return a loss that is, by ``share``, the divergence from the teacher's softened answer.

    The divergence is multiplied by the squared temperature, so that its gradients do not shrink.
    """

    def loss(model: nn.Module, pixels: mx.array, labels: mx.array) -> mx.array:
        logits = model(pixels)
        hard = nn.losses.cross_entropy(logits, labels, reduction="mean")
        target = mx.stop_gradient(mx.softmax(teacher(pixels) / temperature, axis=-1))
        scaled = logits / temperature
        answer = scaled - mx.logsumexp(scaled, axis=-1, keepdims=True)
        entropy = -(target * mx.log(target + 1e-9)).sum(axis=-1)
        soft = (-(target * answer).sum(axis=-1) - entropy).mean() * temperature**2
        return share * soft + (1 - share) * hard

    return loss


def fit(
    model: nn.Module,
    train: Split,
    schedule: Schedule,
    seed: int,
    *,
    loss: Loss = cross_entropy,
    after_step: Callable[[], None] = lambda: None,
    on_step: Callable[[float, int], None],
    on_epoch: Callable[[int], None],
) -> None:
    """Train in place; ``on_step`` gets the loss and the number of samples."""
    batches = -(-len(train.labels) // schedule.batch_size)
    rate = optim.cosine_decay(schedule.learning_rate, schedule.epochs * batches)
    optimizer = optim.AdamW(rate, weight_decay=0.01)
    rng = np.random.default_rng(seed)
    step = nn.value_and_grad(model, loss)
    for epoch in range(1, schedule.epochs + 1):
        for rows in np.array_split(rng.permutation(len(train.labels)), batches):
            value, gradients = step(
                model, mx.array(train.pixels[rows]), mx.array(train.labels[rows])
            )
            optimizer.update(model, gradients)
            after_step()
            mx.eval(model.parameters(), optimizer.state)
            on_step(value.item(), len(rows))
        on_epoch(epoch)


def accuracy(model: nn.Module, part: Split) -> float:
    """Return the share of digits that are recognised."""
    answers = np.array(model(mx.array(part.pixels)).argmax(axis=-1))
    return float((answers == part.labels).mean())

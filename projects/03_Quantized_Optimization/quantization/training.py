"""Training of the full-precision model that is quantised afterwards."""

from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np

from quantization.model import CharacterModel, loss


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to train; an epoch is ``steps`` random batches."""

    epochs: int
    steps: int
    batch_size: int
    learning_rate: float


def fit(
    model: CharacterModel,
    rows: np.ndarray,
    schedule: Schedule,
    seed: int,
    *,
    on_step: Callable[[float, int], None],
    on_epoch: Callable[[int], None],
) -> None:
    """Train in place; ``on_step`` gets the loss and the number of characters."""
    total = schedule.epochs * schedule.steps
    rate = schedule.learning_rate
    optimizer = optim.AdamW(optim.cosine_decay(rate, total, rate / 50), weight_decay=0.01)
    rng = np.random.default_rng(seed)
    step = nn.value_and_grad(model, loss)
    for epoch in range(1, schedule.epochs + 1):
        for _ in range(schedule.steps):
            batch = rows[rng.integers(0, len(rows), schedule.batch_size)]
            value, gradients = step(model, mx.array(batch))
            optimizer.update(model, gradients)
            mx.eval(model.parameters(), optimizer.state)
            on_step(value.item(), len(batch))
        on_epoch(epoch)

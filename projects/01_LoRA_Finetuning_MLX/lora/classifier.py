"""The classifier that is trained: the encoder's top layers and a linear head."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten

from lora.corpus import LABELS
from lora.encoder import DIMENSIONS, Layer
from lora.features import Features

LOGIT_SCALE = 20.0  # the embedding has length 1: without a scale the head would have to grow first


class Kept(Protocol):
    """Where a training's state is kept: see ``lora.checkpoint``."""

    def resume(self, classifier: "Classifier", optimizer: optim.Optimizer, /) -> int:
        """Put the saved state back; return after which step it was saved, 0 without one."""

    def keep(self, step: int, classifier: "Classifier", optimizer: optim.Optimizer, /) -> None:
        """Save the state after a step, if somebody wants it saved."""


class Classifier(nn.Module):
    """Top layers, mean pooling to a unit vector, linear head that starts at zero."""

    def __init__(self, layers: list[Layer]) -> None:
        super().__init__()
        self.layers = layers
        self.head = nn.Linear(DIMENSIONS, len(LABELS))
        self.head.weight = mx.zeros_like(self.head.weight)

    def __call__(self, hidden: mx.array, mask: mx.array) -> mx.array:
        """Return one row of logits an example."""
        for layer in self.layers:
            hidden = layer(hidden, mask)
        weights = mask[..., None].astype(hidden.dtype)
        embedding = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        embedding = embedding / mx.linalg.norm(embedding, axis=-1, keepdims=True)
        return self.head(LOGIT_SCALE * embedding)

    def trained_parameters(self) -> int:
        """Return how many numbers training changes."""
        return sum(array.size for _, array in tree_flatten(self.trainable_parameters()))


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to train."""

    epochs: int
    batch_size: int
    learning_rate: float


def copies(layers: list[Layer]) -> list[Layer]:
    """Return layers of their own with the same weights, so that runs do not disturb each other."""
    result = []
    for layer in layers:
        copy = Layer()
        copy.update(layer.parameters())
        result.append(copy)
    return result


def predict(classifier: Classifier, features: Features) -> np.ndarray:
    """Return the predicted label numbers."""
    answers = [
        np.array(classifier(*features.padded(rows)).argmax(-1)) for rows in features.in_order()
    ]
    return np.concatenate(answers)


def scores(predicted: np.ndarray, labels: np.ndarray, prefix: str) -> dict[str, float]:
    """Return accuracy and macro-averaged F1."""
    f1 = []
    for label in range(len(LABELS)):
        hits = float(((predicted == label) & (labels == label)).sum())
        f1.append(2 * hits / max(float((predicted == label).sum() + (labels == label).sum()), 1.0))
    return {
        f"{prefix}_accuracy": float((predicted == labels).mean()),
        f"{prefix}_macro_f1": float(np.mean(f1)),
    }


def fit(
    classifier: Classifier,
    train: Features,
    schedule: Schedule,
    seed: int,
    *,
    on_step: Callable[[float, int, int], None],
    on_epoch: Callable[[int, Classifier], None],
    checkpoint: Kept | None = None,
) -> None:
    """Train in place; ``on_step`` gets loss, samples, tokens; ``on_epoch`` the epoch.

    With a checkpoint it goes on after the step that was saved: what was trained before is passed
    over, in the order in which it was shuffled then.
    """
    steps = schedule.epochs * -(-len(train.labels) // schedule.batch_size)
    optimizer = optim.AdamW(optim.cosine_decay(schedule.learning_rate, steps), weight_decay=0.01)
    rng = np.random.default_rng(seed)

    def loss(model: Classifier, hidden: mx.array, mask: mx.array, labels: mx.array) -> mx.array:
        return nn.losses.cross_entropy(model(hidden, mask), labels, reduction="mean")

    step = nn.value_and_grad(classifier, loss)
    done, number = checkpoint.resume(classifier, optimizer) if checkpoint else 0, 0
    for epoch in range(1, schedule.epochs + 1):
        for rows in train.shuffled(schedule.batch_size, rng):
            number += 1
            if number <= done:
                continue
            hidden, mask = train.padded(rows)
            value, gradients = step(classifier, hidden, mask, mx.array(train.labels[rows]))
            optimizer.update(classifier, gradients)
            mx.eval(classifier.parameters(), optimizer.state)
            on_step(value.item(), len(rows), int(mask.sum().item()))
            if checkpoint:
                checkpoint.keep(number, classifier, optimizer)
        if number > done:
            on_epoch(epoch, classifier)


def half_weights(tensors: Mapping[str, mx.array]) -> dict[str, mx.array]:
    """Return the tensors in half precision, as a model is stored."""
    return {name: tensor.astype(mx.float16) for name, tensor in tensors.items()}

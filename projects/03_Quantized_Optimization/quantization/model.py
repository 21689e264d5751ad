"""A small neural language model over characters: the next one from the twelve before it."""

from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from quantization.corpus import CHARACTERS
from quantization.numerics import FastLinear

LinearMaker = Callable[[int, int], nn.Module]


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of the model."""

    context: int = 12
    embedding: int = 32
    first: int = 512
    second: int = 256


def plain(inputs: int, outputs: int) -> nn.Module:
    """Make MLX's own dense layer: the one that is quantised, measured and served."""
    return nn.Linear(inputs, outputs, bias=False)


class CharacterModel(nn.Module):
    """Embeddings of the context, two hidden layers, logits of the next character."""

    def __init__(self, shape: Shape, make: LinearMaker = FastLinear) -> None:
        super().__init__()
        self.characters = nn.Embedding(len(CHARACTERS), shape.embedding)
        self.first = make(shape.context * shape.embedding, shape.first)
        self.first_norm = nn.RMSNorm(shape.first)
        self.second = make(shape.first, shape.second)
        self.second_norm = nn.RMSNorm(shape.second)
        self.head = make(shape.second, len(CHARACTERS))

    def __call__(self, contexts: mx.array) -> mx.array:
        """Return one row of logits a row of ``context`` character numbers."""
        x = self.characters(contexts).reshape(contexts.shape[0], -1)
        x = self.first_norm(mx.maximum(self.first(x), 0.0))
        x = self.second_norm(mx.maximum(self.second(x), 0.0))
        return self.head(x)


def loss(model: nn.Module, rows: mx.array) -> mx.array:
    """Return the mean cross entropy, in nats, of the last column after the others."""
    return nn.losses.cross_entropy(model(rows[:, :-1]), rows[:, -1], reduction="mean")


def bits_per_character(model: nn.Module, rows: np.ndarray, batch: int = 2048) -> float:
    """Return the mean over all rows."""
    nats = 0.0
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        nats += loss(model, mx.array(part)).item() * len(part)
    return nats / len(rows) / float(np.log(2))

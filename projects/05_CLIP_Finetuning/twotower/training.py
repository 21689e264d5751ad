"""Pretrain the image tower on digit labels, then train both towers on captions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np

from twotower.captions import TRAIN_TEMPLATES, caption, tokens
from twotower.data import Pictures
from twotower.losses import matches
from twotower.numerics import Linear
from twotower.towers import WIDTH, ImageTower, TwoTowers

Loss = Callable[[mx.array, mx.array], mx.array]


@dataclass(frozen=True, slots=True)
class Training:
    """How long and how fast."""

    epochs: int
    batch_size: int
    learning_rate: float


class _DigitHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tower = ImageTower()
        self.head = Linear(WIDTH, 10)

    def __call__(self, images: mx.array) -> mx.array:
        return self.head(self.tower(images))


def pretrained(pictures: Pictures, seed: int, *, epochs: int = 8) -> ImageTower:
    """Return an image tower trained to tell digits apart, as CLIP's would come pretrained."""
    mx.random.seed(seed)
    generator = np.random.default_rng(seed)
    model = _DigitHead()
    optimizer = optim.Adam(learning_rate=2e-3)
    grads_of = nn.value_and_grad(
        model, lambda model, x, y: nn.losses.cross_entropy(model(x), y, reduction="mean")
    )
    for _ in range(epochs):
        for rows in np.array_split(generator.permutation(len(pictures)), len(pictures) // 64):
            x, y = mx.array(pictures.images[rows]), mx.array(pictures.meanings[rows, 0])
            _, grads = grads_of(model, x, y)
            optimizer.update(model, grads)
            mx.eval(model.parameters(), optimizer.state)
    return model.tower


def fit(
    model: TwoTowers,
    pictures: Pictures,
    known: Sequence[str],
    loss: Loss,
    training: Training,
    seed: int,
    *,
    on_step: Callable[[float, int], None],
    on_epoch: Callable[[int], None],
) -> None:
    """Train what is not frozen in `model`; every image gets another template each time."""
    generator = np.random.default_rng(seed)
    said = np.stack(
        [
            tokens([caption(template, meaning) for meaning in pictures.meanings], known)
            for template in TRAIN_TEMPLATES
        ]
    )
    batches = len(pictures) // training.batch_size
    optimizer = optim.Adam(
        learning_rate=optim.cosine_decay(training.learning_rate, training.epochs * batches)
    )

    def loss_of(model: TwoTowers, images: mx.array, texts: mx.array, same: mx.array) -> mx.array:
        similarity = similarities(model, images, texts)
        return loss(similarity, same)

    grads_of = nn.value_and_grad(model, loss_of)
    for epoch in range(1, training.epochs + 1):
        order = generator.permutation(len(pictures))[: batches * training.batch_size]
        for rows in order.reshape(batches, -1):
            templates = generator.integers(0, len(said), len(rows))
            value, grads = grads_of(
                model,
                mx.array(pictures.images[rows]),
                mx.array(said[templates, rows]),
                mx.array(matches(pictures.meanings[rows])),
            )
            optimizer.update(model, grads)
            mx.eval(model.parameters(), optimizer.state)
            on_step(value.item(), len(rows))
        on_epoch(epoch)


def similarities(model: TwoTowers, images: mx.array, texts: mx.array) -> mx.array:
    """Return scaled similarities, one row an image and one column a text."""
    cosine = model.images(images) @ model.texts(texts).T
    return mx.exp(mx.minimum(model.log_scale, 4.6)) * cosine + model.bias

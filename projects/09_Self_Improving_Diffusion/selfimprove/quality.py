"""How good generated digits are, judged by a classifier that never saw the generator.

``class_accuracy``: share of images the classifier reads as the digit that was asked for.
``frechet``: Fréchet distance between Gaussians fitted to the classifier's features of generated and
of held-out images (what FID does with an Inception network). ``nearest_ratio``: mean distance to
the nearest training image, relative to that of held-out images; far below 1 means the model copies
its training set.
"""

from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np

from selfimprove.data import CLASSES, PIXELS, Digits
from selfimprove.numerics import Linear

FEATURES = 32


class Judge(nn.Module):
    """A small classifier; its last hidden layer is the feature space."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Linear(PIXELS, 128)
        self.second = Linear(128, FEATURES)
        self.last = Linear(FEATURES, CLASSES)

    def features(self, images: mx.array) -> mx.array:
        """Return the last hidden layer, one row an image."""
        return nn.relu(self.second(nn.relu(self.first(images))))

    def __call__(self, images: mx.array) -> mx.array:
        """Return one score a digit, one row an image."""
        return self.last(self.features(images))


@dataclass(frozen=True, slots=True)
class Score:
    """What the judge says about a set of images."""

    class_accuracy: float
    frechet: float
    nearest_ratio: float


def train_judge(digits: Digits, *, epochs: int = 25, seed: int = 1234) -> Judge:
    """Return a classifier trained on `digits`, slightly shifted in brightness and noise."""
    mx.random.seed(seed)
    generator = np.random.default_rng(seed)
    judge = Judge()
    optimizer = optim.AdamW(learning_rate=2e-3, weight_decay=1e-2)
    grads_of = nn.value_and_grad(
        judge,
        lambda model, x, y: nn.losses.cross_entropy(model(x), y, reduction="mean"),
    )
    for _ in range(epochs):
        for batch in np.array_split(generator.permutation(len(digits)), len(digits) // 64):
            images = digits.images[batch]
            images = images + 0.1 * generator.standard_normal(images.shape).astype(np.float32)
            _, grads = grads_of(judge, mx.array(images), mx.array(digits.labels[batch]))
            optimizer.update(judge, grads)
            mx.eval(judge.parameters(), optimizer.state)
    judge.freeze()
    return judge


def accuracy(judge: Judge, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images the judge reads as their label."""
    return float((np.array(judge(mx.array(images))).argmax(-1) == labels).mean())


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Fréchet distance between Gaussians fitted to two sets of feature rows."""
    mean_gap = first.mean(0) - second.mean(0)
    one, two = (np.cov(rows, rowvar=False).astype(np.float64) for rows in (first, second))
    root = _square_root(one)
    cross = np.linalg.eigvalsh(root @ two @ root).clip(0)
    return float(mean_gap @ mean_gap + np.trace(one) + np.trace(two) - 2 * np.sqrt(cross).sum())


def score(
    judge: Judge, images: np.ndarray, labels: np.ndarray, held_out: Digits, train: Digits
) -> Score:
    """Judge generated `images` that were asked to show `labels`."""
    return Score(
        accuracy(judge, images, labels),
        frechet(
            np.array(judge.features(mx.array(images))),
            np.array(judge.features(mx.array(held_out.images))),
        ),
        _nearest(images, train.images) / _nearest(held_out.images, train.images),
    )


def _square_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T


def _nearest(images: np.ndarray, train: np.ndarray) -> float:
    squared = (images**2).sum(1)[:, None] + (train**2).sum(1)[None] - 2 * images @ train.T
    return float(np.sqrt(squared.min(1).clip(0)).mean())

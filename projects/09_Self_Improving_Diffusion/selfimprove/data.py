"""Scikit-learn's handwritten digits: 1,797 real 8x8 images, in three fixed parts."""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SIDE = 8
PIXELS = SIDE * SIDE
CLASSES = 10
NO_LABEL = CLASSES
"""The label of "any digit": what classifier-free guidance trains and subtracts."""

_SPLIT_SEED = 20


@dataclass(frozen=True, slots=True)
class Digits:
    """Images as rows of 64 pixels in [-1, 1], and the digit each one shows."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def load() -> dict[str, Digits]:
    """Return the parts ``train`` (1,197), ``val`` (300) and ``test`` (300), stratified by digit."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 8.0 - 1.0).astype(np.float32)
    labels = labels.astype(np.int64)
    rest_x, test_x, rest_y, test_y = train_test_split(
        images, labels, test_size=300, stratify=labels, random_state=_SPLIT_SEED
    )
    train_x, val_x, train_y, val_y = train_test_split(
        rest_x, rest_y, test_size=300, stratify=rest_y, random_state=_SPLIT_SEED
    )
    return {
        "train": Digits(train_x, train_y),
        "val": Digits(val_x, val_y),
        "test": Digits(test_x, test_y),
    }

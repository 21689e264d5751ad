"""Handwritten digits and what can be said about them.

The images are scikit-learn's 1,797 real 8x8 digits. A caption says which digit it is (from the
label) and how it is written: stroke weight, slant and width, each measured on the pixels and cut at
quantiles of the training images.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SIDE = 8
PIXELS = SIDE * SIDE
_SPLIT_SEED = 20
_QUANTILES = ((1 / 3, 2 / 3), (1 / 3, 2 / 3), (1 / 2,))


@dataclass(frozen=True, slots=True)
class Pictures:
    """Images as rows of 64 pixels in [0, 1], and what is true of each."""

    images: np.ndarray
    meanings: np.ndarray
    """One row an image: digit, stroke weight (0-2), slant (0-2), width (0-1)."""

    def __len__(self) -> int:
        return len(self.images)


def load() -> dict[str, Pictures]:
    """Return the parts ``train`` (1,197), ``val`` (300) and ``test`` (300), stratified by digit."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).astype(np.float32)
    rest_x, test_x, rest_y, test_y = train_test_split(
        images, labels, test_size=300, stratify=labels, random_state=_SPLIT_SEED
    )
    train_x, val_x, train_y, val_y = train_test_split(
        rest_x, rest_y, test_size=300, stratify=rest_y, random_state=_SPLIT_SEED
    )
    cuts = [np.quantile(v, q) for v, q in zip(measures(train_x), _QUANTILES, strict=True)]

    def part(x: np.ndarray, y: np.ndarray) -> Pictures:
        levels = [np.searchsorted(cut, v) for cut, v in zip(cuts, measures(x), strict=True)]
        return Pictures(x, np.stack([y, *levels], axis=1).astype(np.int64))

    return {
        "train": part(train_x, train_y),
        "val": part(val_x, val_y),
        "test": part(test_x, test_y),
    }


def measures(images: np.ndarray) -> list[np.ndarray]:
    """Return each image's ink, slant (positive leans right) and width."""
    ink = images.sum(axis=1) + 1e-6
    down, right = np.mgrid[0:SIDE, 0:SIDE].reshape(2, PIXELS)
    x = right[None] - (images @ right / ink)[:, None]
    y = down[None] - (images @ down / ink)[:, None]
    slant = -(images * x * y).sum(1) / (images * y * y).sum(1).clip(1e-6)
    width = np.sqrt((images * x * x).sum(1) / ink)
    return [ink, slant, width]

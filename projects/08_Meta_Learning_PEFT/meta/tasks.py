"""Few-shot tasks: read digits in a world seen through other glasses, after a few examples of each.

A world turns or mirrors every picture, may invert it, and shifts it around the edges. Worlds and
pictures are both held out: validation and test show worlds and digits that training never saw.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

WAYS = 10
SIDE = 8
PIXELS = SIDE * SIDE
SPLITS = ("train", "validation", "test")
World = tuple[int, bool, int, int]
"""Orientation (0-7), inverted, and the shifts down and to the right (0-3)."""


@dataclass(frozen=True, slots=True)
class Tasks:
    """A batch of tasks; the first axis counts them."""

    support: np.ndarray
    support_labels: np.ndarray
    query: np.ndarray
    query_labels: np.ndarray


def images(folder: Path) -> dict[int, np.ndarray]:
    """Return the images of each digit, written to a folder first when it has none."""
    path = folder / "digits.npz"
    if not path.is_file():
        # Here, not above: importing scikit-learn takes seconds, and a written file needs none.
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        pixels = (pixels / 16).astype(np.float32).reshape(-1, SIDE, SIDE)
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **{str(digit): pixels[labels == digit] for digit in range(10)})
    with np.load(path, allow_pickle=False) as file:
        return {int(name): file[name] for name in file.files}


def worlds(split: str) -> list[World]:
    """Return the 160 worlds of training, the 32 of validation or the 64 of test."""
    every: list[World] = list(product(range(8), (False, True), range(4), range(4)))
    order = np.random.default_rng(0).permutation(len(every))
    ends = {"train": (0, 160), "validation": (160, 192), "test": (192, 256)}
    return [every[index] for index in order[slice(*ends[split])]]


def part_of(pictures: np.ndarray, split: str) -> np.ndarray:
    """Return a digit's pictures for a split: the first 70 %, the next 15 %, the rest."""
    first, second = int(0.7 * len(pictures)), int(0.85 * len(pictures))
    return {
        "train": pictures[:first],
        "validation": pictures[first:second],
        "test": pictures[second:],
    }[split]


def seen_in(pictures: np.ndarray, world: World) -> np.ndarray:
    """Return pictures as they look in a world."""
    orientation, inverted, down, right = world
    turned = np.rot90(pictures, orientation % 4, axes=(1, 2))
    turned = turned[:, :, ::-1] if orientation >= 4 else turned
    turned = 1 - turned if inverted else turned
    return np.roll(turned, (down, right), axis=(1, 2))


def sample(
    pictures: dict[int, np.ndarray],
    split: str,
    count: int,
    rng: np.random.Generator,
    *,
    shots: int,
    queries: int,
) -> Tasks:
    """Return random tasks of a split; support and query of a task share no picture."""
    choices = worlds(split)
    rows = []
    for _ in range(count):
        world = choices[rng.integers(len(choices))]
        shown = []
        for digit in range(WAYS):
            own = part_of(pictures[digit], split)
            chosen = rng.permutation(len(own))[: shots + queries]
            shown.append(seen_in(own[chosen], world).reshape(-1, PIXELS))
        rows.append(np.stack(shown))
    every = np.stack(rows)
    return Tasks(
        every[:, :, :shots].reshape(count, WAYS * shots, PIXELS),
        np.tile(np.repeat(np.arange(WAYS), shots), (count, 1)),
        every[:, :, shots:].reshape(count, WAYS * queries, PIXELS),
        np.tile(np.repeat(np.arange(WAYS), queries), (count, 1)),
    )

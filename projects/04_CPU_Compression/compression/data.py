"""Handwritten digits (8 × 8 pixels, 1,797 of them) with a fixed split."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

CLASSES = 10
PIXELS = 64


@dataclass(frozen=True, slots=True)
class Split:
    """Pixels between 0 and 1, and the digit each row shows."""

    pixels: np.ndarray
    labels: np.ndarray


def split() -> dict[str, Split]:
    """Return 60 % for training, 20 % for validation, 20 % for test; each with all digits alike."""
    # Here, not above: importing scikit-learn takes seconds, and a written split needs none of it.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype(np.float32)
    rows = np.arange(len(labels))
    train, rest = train_test_split(rows, test_size=0.4, stratify=labels, random_state=0)
    validation, test = train_test_split(rest, test_size=0.5, stratify=labels[rest], random_state=0)
    parts = {"train": train, "validation": validation, "test": test}
    return {name: Split(pixels[part], labels[part]) for name, part in parts.items()}


def load(folder: Path) -> dict[str, Split]:
    """Return the split kept in a folder, written there first when it is missing."""
    path = folder / "digits.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {}
        for name, part in split().items():
            arrays |= {f"{name}_pixels": part.pixels, f"{name}_labels": part.labels}
        np.savez_compressed(path, **arrays)
    with np.load(path, allow_pickle=False) as file:
        return {
            name: Split(file[f"{name}_pixels"], file[f"{name}_labels"])
            for name in ("train", "validation", "test")
        }

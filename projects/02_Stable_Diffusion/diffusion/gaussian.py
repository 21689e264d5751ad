"""The baseline: draw each digit from a Gaussian in the space of its principal components."""

import numpy as np

from diffusion.data import CLASSES, Digits


def fit(digits: Digits, components: int) -> dict[str, np.ndarray]:
    """Return each digit's mean, principal directions and their standard deviations."""
    means, directions, spreads = [], [], []
    for label in range(CLASSES):
        rows = digits.images[digits.labels == label]
        _, values, vectors = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
        means.append(rows.mean(0))
        directions.append(vectors[:components])
        spreads.append(values[:components] / np.sqrt(len(rows) - 1))
    return {
        "means": np.stack(means),
        "directions": np.stack(directions),
        "spreads": np.stack(spreads),
    }


def sample(fitted: dict[str, np.ndarray], labels: np.ndarray, seed: int) -> np.ndarray:
    """Return one image a label."""
    spreads = fitted["spreads"][labels]
    draws = np.random.default_rng(seed).standard_normal(spreads.shape) * spreads
    images = fitted["means"][labels] + np.einsum("nk,nkp->np", draws, fitted["directions"][labels])
    return images.clip(-1, 1).astype(np.float32)

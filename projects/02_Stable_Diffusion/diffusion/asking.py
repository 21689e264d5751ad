"""What is asked for: digits, seeds, and how to sample them."""

from dataclasses import dataclass

import numpy as np

from diffusion.data import CLASSES, PIXELS


@dataclass(frozen=True, slots=True)
class Sampler:
    """How to sample: `eta` 1 is DDPM's ancestral sampling, 0 is deterministic DDIM."""

    steps: int
    eta: float = 0.0
    guidance: float = 0.0
    """Classifier-free guidance: 0 is off; w extrapolates away from "any digit" by 1 + w."""


def starting_noise(seeds: np.ndarray) -> np.ndarray:
    """Return one image of noise a seed: the same seed always gives the same noise."""
    return np.stack(
        [np.random.default_rng(seed).standard_normal(PIXELS) for seed in seeds.tolist()]
    ).astype(np.float32)


def wanted(column: np.ndarray | list[int]) -> np.ndarray:
    """Return the digits asked for.

    Raises:
        ValueError: something else than digits 0 to 9.
    """
    labels = np.asarray(column).reshape(-1)
    if not len(labels) or not np.isin(labels, np.arange(CLASSES)).all():
        raise ValueError("Column 'label' must hold at least one digit, each from 0 to 9.")
    return labels.astype(np.int64)


def seeded(column: np.ndarray | None, rows: int) -> np.ndarray:
    """Return one image of noise a row, of the seeds asked for or of others."""
    seeds = np.random.default_rng().integers(0, 2**31, rows) if column is None else column
    return starting_noise(np.asarray(seeds, dtype=np.int64).reshape(-1))

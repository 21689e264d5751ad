"""Which timesteps a batch is trained at."""

from typing import Protocol

import numpy as np


class Timesteps(Protocol):
    """Draws timesteps, and may learn from the losses they gave."""

    def draw(self, generator: np.random.Generator, count: int, /) -> tuple[np.ndarray, np.ndarray]:
        """Return timesteps, and the weights that keep the expected loss what it was."""
        ...

    def learn(self, times: np.ndarray, losses: np.ndarray, /) -> None:
        """Take note of the loss each timestep gave."""
        ...


class Uniform:
    """Every timestep equally often."""

    def __init__(self, timesteps: int) -> None:
        self._timesteps = timesteps

    def draw(self, generator: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return timesteps, all of weight 1."""
        return generator.integers(0, self._timesteps, count), np.ones(count, dtype=np.float32)

    def learn(self, times: np.ndarray, losses: np.ndarray) -> None:
        """Learn nothing."""


class LossAware:
    """Timesteps in proportion to the root of their mean squared loss, as "Improved DDPM" does.

    Timesteps are grouped: a batch of 64 says too little about each of 100. A share of the draws
    stays uniform, so that no group is forgotten, and the draws are uniform until every group has
    been seen.
    """

    def __init__(self, timesteps: int, *, groups: int = 20, floor: float = 0.2) -> None:
        if timesteps % groups:
            raise ValueError(f"{timesteps} timesteps cannot be cut into {groups} equal groups.")
        self._size = timesteps // groups
        self._floor = floor
        self._squared = np.full(groups, np.nan)

    @property
    def shares(self) -> np.ndarray:
        """Return how often each group is drawn; sums to 1."""
        groups = len(self._squared)
        if np.isnan(self._squared).any() or not self._squared.sum():
            return np.full(groups, 1 / groups)
        roots = np.sqrt(self._squared)
        return self._floor / groups + (1 - self._floor) * roots / roots.sum()

    def draw(self, generator: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return timesteps, weighted by the inverse of how often they are drawn."""
        shares = self.shares
        groups = generator.choice(len(shares), count, p=shares)
        times = groups * self._size + generator.integers(0, self._size, count)
        return times, (1 / (len(shares) * shares[groups])).astype(np.float32)

    def learn(self, times: np.ndarray, losses: np.ndarray) -> None:
        """Move each group's mean squared loss towards what this batch gave."""
        for group in np.unique(times // self._size):
            new = float(np.mean(losses[times // self._size == group] ** 2))
            old = self._squared[group]
            self._squared[group] = new if np.isnan(old) else 0.9 * old + 0.1 * new

"""How much signal is left at each timestep."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_LARGEST_BETA = 0.999


@dataclass(frozen=True, slots=True)
class Schedule:
    """A noise schedule; `alpha_bar[t]` is the share of signal left at timestep t."""

    alpha_bar: np.ndarray

    @property
    def timesteps(self) -> int:
        """Return how many timesteps there are."""
        return len(self.alpha_bar)


def linear(timesteps: int) -> Schedule:
    """Return DDPM's schedule: noise rates rise linearly, scaled so that the end is noise.

    Raises:
        ValueError: fewer than 20 timesteps, which this schedule cannot reach noise in.
    """
    if timesteps < 20:
        raise ValueError(f"The linear schedule needs at least 20 timesteps, not {timesteps}.")
    scale = 1000 / timesteps
    betas = np.linspace(1e-4 * scale, min(0.02 * scale, _LARGEST_BETA), timesteps)
    return Schedule(np.cumprod(1.0 - betas))


def cosine(timesteps: int) -> Schedule:
    """Return the schedule of "Improved DDPM": signal falls as a squared cosine.

    Raises:
        ValueError: no timesteps.
    """
    if timesteps < 1:
        raise ValueError(f"A schedule needs at least one timestep, not {timesteps}.")
    offset = 0.008
    times = np.arange(timesteps + 1) / timesteps
    left = np.cos((times + offset) / (1 + offset) * math.pi / 2) ** 2
    betas = np.minimum(1 - left[1:] / left[:-1], _LARGEST_BETA)
    return Schedule(np.cumprod(1.0 - betas))


SCHEDULES: dict[str, Callable[[int], Schedule]] = {"linear": linear, "cosine": cosine}

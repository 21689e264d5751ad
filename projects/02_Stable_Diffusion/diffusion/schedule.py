"""How much noise each timestep carries."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Schedule:
    """A noise schedule of T timesteps; `alpha_bar[t]` is the share of signal left at t."""

    betas: np.ndarray

    @property
    def timesteps(self) -> int:
        """Return how many timesteps there are."""
        return len(self.betas)

    @property
    def alpha_bar(self) -> np.ndarray:
        """Return the share of signal left at each timestep."""
        return np.cumprod(1.0 - self.betas)


def linear(timesteps: int) -> Schedule:
    """Return DDPM's linear schedule, its ends scaled so that any number of steps ends in noise.

    Raises:
        ValueError: fewer than 20 timesteps, which this schedule cannot reach noise in.
    """
    if timesteps < 20:
        raise ValueError(f"The linear schedule needs at least 20 timesteps, not {timesteps}.")
    scale = 1000 / timesteps
    return Schedule(np.linspace(1e-4 * scale, min(0.02 * scale, 0.999), timesteps))


def sampling_steps(timesteps: int, steps: int) -> np.ndarray:
    """Return `steps` timesteps spread over the schedule, from the noisiest to 0.

    Raises:
        ValueError: more steps than timesteps, or none.
    """
    if not 1 <= steps <= timesteps:
        raise ValueError(f"Sampling steps must be between 1 and {timesteps}, not {steps}.")
    return np.linspace(timesteps - 1, 0, steps).round().astype(np.int64)

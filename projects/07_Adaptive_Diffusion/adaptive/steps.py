"""Where the few sampling steps are put."""

import mlx.core as mx
import numpy as np

from adaptive.data import Digits
from adaptive.network import Denoiser
from adaptive.schedules import Schedule


def equal_shares(costs: np.ndarray, steps: int) -> np.ndarray:
    """Return `steps` timesteps, from the noisiest, between which equal shares of the cost lie.

    `costs[t]` is the cost of going from timestep t to the one below; equal costs give even steps.

    Raises:
        ValueError: more steps than timesteps, or none, or a negative cost.
    """
    timesteps = len(costs)
    if not 1 <= steps <= timesteps:
        raise ValueError(f"Sampling steps must be between 1 and {timesteps}, not {steps}.")
    if (costs < 0).any():
        raise ValueError("A cost is negative.")
    below = np.cumsum(costs)
    wanted = below[-1] * (1 - np.arange(steps) / steps)
    path = np.searchsorted(below, wanted * (1 - 1e-9))
    return _distinct(path.clip(0, timesteps - 1))


def _distinct(path: np.ndarray) -> np.ndarray:
    """Return the path strictly falling: crowded steps make room below, or above at the bottom."""
    offsets = np.arange(len(path))
    falling = np.minimum.accumulate(path + offsets) - offsets
    return np.maximum(falling, offsets[::-1])


def changes(model: Denoiser, schedule: Schedule, digits: Digits, *, seed: int = 0) -> np.ndarray:
    """Return how much (root mean square) the predicted image changes at each timestep.

    Measured on real images under one fixed noise. Where the prediction hardly moves, a sampler may
    take a long step.
    """
    noise = np.random.default_rng(seed).standard_normal(digits.images.shape).astype(np.float32)
    labels = mx.array(digits.labels)
    previous = digits.images
    costs = []
    for time, signal in enumerate(schedule.alpha_bar.tolist()):
        noisy = mx.array(signal**0.5 * digits.images + (1 - signal) ** 0.5 * noise)
        moment = mx.full((len(digits),), time / schedule.timesteps)
        predicted = np.array(mx.clip(model(noisy, moment, labels), -1.0, 1.0))
        costs.append(float(np.sqrt(np.mean((predicted - previous) ** 2))))
        previous = predicted
    return np.array(costs)

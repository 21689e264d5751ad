"""From noise to images: DDPM's ancestral sampling and DDIM, in as many steps as asked for."""

from collections.abc import Callable

import mlx.core as mx
import numpy as np

from diffusion.asking import Sampler, starting_noise
from diffusion.data import NO_LABEL
from diffusion.schedule import Schedule, sampling_steps

__all__ = ["Forward", "Sampler", "sample", "starting_noise", "step"]
Forward = Callable[[mx.array, mx.array, mx.array], mx.array]
"""The network, or what a compiler made of it: images, times, digits to clean images."""


def sample(
    model: Forward,
    schedule: Schedule,
    sampler: Sampler,
    labels: np.ndarray,
    start: np.ndarray,
    *,
    seed: int = 0,
) -> np.ndarray:
    """Return one image (64 pixels in [-1, 1]) a label, made from the noise `start`.

    `seed` is for the noise added on the way; with `eta` 0 there is none.
    """
    x, digits = mx.array(start), mx.array(labels)
    generator = np.random.default_rng(seed)
    path = sampling_steps(schedule.timesteps, sampler.steps).tolist()
    left = [*schedule.alpha_bar.tolist(), 1.0]  # index -1: no noise at all
    for here, below in zip(path, [*path[1:], -1], strict=True):
        time = mx.full((len(labels),), here / schedule.timesteps)
        clean = _guided(model, x, time, digits, sampler.guidance)
        fresh = generator.standard_normal(start.shape).astype(np.float32) if sampler.eta else None
        x = step(x, clean, left[here], left[below], sampler.eta, fresh)
        mx.eval(x)
    return np.array(mx.clip(x, -1.0, 1.0))


def step(
    x: mx.array,
    clean: mx.array,
    signal: float,
    signal_below: float,
    eta: float = 0.0,
    fresh: np.ndarray | None = None,
) -> mx.array:
    """Go from `signal` (alpha bar here) down to `signal_below`, towards the image `clean`."""
    clean = mx.clip(clean, -1.0, 1.0)
    noise = (x - signal**0.5 * clean) / (1 - signal) ** 0.5
    share = (1 - signal_below) / (1 - signal) * (1 - signal / signal_below)
    spread = eta * max(share, 0.0) ** 0.5
    towards = max(1 - signal_below - spread**2, 0.0) ** 0.5
    x = signal_below**0.5 * clean + towards * noise
    return x if fresh is None else x + spread * mx.array(fresh)


def _guided(
    model: Forward, x: mx.array, time: mx.array, labels: mx.array, guidance: float
) -> mx.array:
    clean = model(x, time, labels)
    if not guidance:
        return clean
    anything = model(x, time, mx.full(labels.shape, NO_LABEL, dtype=labels.dtype))
    return (1 + guidance) * clean - guidance * anything

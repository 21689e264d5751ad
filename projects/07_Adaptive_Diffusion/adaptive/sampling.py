"""DDIM along any path of timesteps."""

from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from adaptive.data import PIXELS
from adaptive.schedules import Schedule

Forward = Callable[[mx.array, mx.array, mx.array], mx.array]
"""The network, or what a compiler made of it: images, times, digits to clean images."""


@dataclass(frozen=True, slots=True)
class Stop:
    """One evaluation of the network: when, and the share of signal there."""

    time: float
    signal: float


def stops(schedule: Schedule, path: np.ndarray) -> list[Stop]:
    """Return the stops of a path of timesteps."""
    return [
        Stop(time / schedule.timesteps, float(schedule.alpha_bar[time])) for time in path.tolist()
    ]


def starting_noise(seeds: np.ndarray) -> np.ndarray:
    """Return one image of noise a seed: the same seed always gives the same noise."""
    return np.stack(
        [np.random.default_rng(seed).standard_normal(PIXELS) for seed in seeds.tolist()]
    ).astype(np.float32)


def sample(model: Forward, path: list[Stop], labels: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return one image (64 pixels in [-1, 1]) a label, made from the noise `start`."""
    x, digits = mx.array(start), mx.array(labels)
    for here, below in zip(path, [*[stop.signal for stop in path[1:]], 1.0], strict=True):
        clean = mx.clip(model(x, mx.full((len(labels),), here.time), digits), -1.0, 1.0)
        noise = (x - here.signal**0.5 * clean) / (1 - here.signal) ** 0.5
        x = below**0.5 * clean + (1 - below) ** 0.5 * noise
        mx.eval(x)
    return np.array(x)

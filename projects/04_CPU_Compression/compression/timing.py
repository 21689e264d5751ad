"""How fast a model answers: one call after another, and from two threads at once."""

import time
from concurrent.futures import ThreadPoolExecutor

import mlx.core as mx
import mlx.nn as nn
import numpy as np

WARM_UP = 5


def latency_ms(model: nn.Module, pixels: np.ndarray, *, repeats: int) -> dict[str, float]:
    """Return the median and the 95th percentile over calls, the first few left out."""
    inputs = mx.array(pixels)
    durations = []
    for _ in range(repeats + WARM_UP):
        started = time.perf_counter()
        mx.eval(model(inputs))
        durations.append((time.perf_counter() - started) * 1000)
    measured = durations[WARM_UP:]
    return {"p50": float(np.median(measured)), "p95": float(np.percentile(measured, 95))}


def rows_per_second(model: nn.Module, pixels: np.ndarray, *, threads: int, calls: int) -> float:
    """Return the rows answered in a second when that many threads ask at once."""

    def ask() -> None:
        inputs = mx.array(pixels)
        for _ in range(calls):
            mx.eval(model(inputs))

    with ThreadPoolExecutor(threads) as pool:
        started = time.perf_counter()
        for future in [pool.submit(ask) for _ in range(threads)]:
            future.result()
        elapsed_s = time.perf_counter() - started
    return threads * calls * len(pixels) / elapsed_s

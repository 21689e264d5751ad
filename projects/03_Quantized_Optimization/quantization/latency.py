"""How long a model takes to answer, by repeated measured calls."""

import time

import mlx.core as mx
import mlx.nn as nn
import numpy as np


def latency_ms(model: nn.Module, contexts: np.ndarray, *, repeats: int = 60) -> dict[str, float]:
    """Return the median and the 95th percentile over the calls after a warm-up."""
    inputs = mx.array(contexts)
    durations = []
    for _ in range(repeats + 5):
        started = time.perf_counter()
        mx.eval(model(inputs))
        durations.append((time.perf_counter() - started) * 1000)
    measured = durations[5:]
    return {"p50": float(np.median(measured)), "p95": float(np.percentile(measured, 95))}

"""A small project whose models the tests serve: it waits, fails and ends when it is told to."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from serving_bundles import told, written

TOY = """
import os, sys, time
import numpy as np

print("the project prints")
os.write(1, b"and writes\\n")

def build(weights, config):
    def predict(columns):
        x = columns["x"]
        if config.get("exit"):
            sys.exit(3)
        time.sleep(float(x[0, 1]))
        return x[:, 0] * 2
    return predict

def failing(weights, config):
    raise ZeroDivisionError("no such thing")

def wrong(weights, config):
    return lambda columns: np.zeros(99)

class Slow:
    def count(self, text):
        return len(text)
    def stream(self, prompt, max_tokens, temperature=0.0, seed=None):
        for number in range(max_tokens):
            if max_tokens > 2:
                time.sleep(0.02)
            yield f"{number} "

def slow(weights, config):
    return Slow()
"""


def toy(folder: Path, config: dict[str, Any] | None = None, **changed: Any) -> tuple[Path, Path]:
    import mlx.core as mx

    project = folder / "project"
    project.mkdir()
    (project / "toy_serving.py").write_text(TOY)
    said = told(**{"batchable": False, **changed})
    return written(folder / "b", {"w": mx.zeros(1)}, config or {}, said), project


def rows(value: float = 1, seconds: float = 0) -> dict[str, np.ndarray]:
    return {"x": np.array([[value, seconds]], np.float32)}


def until(happened: Any, timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)

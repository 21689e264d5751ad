"""Drift of vectors and pictures: false alarms, how often shifts are found, and what a check costs.

    .venv/bin/python -m benchmarks.drift_vectors [--trials 300] [--rows 500]

A trial is a reference and a window of as many rows each; one line counts, that of the whole vector.
Data: scikit-learn's digits as pictures of 8 × 8 pixels, drawn with replacement, and unit vectors of
48 elements around eight topics. Beside the counts stand their limits (``benchmarks.shares``).
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import orjson
import pyarrow as pa

from benchmarks.shares import Share
from services.monitoring import reference
from services.monitoring.verdict import judge

Draw = Callable[[np.random.Generator, int], np.ndarray]
WIDE, TOPICS = 48, 8
_made = np.random.default_rng(5)
_CENTRES = _made.normal(size=(TOPICS, WIDE))
_TURN = np.linalg.qr(_made.normal(size=(WIDE, WIDE)))[0]


def topics(share: float = 1 / TOPICS) -> Draw:
    """Unit vectors; ``share`` of them is of the first topic, the others are evenly of the rest."""
    shares = [share, *[(1 - share) / (TOPICS - 1)] * (TOPICS - 1)]

    def draw(rng: np.random.Generator, rows: int) -> np.ndarray:
        chosen = rng.choice(TOPICS, rows, p=shares)
        values = _CENTRES[chosen] + rng.normal(size=(rows, WIDE)) * 1.5
        found: np.ndarray = values / np.linalg.norm(values, axis=1, keepdims=True)
        return found

    return draw


def digits() -> Draw:
    from sklearn import datasets

    images = datasets.load_digits().images

    def draw(rng: np.random.Generator, rows: int) -> np.ndarray:
        found: np.ndarray = images[rng.integers(0, len(images), rows)]
        return found

    return draw


def table(values: np.ndarray) -> pa.Table:
    """Return rows as evaluation data are read."""
    said = {"v": 1, "rows": len(values), "inputs": {"x": values.tolist()}, "outputs": {}}
    return reference.parse(orjson.dumps(said))[0]


def measure(title: str, trials: int, rows: int, before: Draw, after: Draw) -> None:
    whole = plain = 0
    spent = 0.0
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        base = reference.made(table(before(rng, rows)), "the evaluation data")
        window = table(after(rng, rows))
        began = time.perf_counter()
        columns = judge(base, window)[0].columns
        spent += time.perf_counter() - began
        moved = {one.name for one in columns if one.state == "drifted"}
        whole += "input.x" in moved
        plain += bool(moved - {"input.x"})
    print(
        f"  {title:44} {Share(whole, trials)!s:34}   by its four figures "
        f"{plain:4}/{trials}   {spent / trials * 1000:.0f} ms a check",
        flush=True,
    )


def of(draw: Draw, change: Callable[[np.ndarray], np.ndarray]) -> Draw:
    return lambda rng, rows: change(draw(rng, rows))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift_vectors", description=__doc__)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--rows", type=int, default=500)
    asked = parser.parse_args(argv)
    plain, images = topics(), digits()
    print(f"{asked.rows:,} rows beside {asked.rows:,}: found as a whole in")
    sizes = asked.trials, asked.rows
    measure("vectors, nothing moved", *sizes, plain, plain)
    measure("digits, nothing moved", *sizes, images, images)
    few = max(20, asked.trials // 6), asked.rows
    for title, after in (
        ("vectors, elements in other places", of(plain, lambda some: some[:, ::-1])),
        ("vectors, rotated", of(plain, lambda some: some @ _TURN)),
        ("vectors, a topic 50 % instead of 12.5 %", topics(0.5)),
        ("vectors, a topic 25 % instead of 12.5 %", topics(0.25)),
    ):
        measure(title, *few, plain, after)
    for title, change in (
        ("digits, flipped", lambda some: some[:, :, ::-1]),
        ("digits, rotated by 90°", lambda some: np.rot90(some, axes=(1, 2))),
        ("digits, a pixel to the right", lambda some: np.roll(some, 1, axis=2)),
        ("digits, 20 % darker", lambda some: some * 0.8),
    ):
        measure(title, *few, images, of(images, change))
    cost()


def cost() -> None:
    rng = np.random.default_rng(0)
    for wide in (WIDE, 784, 3072):
        base = reference.made(table(rng.normal(size=(2000, wide))), "the evaluation data")
        window = table(rng.normal(size=(2000, wide)))
        began = time.perf_counter()
        judge(base, window)
        spent = time.perf_counter() - began
        print(f"  2,000 vectors of {wide:,} beside 2,000: {spent:.2f} s", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_mb = peak / (1024 if sys.platform == "linux" else 1024 * 1024)
    print(f"  peak memory of this process, which also made the JSON, {peak_mb:.0f} MB")


if __name__ == "__main__":
    main()

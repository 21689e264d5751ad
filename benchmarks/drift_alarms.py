"""How often ``services.monitoring.shift`` says drift where there is none, and finds it where it is.

    python -m benchmarks.drift_alarms [--tries 1000]

``one look``: two samples of so many rows of one distribution. ``a rollout``: both sides grow by a
tenth from look to look, from 500 to 5,000 rows; drift at any of them counts. ``found``: the second
sample is shifted by 0.3 standard deviations.
"""

import argparse
from collections.abc import Callable

import numpy as np

from services.monitoring import shift
from services.monitoring.distances import Values

Draw = Callable[[np.random.Generator, int], Values]

FIGURES: dict[str, Draw] = {
    "normal": lambda r, n: r.normal(size=n),
    "uniform": lambda r, n: r.uniform(size=n),
    "exponential": lambda r, n: r.exponential(size=n),
    "log-normal, sigma 2": lambda r, n: r.lognormal(0, 2, n),
    "Student, 3 degrees": lambda r, n: r.standard_t(3, n),
    "sure of itself, beta 0.2": lambda r, n: r.beta(0.2, 0.2, n),
}
CATEGORIES: dict[str, Draw] = {
    "2 categories": lambda r, n: r.choice(["a", "b"], n).astype(object),
    "20 categories": lambda r, n: r.integers(20, size=n).astype(str).astype(object),
    "40 categories, Zipf": lambda r, n: np.minimum(r.zipf(1.3, n), 40).astype(str).astype(object),
}
ROWS = (500, 1000, 2000, 5000)
_DRIFT = 0.3


def drifted(reference: Values, current: Values) -> bool:
    """Return whether one column counts as drifted."""
    found = shift.compare({"x": reference}, {"x": current})
    return bool(found and found.drifted)


def rollout(draw: Draw, random: np.random.Generator) -> bool:
    """Return whether any look of a rollout without drift says drift."""
    reference, current = draw(random, ROWS[-1]), draw(random, ROWS[-1])
    rows = float(ROWS[0])
    while rows <= ROWS[-1]:
        if drifted(reference[: int(rows)], current[: int(rows)]):
            return True
        rows *= 1.1
    return False


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=1000)
    tries = parser.parse_args().tries
    random = np.random.default_rng(7)
    print(f"{'no drift':28}{''.join(f'{n:>9}' for n in ROWS)}{'a rollout':>12}")
    for name, draw in {**FIGURES, **CATEGORIES}.items():
        looks = [
            np.mean([drifted(draw(random, n), draw(random, n)) for _ in range(tries)]) for n in ROWS
        ]
        whole = np.mean([rollout(draw, random) for _ in range(tries)])
        print(f"{name:28}{''.join(f'{x:9.2%}' for x in looks)}{whole:12.2%}", flush=True)
    for n in ROWS[:2]:
        found = [
            drifted(random.normal(size=n), random.normal(_DRIFT, size=n)) for _ in range(tries // 4)
        ]
        print(f"found, normal, {n} rows: {np.mean(found):.0%}", flush=True)


if __name__ == "__main__":
    main()

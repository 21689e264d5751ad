"""Rows as the prediction log gives them: twenty columns, of which the first three can be moved."""

from typing import Any

import numpy as np
import pyarrow as pa

from services.monitoring.reference import Reference, made

COLUMNS = 20


def table(seed: int, rows: int, shift: float = 0.0, moved: int = 3, **changed: Any) -> pa.Table:
    """Normal values; the first ``moved`` columns lie ``shift`` standard deviations higher."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, COLUMNS - 2))
    values[:, :moved] += shift
    columns: dict[str, Any] = {f"input.f{n}": values[:, n] for n in range(COLUMNS - 2)}
    columns["input.kind"] = rng.choice(["a", "b", "c"], rows)
    columns["input.doors"] = rng.integers(2, 6, rows)
    columns["output.label"] = (values[:, 0] + 0.2 * rng.normal(size=rows) > 0).astype(int)
    columns["output.confidence"] = rng.random(rows)
    return pa.table({**columns, **changed})


def reference(seed: int = 0, rows: int = 1000, **changed: Any) -> Reference:
    return made(table(seed, rows, **changed), "the evaluation data of version 3")

"""The evaluation data of a run: what monitoring compares a version's predictions with.

Rows as they would be asked of the model, what it answered, and what was right. They are an artifact
of the run (``reference/reference.json``), so they belong to its version and its data revision.
"""

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np

ARTIFACT_FOLDER, FILE = "reference", "reference.json"
MOST_ROWS = 2000
"""More say little more; a sample of them is kept, the same each time."""
MOST_VALUES = 2_000_000
"""Of all columns together: rows of long vectors are fewer."""


def log_reference(
    *,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    labels: Sequence[Any] | np.ndarray | None = None,
    ignored: Sequence[str] = (),
) -> int:
    """Log evaluation data into the active run; return how many rows were kept.

    Args:
        inputs: The model's input columns by name, as it is asked when it serves: a value, vector
            or picture a row.
        outputs: What it answered, by the output columns' names.
        labels: What was right, a value a row, of the first output.
        ignored: Input columns that are no data, as seeds and numbers of orders: whatever is asked
            in them is no drift. They need not be among the inputs here.

    Raises:
        RuntimeError: There is no active run.
        ValueError: The columns have not all the same number of rows, or there is none.
    """
    run = mlflow.active_run()
    if run is None:
        raise RuntimeError("log_reference needs an active run: mlflow.start_run() first.")
    told = {"labels": labels} if labels is not None else {}
    lengths = {name: len(rows) for some in (inputs, outputs, told) for name, rows in some.items()}
    if len(set(lengths.values())) != 1 or not next(iter(lengths.values())):
        raise ValueError(f"Each column must have a value a row; these have {lengths}.")
    kept = _kept(next(iter(lengths.values())), inputs, outputs)
    document = {
        "v": 1,
        "rows": len(kept),
        "inputs": {name: _plain(rows, kept) for name, rows in inputs.items()},
        "outputs": {name: _plain(rows, kept) for name, rows in outputs.items()},
        "labels": None if labels is None else _plain(labels, kept),
        "ignored": list(ignored),
        "data_revision": mlflow.get_run(run.info.run_id).data.tags.get("mlops.data.revision"),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        path.write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
        mlflow.log_artifact(str(path), artifact_path=ARTIFACT_FOLDER)
    return len(kept)


def _kept(count: int, *sides: Mapping[str, Any]) -> list[int]:
    values = sum(int(np.size(rows[0])) for side in sides for rows in side.values())
    most = max(1, min(count, MOST_ROWS, MOST_VALUES // max(1, values)))
    if most == count:
        return list(range(count))
    chosen = np.random.default_rng(0).choice(count, most, replace=False)
    return sorted(int(place) for place in chosen)


def _plain(rows: Any, kept: Sequence[int]) -> list[Any]:  # noqa: ANN401
    """Return rows as JSON can hold them; what is no number is null."""
    picked = [rows[place] for place in kept]
    return [_value(one.tolist() if hasattr(one, "tolist") else one) for one in picked]


def _value(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, list | tuple):
        return [_value(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

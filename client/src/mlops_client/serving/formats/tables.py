"""Columns as the one matrix that models of tables take, and their answers as columns."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlops_client.serving.frames import Columns
from mlops_client.serving.info import Info, LoadError


def matrix(info: Info, columns: Columns) -> np.ndarray:
    """Return all columns side by side, in the order of the schema.

    Raises:
        ValueError: A column is missing, or is text.
    """
    parts = []
    for one in info.inputs:
        if one.name not in columns:
            raise ValueError(f"Column {one.name!r} is missing.")
        values = columns[one.name]
        parts.append(values.reshape(len(values), -1))
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def framer(names: Sequence[str]) -> Callable[[Columns], Any]:
    """Return what makes a data frame of scalar columns, for a model fitted with their names.

    Raises:
        LoadError: pandas is missing.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise LoadError(
            "The model was fitted on named columns, and pandas is not in the environment.",
            "Install pandas in the project's environment.",
        ) from error

    def frame(columns: Columns) -> Any:  # noqa: ANN401 - pandas is not always here
        missing = [name for name in names if name not in columns]
        if missing:
            raise ValueError(f"Column {missing[0]!r} is missing.")
        return pd.DataFrame({name: columns[name] for name in names})

    return frame


def named(
    info: Info, values: np.ndarray, probabilities: np.ndarray | None, classes: Sequence[Any] | None
) -> Columns:
    """Return an answer under the names of the schema.

    A classifier's ``confidence`` is its highest probability, ``probabilities`` are all of them; the
    first other column is what it predicts.
    """
    columns: Columns = {}
    for one in info.outputs:
        if one.name in ("confidence", "score") and probabilities is not None:
            columns[one.name] = probabilities.max(axis=-1, initial=0.0)
        elif one.name in ("probabilities", "probability") and probabilities is not None:
            columns[one.name] = probabilities
        else:
            columns[one.name] = values
    if classes is not None and not info.outputs:
        columns["label"] = values
    return columns or {"answer": values}

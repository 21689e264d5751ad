"""Matrices of which only what is not zero is stored; needs NumPy alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def whole(tensors: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return a matrix from its values, their columns and how many each row has.

    Raises:
        KeyError: One of the three is missing.
    """
    counts = np.array(tensors[f"{name}.counts"]).astype(np.int64)
    matrix = np.zeros(shape, np.float32)
    rows = np.repeat(np.arange(shape[0]), counts)
    matrix[rows, np.array(tensors[f"{name}.columns"])] = np.array(tensors[f"{name}.values"])
    return matrix

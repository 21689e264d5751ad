"""A matrix of which only what is not zero is kept: values, columns, and how many a row has."""

import numpy as np

PARTS = ("values", "columns", "counts")


def dense(values: np.ndarray, columns: np.ndarray, counts: np.ndarray, width: int) -> np.ndarray:
    """Return the whole matrix."""
    matrix = np.zeros((len(counts), width), np.float32)
    matrix[np.repeat(np.arange(len(counts)), counts.astype(np.int64)), columns] = values
    return matrix

"""The tensors of a model as they go to disk: a sparse matrix keeps only what is not zero."""

from collections.abc import Mapping

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten

from compression.network import Classifier
from compression.sparse import PARTS, dense

SPARSE_BELOW = 0.5
"""A matrix is stored sparsely when less than this share of it is not zero: a value then takes six
bytes (four, and two for its column) instead of four."""


def to_tensors(model: Classifier) -> dict[str, mx.array]:
    """Return the tensors to store; a sparse matrix becomes values, columns and row lengths."""
    tensors: dict[str, mx.array] = {}
    for name, array in tree_flatten(model.parameters()):
        matrix = np.array(array)
        if matrix.ndim != 2 or np.count_nonzero(matrix) >= SPARSE_BELOW * matrix.size:
            tensors[name] = array
            continue
        rows, columns = np.nonzero(matrix)
        tensors[f"{name}.values"] = mx.array(matrix[rows, columns])
        tensors[f"{name}.columns"] = mx.array(columns.astype(np.uint16))
        tensors[f"{name}.counts"] = mx.array(
            np.bincount(rows, minlength=len(matrix)).astype(np.uint16)
        )
    return tensors


def from_tensors(tensors: Mapping[str, mx.array], shapes: Mapping[str, tuple[int, ...]]) -> dict:
    """Return the whole tensors of those shapes by name.

    Raises:
        KeyError: A tensor is missing.
    """
    whole = {}
    for name, shape in shapes.items():
        if name in tensors:
            whole[name] = tensors[name]
            continue
        parts = (np.array(tensors[f"{name}.{part}"]) for part in PARTS)
        whole[name] = mx.array(dense(*parts, width=shape[1]))
    return whole

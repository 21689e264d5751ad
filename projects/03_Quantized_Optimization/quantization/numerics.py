"""A dense layer that trains fast on every machine.

MLX's Linux wheel carries reference BLAS (about 2.5 GFLOP/s a core), so there the products of
training go through NumPy's OpenBLAS, equal to float32 rounding. On a Mac they are MLX's own.
Latency is never measured on this layer: the measured model is made of MLX's own layers.
"""

import sys

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from threadpoolctl import threadpool_limits

THROUGH_NUMPY = sys.platform == "linux" and not mx.metal.is_available()
if THROUGH_NUMPY:
    # OpenBLAS burns whole cores waiting for its own threads, and trainings share this machine.
    threadpool_limits(1, user_api="blas")


def _rows(x: mx.array) -> np.ndarray:
    """Return a view of two dimensions: one large product is much faster than many small ones."""
    return np.array(x, copy=False).reshape(-1, x.shape[-1])


@mx.custom_function
def _product(x: mx.array, weight: mx.array) -> mx.array:
    return mx.array(_rows(x) @ _rows(weight).T).reshape(*x.shape[:-1], -1)


@_product.vjp
def _product_vjp(
    primals: tuple[mx.array, mx.array], cotangent: mx.array, _output: mx.array
) -> tuple[mx.array, mx.array]:
    x, weight = primals
    rows = _rows(cotangent)
    return mx.array(rows @ _rows(weight)).reshape(x.shape), mx.array(rows.T @ _rows(x))


class FastLinear(nn.Linear):
    """MLX's dense layer without bias, with fast products."""

    def __init__(self, input_dims: int, output_dims: int) -> None:
        super().__init__(input_dims, output_dims, bias=False)

    def __call__(self, x: mx.array) -> mx.array:
        """Return ``x @ weight.T``."""
        if THROUGH_NUMPY:
            return _product(x, self.weight)
        return x @ self.weight.T

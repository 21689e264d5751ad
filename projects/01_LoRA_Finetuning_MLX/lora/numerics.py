"""The two operations that are slow in MLX's Linux build, made fast on every machine.

On a Mac MLX uses Metal or Accelerate. Its Linux wheel carries reference BLAS (about 2.5 GFLOP/s a
core) and a scalar tanh, so there the large products and the tanh go through NumPy, some forty times
faster and equal to float32 rounding. Autograd, optimiser and every other operation stay in MLX. One
BLAS thread: several trainings share a machine here, and OpenBLAS burns whole cores waiting for its
own threads.
"""

import sys

import mlx.core as mx
import numpy as np
from threadpoolctl import threadpool_limits

THROUGH_NUMPY = sys.platform == "linux" and not mx.metal.is_available()
if THROUGH_NUMPY:
    threadpool_limits(1, user_api="blas")


def _view(x: mx.array) -> np.ndarray:
    return np.array(x, copy=False)


def _rows(x: mx.array) -> np.ndarray:
    """Return a view of two dimensions: one large product is much faster than many small ones."""
    return _view(x).reshape(-1, x.shape[-1])


def _product(x: mx.array, weight: mx.array) -> mx.array:
    return mx.array(_rows(x) @ _view(weight).T).reshape(*x.shape[:-1], -1)


def _input_gradient(cotangent: mx.array, weight: mx.array) -> mx.array:
    return mx.array(_rows(cotangent) @ _view(weight)).reshape(*cotangent.shape[:-1], -1)


def _weight_gradient(cotangent: mx.array, x: mx.array) -> mx.array:
    return mx.array(_rows(cotangent).T @ _rows(x))


@mx.custom_function
def _trained(x: mx.array, weight: mx.array) -> mx.array:
    return _product(x, weight)


@_trained.vjp
def _trained_vjp(
    primals: tuple[mx.array, mx.array], cotangent: mx.array, _output: mx.array
) -> tuple[mx.array, mx.array]:
    x, weight = primals
    return _input_gradient(cotangent, weight), _weight_gradient(cotangent, x)


@mx.custom_function
def _frozen(x: mx.array, weight: mx.array) -> mx.array:
    return _product(x, weight)


@_frozen.vjp
def _frozen_vjp(
    primals: tuple[mx.array, mx.array], cotangent: mx.array, _output: mx.array
) -> tuple[mx.array, mx.array]:
    weight = primals[1]
    return _input_gradient(cotangent, weight), mx.zeros_like(weight)


def linear(x: mx.array, weight: mx.array, *, trained: bool) -> mx.array:
    """Return ``x @ weight.T``; a frozen weight gets no gradient."""
    if THROUGH_NUMPY and x.dtype == mx.float32 and weight.dtype == mx.float32:
        return _trained(x, weight) if trained else _frozen(x, weight)
    return x @ (weight if trained else mx.stop_gradient(weight)).T


@mx.custom_function
def _numpy_tanh(x: mx.array) -> mx.array:
    return mx.array(np.tanh(_view(x)))


@_numpy_tanh.vjp
def _numpy_tanh_vjp(_primal: mx.array, cotangent: mx.array, output: mx.array) -> mx.array:
    return cotangent * (1 - output * output)


def gelu(x: mx.array) -> mx.array:
    """Return GELU in its tanh form, within 0.0005 of the exact one the encoder was trained with."""
    tanh = _numpy_tanh if THROUGH_NUMPY and x.dtype == mx.float32 else mx.tanh
    return 0.5 * x * (1 + tanh(x * (0.7978845608 + 0.0356774081 * x * x)))

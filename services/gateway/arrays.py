"""Numbers and texts between JSON, numpy and the wire; nothing is converted silently."""

import itertools
import math
import struct
from typing import Any

import numpy as np

from services.gateway.problems import bad

TEXT = "BYTES"
TYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    **{f"INT{8 * n}": np.dtype(f"<i{n}") for n in (1, 2, 4, 8)},
    **{f"UINT{8 * n}": np.dtype(f"<u{n}") for n in (1, 2, 4, 8)},
    **{f"FP{8 * n}": np.dtype(f"<f{n}") for n in (2, 4, 8)},
}
MOST = 128 << 20
"""Bytes of one array."""
_LENGTH = struct.Struct("<I")
_KINDS = {"b": "true or false", "i": "whole numbers", "u": "whole numbers", "f": "numbers"}


def count(shape: tuple[int, ...], datatype: str, field: str) -> int:
    """Return how many elements a shape has.

    Raises:
        Problem: More than anything here holds.
    """
    elements = math.prod(shape)
    if elements * size_of(datatype) > MOST:
        raise bad(f"An array of the shape {list(shape)} is too large.", field)
    return elements


def size_of(datatype: str) -> int:
    """Return the bytes of an element; of a text the least."""
    return 4 if datatype == TEXT else TYPES[datatype].itemsize


def numbers(data: Any, datatype: str, field: str) -> np.ndarray[Any, Any]:  # noqa: ANN401
    """Return JSON numbers, nested as they are, as an array.

    Raises:
        Problem: Something in it is no number of this type, or the nesting is uneven.
    """
    dtype = TYPES[datatype]
    if isinstance(data, list) and data and not isinstance(data[0], list):
        shape: tuple[int, ...] = (len(data),)
        kinds = set(map(type, data))
    else:
        as_objects = np.array(data, dtype=object)
        shape, data = as_objects.shape, as_objects.ravel().tolist()
        kinds = set(map(type, data))
    _see_kinds(kinds, dtype, field)
    if dtype.kind == "f":
        array = np.array(data, dtype=np.float64)
        with np.errstate(over="ignore"):
            array = array.astype(dtype, copy=False)
    elif dtype.kind == "b":
        array = np.array(data, dtype=dtype)
    else:
        array = _whole(data, kinds, dtype, field)
    return array.reshape(shape)


def _see_kinds(kinds: set[type], dtype: np.dtype[Any], field: str) -> None:
    allowed = {bool} if dtype.kind == "b" else {int, float}
    strange = kinds - allowed
    if list in strange:
        raise bad("The lists in it are not equally long.", field)
    if strange:
        names = {str: "text", bool: "true or false", type(None): "null", dict: "an object"}
        what = names.get(next(iter(strange)), "something else")
        raise bad(f"It holds {what}, where {_KINDS[dtype.kind]} must stand.", field)


def _whole(
    data: list[Any], kinds: set[type], dtype: np.dtype[Any], field: str
) -> np.ndarray[Any, Any]:
    if float in kinds:
        if not all(isinstance(one, int) or one.is_integer() for one in data):
            raise bad("It holds fractions, where whole numbers must stand.", field)
        data = [int(one) for one in data]
    bounds = np.iinfo(dtype)
    if data and (min(data) < bounds.min or max(data) > bounds.max):
        raise bad(f"It holds numbers outside {bounds.min} to {bounds.max}.", field)
    return np.array(data, dtype=dtype)


def texts(data: Any, field: str) -> tuple[list[str], tuple[int, ...]]:  # noqa: ANN401
    """Return JSON texts, nested as they are, flat and with their shape.

    Raises:
        Problem: Something in it is no text, or the nesting is uneven.
    """
    shape: list[int] = []
    while isinstance(data, list) and data and isinstance(data[0], list):
        if not all(isinstance(one, list) and len(one) == len(data[0]) for one in data):
            raise bad("The lists in it are not equally long.", field)
        shape.append(len(data))
        if len(shape) > 8:
            raise bad("It is nested too deep.", field)
        inner = len(data[0])
        data = list(itertools.chain.from_iterable(data))
        if not data:
            return [], (*shape, inner)
    if not isinstance(data, list) or not all(isinstance(one, str) for one in data):
        raise bad("It holds something else than text.", field)
    width = len(data) // math.prod(shape) if shape else len(data)
    return data, (*shape, width)


def packed_texts(values: list[str]) -> bytes:
    """Return texts as the wire has them."""
    parts: list[bytes] = []
    for value in values:
        raw = value.encode()
        parts += (_LENGTH.pack(len(raw)), raw)
    return b"".join(parts)


def unpacked_texts(data: bytes, elements: int, field: str) -> list[str]:
    """Return the texts of the wire's bytes.

    Raises:
        Problem: They are not so many, cut off, or no UTF-8.
    """
    found, at, end = [], 0, len(data)
    try:
        while at < end:
            (size,) = _LENGTH.unpack_from(data, at)
            at += 4 + size
            if at > end:
                raise bad("Its last text is cut off.", field)
            found.append(data[at - size : at].decode())
    except (struct.error, UnicodeDecodeError) as error:
        raise bad("Its texts are not lengths and UTF-8.", field) from error
    if len(found) != elements:
        raise bad(f"It holds {len(found)} texts, its shape says {elements}.", field)
    return found

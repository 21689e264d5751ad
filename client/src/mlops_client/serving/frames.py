"""Frames between a gateway and a model server: a JSON header, and columns as raw bytes.

A frame is two lengths (unsigned, 32 bits, little endian), the header and the body. The body holds
the columns one after another, row by row, little endian; the header tells of each its name, its
type as the Open Inference Protocol calls it, its shape and its bytes.
"""

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

HEADER_LIMIT = 1 << 20
BODY_LIMIT = 128 << 20
COLUMN_LIMIT = 256
_DIMENSIONS = 8
_SIZES = ("shape", "bytes")
_LENGTHS = struct.Struct("<II")
_LENGTH = struct.Struct("<I")
BYTES = "BYTES"
TYPES = {
    "BOOL": np.dtype("?"),
    **{f"{sign}INT{8 * size}": np.dtype(f"<{kind}{size}") for sign, kind in (("", "i"), ("U", "u"))
       for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}  # fmt: skip
_NAMES = {(dtype.kind, dtype.itemsize): name for name, dtype in TYPES.items()}
Columns = dict[str, np.ndarray]


class FrameError(Exception):
    """What came is no frame, or too large a one: the connection cannot go on."""


class ColumnError(ValueError):
    """A column is not what it should be; the message is a sentence that names it."""

    def __init__(self, field: str | None, message: str) -> None:
        super().__init__(message)
        self.field = field


class Parser:
    """Cuts what arrives into frames."""

    def __init__(self, header_limit: int = HEADER_LIMIT, body_limit: int = BODY_LIMIT) -> None:
        self.header_limit = header_limit
        self.body_limit = body_limit
        self._kept = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield the frames that are whole now.

        Raises:
            FrameError: One is too large, or its header is no JSON object.
        """
        self._kept += data
        while len(self._kept) >= _LENGTHS.size:
            head, body = _LENGTHS.unpack_from(self._kept)
            if head > self.header_limit or body > self.body_limit:
                raise FrameError(f"A frame of {head} + {body} bytes is larger than allowed.")
            start = _LENGTHS.size + head
            if len(self._kept) < start + body:
                return
            view = memoryview(self._kept)
            header, rest = bytes(view[_LENGTHS.size : start]), bytes(view[start : start + body])
            view.release()
            del self._kept[: start + body]
            yield _parsed(header), rest


def _parsed(header: bytes) -> dict[str, Any]:
    try:
        said = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"The header of a frame is no JSON: {error}.") from error
    if not isinstance(said, dict):
        raise FrameError("The header of a frame is no JSON object.")
    return said


def frame(header: Mapping[str, Any], body: Sequence[bytes] = ()) -> bytes:
    """Return one frame as bytes.

    Raises:
        FrameError: It is larger than the other side takes.
    """
    # Half a character of a model's text is replaced: nobody could read a frame with it.
    head = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    size = sum(map(len, body))
    if len(head) > HEADER_LIMIT or size > BODY_LIMIT:
        raise FrameError(f"The answer of {len(head)} + {size} bytes is larger than allowed.")
    return b"".join((_LENGTHS.pack(len(head), size), head, *body))


def packed(columns: Mapping[str, np.ndarray]) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Return what a header says of columns, and their bytes.

    Raises:
        ColumnError: A type has no name in the protocol.
    """
    told: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for name, values in columns.items():
        datatype = type_name(values.dtype, name)
        raw = _texts_packed(values) if datatype == BYTES else _numbers_packed(values, datatype)
        shape = list(values.shape)
        told.append({"name": name, "datatype": datatype, "shape": shape, "bytes": len(raw)})
        parts.append(raw)
    return told, parts


def type_name(dtype: np.dtype, column: str = "") -> str:
    """Return what the protocol calls a type.

    Raises:
        ColumnError: It has no name there.
    """
    if dtype.kind in "OUST":
        return BYTES
    try:
        return _NAMES[dtype.kind, dtype.itemsize]
    except KeyError:
        raise ColumnError(
            column, f"Column {column!r} is of the type {dtype}, which cannot be sent."
        ) from None


def _numbers_packed(values: np.ndarray, datatype: str) -> bytes:
    return np.ascontiguousarray(values, dtype=TYPES[datatype]).tobytes()


def _texts_packed(values: np.ndarray) -> bytes:
    parts: list[bytes] = []
    for value in values.reshape(-1).tolist():
        raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
        parts += (_LENGTH.pack(len(raw)), raw)
    return b"".join(parts)


def unpacked(told: object, body: bytes) -> Columns:
    """Return the columns of a body; numbers are read-only views of it.

    Raises:
        ColumnError: The header does not tell what the body holds.
    """
    if not isinstance(told, list) or len(told) > COLUMN_LIMIT:
        raise ColumnError(None, f"The columns must be a list of at most {COLUMN_LIMIT}.")
    columns: Columns = {}
    start = 0
    for one in told:
        name, datatype, shape, size = _told(one)
        if name in columns:
            raise ColumnError(name, f"Column {name!r} comes twice.")
        if start + size > len(body):
            raise ColumnError(name, f"Column {name!r} ends before its {size} bytes.")
        columns[name] = _column(name, datatype, shape, memoryview(body)[start : start + size])
        start += size
    if start != len(body):
        raise ColumnError(None, f"The body has {len(body) - start} bytes that belong to no column.")
    return columns


def _told(one: object) -> tuple[str, str, tuple[int, ...], int]:
    if not isinstance(one, dict) or not isinstance(one.get("name"), str):
        raise ColumnError(None, "A column is told of without a name.")
    name, datatype, shape, size = one["name"], str(one.get("datatype")), *map(one.get, _SIZES)
    if datatype != BYTES and datatype not in TYPES:
        raise ColumnError(name, f"Column {name!r} has the unknown type {datatype[:40]!r}.")
    if not isinstance(shape, list) or len(shape) > _DIMENSIONS or not all(map(_count, shape)):
        raise ColumnError(name, f"Column {name!r} has no shape of at most {_DIMENSIONS} numbers.")
    if not _count(size):
        raise ColumnError(name, f"Column {name!r} does not say its bytes.")
    return name, datatype, tuple(shape), int(size or 0)


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value <= BODY_LIMIT


def _column(name: str, datatype: str, shape: tuple[int, ...], raw: memoryview) -> np.ndarray:
    count = math.prod(shape)
    if count == 0 and max(shape) > COLUMN_LIMIT**2:
        raise ColumnError(name, f"Column {name!r} is empty, and has the shape {list(shape)}.")
    if datatype == BYTES:
        return _texts(name, count, raw).reshape(shape)
    dtype = TYPES[datatype]
    if count * dtype.itemsize != len(raw):
        raise ColumnError(
            name,
            f"Column {name!r} of {datatype} and shape {list(shape)} has {len(raw)} bytes, "
            f"not {count * dtype.itemsize}.",
        )
    if datatype == "BOOL":
        return np.frombuffer(raw, np.uint8).astype(bool).reshape(shape)
    return np.frombuffer(raw, dtype).reshape(shape)


def _texts(name: str, count: int, raw: memoryview) -> np.ndarray:
    if count * _LENGTH.size > len(raw):
        raise ColumnError(name, f"Column {name!r} has fewer than its {count} texts.")
    texts = np.empty(count, dtype=object)
    start = 0
    for place in range(count):
        end = start + _LENGTH.size
        size = _LENGTH.unpack_from(raw, start)[0] if end <= len(raw) else len(raw) + 1
        if end + size > len(raw):
            raise ColumnError(name, f"Column {name!r} ends in the middle of text {place}.")
        try:
            texts[place] = str(raw[end : end + size], "utf-8")
        except UnicodeDecodeError:
            raise ColumnError(name, f"Text {place} of column {name!r} is not UTF-8.") from None
        start = end + size
    if start != len(raw):
        raise ColumnError(name, f"Column {name!r} has more than its {count} texts.")
    return texts

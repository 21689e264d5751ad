"""A closed file: a header and columns of whole numbers, each compressed and checked by itself.

A column is shifted to its own step (the greatest common divisor: memory moves in pages), turned
into differences where these are smaller, folded to unsigned (zigzag), cut into byte planes, and
deflated; a column of one value is a number in the header. Why not Parquet: see
docs/adr/008-telemetry-store.md.
"""

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from services.telemetry.folder import write_whole

Ints = npt.NDArray[np.int64]

_MAGIC = b"MLTB1\n"
_HEAD = struct.Struct("<6sIII")
"""Magic, length of the header, its CRC-32, length of the columns."""


class DamagedError(Exception):
    """A file is not as it was written."""


_FIELDS = 8
"""Of a column: offset, size, CRC, length, base, step, byte planes (0: all values are the base),
whether these are differences."""


def encode(values: Ints) -> tuple[bytes, int, int, int, int]:
    """Return a column's bytes, base, step, planes and whether these are differences."""
    base = int(values[0]) if len(values) else 0
    offsets = values - base
    step = int(np.gcd.reduce(offsets)) if len(values) else 0
    if step == 0:
        return b"", base, 1, 0, 0
    steps = offsets // step
    changes = np.diff(steps, prepend=steps[:1])
    differences = int(_cost(changes) < _cost(steps))
    folded = _fold(changes if differences else steps)
    width = max(1, (int(folded.max()).bit_length() + 7) // 8)
    planes = folded.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width]
    return zlib.compress(planes.T.tobytes(), 6), base, step, width, differences


def decode(data: bytes, length: int, base: int, step: int, width: int, differences: int) -> Ints:
    """Return the values of a column again."""
    if width == 0:
        return np.full(length, base, dtype=np.int64)
    planes = np.frombuffer(zlib.decompress(data), dtype=np.uint8).reshape(width, length)
    folded = planes[0].astype(np.uint64)
    for place in range(1, width):
        folded |= planes[place].astype(np.uint64) << np.uint64(8 * place)
    steps: Ints = (folded >> np.uint64(1)).astype(np.int64) ^ -(folded & np.uint64(1)).astype(
        np.int64
    )
    if differences:
        steps = np.cumsum(steps)
    return steps * step + base


def _fold(numbers: Ints) -> npt.NDArray[np.uint64]:
    return ((numbers << 1) ^ (numbers >> 63)).astype(np.uint64)


def _cost(numbers: Ints) -> float:
    return float(np.log2(np.abs(numbers) + 1.0).sum())


def write(path: Path, header: Mapping[str, Any], columns: Mapping[str, Ints]) -> None:
    """Write a block in one step.

    Raises:
        OSError: The old file is untouched.
    """
    table: dict[str, list[int]] = {}
    chunks: list[bytes] = []
    offset = 0
    for name, values in columns.items():
        data, base, step, width, differences = encode(values)
        crc = zlib.crc32(data)
        table[name] = [offset, len(data), crc, len(values), base, step, width, differences]
        chunks.append(data)
        offset += len(data)
    packed = zlib.compress(orjson.dumps({**header, "columns": table}), 6)
    head = _HEAD.pack(_MAGIC, len(packed), zlib.crc32(packed), offset)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, b"".join((head, packed, *chunks)))


class Block:
    """A block as it was when it was opened; replacing the file does not touch it."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            FileNotFoundError: There is none.
            DamagedError: It is not as it was written.
        """
        self.path = path
        data = path.read_bytes()
        self.header, begin = _header(path, data)
        self._data = memoryview(data)[begin:]
        table = self.header.pop("columns")
        hours = self.header.pop("hours", "{}")
        # Text; in blocks that earlier versions wrote it is what it says.
        self._hours: str = hours if isinstance(hours, str) else orjson.dumps(hours).decode()
        # An array, not an object a column, and bytes, not a list an hour: with a hundred blocks
        # kept, a full collection of Python's garbage, which looks at every object, took 70 ms.
        self._columns = {name: place for place, name in enumerate(table)}
        fields = [number for column in table.values() for number in column]
        self._fields = np.array(fields, dtype=np.int64).reshape(-1, _FIELDS)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(self._columns)

    @property
    def hours(self) -> dict[int, Any]:
        """Return what the header keeps by the hour, read anew each time."""
        return {int(hour): said for hour, said in orjson.loads(self._hours).items()}

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def column(self, name: str) -> Ints:
        """Return one column.

        Raises:
            DamagedError: Its bytes are not as they were written.
        """
        offset, size, crc, *how = self._fields[self._columns[name]].tolist()
        data = self._data[offset : offset + size]
        if zlib.crc32(data) != crc:
            raise DamagedError(f"column {name} of {self.path}")
        return decode(bytes(data), *how)

    def verify(self) -> None:
        """Check every column.

        Raises:
            DamagedError: One is not as it was written.
        """
        for name in self._columns:
            self.column(name)


def _header(path: Path, data: bytes) -> tuple[dict[str, Any], int]:
    if len(data) < _HEAD.size:
        raise DamagedError(f"{path} is cut off")
    magic, length, crc, columns = _HEAD.unpack_from(data)
    end = _HEAD.size + length
    packed = data[_HEAD.size : end]
    if magic != _MAGIC or zlib.crc32(packed) != crc or len(data) != end + columns:
        raise DamagedError(f"the header of {path}")
    header: dict[str, Any] = orjson.loads(zlib.decompress(packed))
    return header, end

"""Large answers as JSON, a piece at a time: others are answered between the pieces."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import orjson

PIECE = 16_384
"""Elements that are written at once: a millisecond or two."""


async def listed(values: Any) -> Any:  # noqa: ANN401
    """Return an array or a list, written already where it is large."""
    width = (
        max(1, values.size // len(values)) if isinstance(values, np.ndarray) and values.size else 1
    )
    if len(values) * width <= PIECE:
        return values
    step = max(1, PIECE // width)
    return await _joined(dumped(values[at : at + step]) for at in range(0, len(values), step))


async def rows(columns: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return columns as rows; one that is shorter than others ends the rows."""
    many = min((len(values) for values in columns.values()), default=0)
    elements = sum(getattr(values, "size", len(values)) for values in columns.values())
    step = max(1, PIECE * many // max(1, elements))
    return await _joined(_rows(columns, at, min(many, at + step)) for at in range(0, many, step))


def _rows(columns: Mapping[str, Any], begin: int, end: int) -> bytes:
    cut = [values[begin:end] for values in columns.values()]
    return dumped([dict(zip(columns, row, strict=True)) for row in zip(*cut, strict=True)])


async def _joined(pieces: Iterator[bytes]) -> orjson.Fragment:
    found = []
    for piece in pieces:
        found.append(piece[1:-1])
        await asyncio.sleep(0)
    return orjson.Fragment(b"[" + b",".join(found) + b"]")


def dumped(document: object) -> bytes:
    """Return a document as JSON."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY, default=_plain)


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, np.ndarray | np.generic):  # of 16-bit floats, where orjson is older
        return value.tolist()
    raise TypeError(type(value).__name__)

"""What is kept of a prediction's columns, decided before anything is on disk.

``full`` keeps them; ``sample`` those of a share of the requests, by their ids; ``off`` none, only
that there was a request; ``hash`` a keyed hash (HMAC-SHA-256, half of it) of each row's value:
equal values of a project can be counted and compared, and without the key nobody can try values.
"""

import hmac
import os
import secrets
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from services.home import Home
from services.predictions.models import Columns, Kept, Record
from services.serving.models import Privacy

COLUMNS_BYTES = 4 << 20
"""Inputs and outputs together, as JSON; larger ones are not kept."""

_KEY = "predictions-privacy.key"
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
_HASH_DIGITS = 32
_MOST_HASHES = COLUMNS_BYTES // (_HASH_DIGITS + 3)
"""With their quotation marks and commas they fill what may be kept."""
_AT_ONCE = 1024
"""Hashes: some milliseconds."""
_SHORTEST, _LONGEST = 2, 24
"""Bytes of a number as JSON, with its comma."""
_PIECE = 32_768

Encoded = tuple[Kept, bytes, bytes]
"""What became of them, inputs and outputs as JSON; empty: nothing kept."""


class Masking:
    """Encodes columns as an endpoint's privacy allows."""

    def __init__(self, home: Home) -> None:
        self._path = home.secrets / _KEY
        self._key = b""

    def columns(self, record: Record, privacy: Privacy, sample: float) -> Encoded:
        """Return what may be written of a prediction's columns; never more than asked for.

        Raises:
            OSError: The key for hashes can be neither read nor made.
        """
        if privacy == "off" or (privacy == "sample" and share_of(record.id) >= sample):
            return "dropped", b"", b""
        try:
            if _surely_too_large(record.inputs) or _surely_too_large(record.outputs):
                return "too-large", b"", b""
            # Hashing takes a thousand times as long as writing: not for what is left out anyway.
            hashes = _hashes(record.inputs) + _hashes(record.outputs)
            if privacy == "hash" and hashes > _MOST_HASHES:
                return "too-large", b"", b""
            if privacy == "hash":
                inputs = self._hashed(record.project, record.inputs)
                outputs = self._hashed(record.project, record.outputs)
            else:
                inputs, outputs = encoded(record.inputs), encoded(record.outputs)
        except (TypeError, ValueError):  # no JSON: the prediction counts, its columns are gone
            return "unreadable", b"", b""
        if len(inputs) + len(outputs) > COLUMNS_BYTES:
            return "too-large", b"", b""
        return ("hashed" if privacy == "hash" else "full"), inputs, outputs

    def label(self, project: str, label: Any) -> str:  # noqa: ANN401
        """Return a label's hash: that of an equal output."""
        return self._hash(project, label)

    def _hashed(self, project: str, columns: Columns | bytes | None) -> bytes:
        if columns is None:
            return b""
        said = orjson.loads(columns) if isinstance(columns, bytes) else columns
        return encoded({str(name): self._column(project, rows) for name, rows in said.items()})

    def _column(self, project: str, rows: Any) -> list[str] | str:  # noqa: ANN401
        if isinstance(rows, str | bytes) or not hasattr(rows, "__len__"):
            return self._hash(project, rows)
        return [self._hash(project, row) for row in rows]

    def _hash(self, project: str, value: Any) -> str:  # noqa: ANN401
        self._key = self._key or made_key(self._path)
        said = project.encode() + b"\0" + encoded(value)
        return hmac.digest(self._key, said, "sha256").hex()[:_HASH_DIGITS]


def takes_long(record: Record, privacy: Privacy) -> bool:
    """Return whether its columns take longer to hash than others should wait for."""
    if privacy != "hash":
        return False
    columns = record.inputs, record.outputs
    return any(isinstance(one, bytes) for one in columns) or sum(map(_hashes, columns)) > _AT_ONCE


def encoded(value: Any) -> bytes:  # noqa: ANN401
    """Return a value as JSON; empty for None.

    Raises:
        TypeError: JSON cannot hold it.
    """
    if value is None or isinstance(value, bytes):
        return value or b""
    return orjson.dumps(value, default=_plain, option=_OPTIONS)


def full(columns: Columns) -> bytes | None:
    """Return columns that are kept in full as JSON, None where they are too large to be kept.

    What JSON cannot hold is empty.
    """
    try:
        said = None if _surely_too_large(columns) else encoded(columns)
    except (TypeError, ValueError):
        return b""
    return None if said is None or len(said) > COLUMNS_BYTES else said


def share_of(request_id: str) -> float:
    """Return where an id stands between 0 and 1, always the same."""
    return zlib.crc32(request_id.encode()) / 2**32


def made_key(path: Path) -> bytes:
    """Return the key for hashes, made once for all processes.

    Raises:
        OSError: It can be neither read nor made.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(part)
    except FileExistsError:
        pass  # another process was first
    finally:
        part.unlink()
    return path.read_bytes()


def _surely_too_large(columns: Columns | bytes | None) -> bool:
    """Return whether they are, without turning all of them into text: that takes a while.

    An element of an array is two bytes at least; of large arrays a beginning is written to see.
    """
    if columns is None or isinstance(columns, bytes):
        return len(columns or b"") > COLUMNS_BYTES
    least = sum(getattr(rows, "size", 0) for rows in columns.values()) * _SHORTEST
    for piece in _pieces(columns):
        if least > COLUMNS_BYTES:
            break
        least += len(encoded(piece)) - 1 - piece.size * _SHORTEST
    return least > COLUMNS_BYTES


def _pieces(columns: Columns) -> Iterator[Any]:
    """Yield the arrays that may be too large, bit by bit."""
    for rows in columns.values():
        size = getattr(rows, "size", 0)
        if size * _LONGEST > COLUMNS_BYTES:
            step = max(1, len(rows) * _PIECE // size)
            yield from (rows[at : at + step] for at in range(0, len(rows), step))


def _hashes(columns: Columns | bytes | None) -> int:
    if columns is None or isinstance(columns, bytes):
        return 0
    single = str | bytes
    return sum(
        1 if isinstance(rows, single) or not hasattr(rows, "__len__") else len(rows)
        for rows in columns.values()
    )


def _plain(value: Any) -> Any:  # noqa: ANN401
    if hasattr(value, "tolist"):  # arrays of text, of 16-bit floats, or not in one piece
        return value.tolist()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    raise TypeError(type(value).__name__)

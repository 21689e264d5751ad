"""Asking one model server directly: what the check before a switch does.

The gateway has a client of its own, made for many requests at once; this one asks one thing and
waits.
"""

import json
import math
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.errors import PlatformError
from services.serving.models import BundleInfo, Field

_HEAD = struct.Struct("<II")
_HEADER_LIMIT = 1 << 20
_BODY_LIMIT = 128 << 20
_TYPES = {
    "BOOL": np.bool_, "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "FP16": np.float16, "FP32": np.float32, "FP64": np.float64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an answer."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Any
    """A numpy array, or a list of texts."""

    @property
    def finite(self) -> bool:
        """Whether every number of it is one."""
        if self.datatype not in {"FP16", "FP32", "FP64"}:
            return True
        return bool(np.isfinite(self.values).all())


@dataclass(frozen=True, slots=True)
class Answered:
    """What a model server answered."""

    columns: tuple[Column, ...]
    text: str = ""
    model_ms: float | None = None


def ask(
    address: str, info: BundleInfo, columns: Mapping[str, Any], *, timeout_s: float = 20.0
) -> Answered:
    """Return a model server's answer to a request.

    Raises:
        PlatformError: It does not answer, or says no.
    """
    inputs, body = encoded(info, columns)
    header = {"id": 1, "op": "infer", "inputs": inputs, "parameters": {}, "deadline_ms": None}
    said, content = _exchange(address, header, body, timeout_s)
    outputs = []
    at = 0
    for one in said.get("outputs", ()):
        end = at + int(one["bytes"])
        outputs.append(_decoded(one, content[at:end]))
        at = end
    timing = said.get("timing") or {}
    return Answered(tuple(outputs), str(said.get("text") or ""), timing.get("model_ms"))


def stats(address: str, *, timeout_s: float = 2.0) -> dict[str, Any]:
    """Return what a model server counts.

    Raises:
        PlatformError: It does not answer.
    """
    said, _ = _exchange(address, {"id": 1, "op": "stats"}, b"", timeout_s)
    found = said.get("stats")
    return found if isinstance(found, dict) else {}


def healthy(address: str, *, timeout_s: float = 2.0) -> None:
    """Let a model server pass that says it is ready.

    Raises:
        PlatformError: It does not answer, or is not.
    """
    said, _ = _exchange(address, {"id": 1, "op": "health"}, b"", timeout_s)
    if said.get("state") != "ready":
        raise PlatformError(f"The model server says that it is {said.get('state')!r}, not ready.")


def encoded(info: BundleInfo, columns: Mapping[str, Any]) -> tuple[list[dict[str, Any]], bytes]:
    """Return columns as the wire has them.

    Raises:
        PlatformError: A column is not what the schema says.
    """
    heads: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for field in info.inputs:
        if field.name not in columns:
            continue
        try:
            shape, content = _column(field, columns[field.name])
        except (ValueError, TypeError, OverflowError) as error:
            raise PlatformError(
                f"The example of {field.name} is not of its type {field.datatype}: {error}."
            ) from error
        heads.append(
            {"name": field.name, "datatype": field.datatype, "shape": shape, "bytes": len(content)}
        )
        parts.append(content)
    return heads, b"".join(parts)


def _column(field: Field, values: object) -> tuple[list[int], bytes]:
    if field.datatype == "BYTES":
        texts = [str(one).encode() for one in np.ravel(np.asarray(values, dtype=object))]
        shape = [len(texts), *field.shape[1:]] if math.prod(field.shape[1:]) == 1 else [len(texts)]
        return shape, b"".join(struct.pack("<I", len(one)) + one for one in texts)
    array: np.ndarray[Any, Any] = np.asarray(values, dtype=_TYPES[field.datatype])
    wanted = (-1, *field.shape[1:]) if field.shape else array.shape
    if -1 not in wanted[1:]:
        array = array.reshape(wanted)
    return list(array.shape), np.ascontiguousarray(array).tobytes()


def _decoded(said: Mapping[str, Any], content: bytes) -> Column:
    shape = tuple(int(one) for one in said["shape"])
    datatype = str(said["datatype"])
    if datatype == "BYTES":
        return Column(str(said["name"]), datatype, shape, _texts(content))
    flat: np.ndarray[Any, Any] = np.frombuffer(content, dtype=_TYPES[datatype])
    return Column(str(said["name"]), datatype, shape, flat.reshape(shape))


def _texts(content: bytes) -> list[str]:
    found, at = [], 0
    while at < len(content):
        (length,) = struct.unpack_from("<I", content, at)
        found.append(content[at + 4 : at + 4 + length].decode(errors="replace"))
        at += 4 + length
    return found


def _exchange(
    address: str, header: Mapping[str, Any], body: bytes, timeout_s: float
) -> tuple[dict[str, Any], bytes]:
    told = json.dumps(header).encode()
    try:
        with _connected(address, timeout_s) as connection:
            connection.sendall(_HEAD.pack(len(told), len(body)) + told + body)
            header_bytes, body_bytes = _HEAD.unpack(_exactly(connection, _HEAD.size))
            if header_bytes > _HEADER_LIMIT or body_bytes > _BODY_LIMIT:
                raise PlatformError("The model server's answer is larger than it may be.")
            said = json.loads(_exactly(connection, header_bytes))
            content = _exactly(connection, body_bytes)
    except (OSError, ValueError) as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else error
        raise PlatformError(f"The model server does not answer: {why}.") from error
    if not isinstance(said, dict) or not said.get("ok"):
        fault = said.get("error") if isinstance(said, dict) else None
        message = fault.get("message") if isinstance(fault, dict) else said
        raise PlatformError(f"The model server answers with an error: {message}")
    return said, content


def _connected(address: str, timeout_s: float) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.settimeout(timeout_s)
    try:
        made.connect(address.removeprefix("unix:"))
    except OSError:
        made.close()
        raise
    return made


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        part = connection.recv(min(count, 1 << 20))
        if not part:
            raise ConnectionError("it closed the connection")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def columns_of(answered: Answered) -> Sequence[str]:
    """Return the names of an answer's columns."""
    return [one.name for one in answered.columns]

"""Frames of the model servers' wire, and what they carry.

A frame is two little-endian u32 (bytes of header, bytes of body), a JSON header and a body. Many
requests are under way on one connection, told apart by ``id``; answers come in any order.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.errors import EngineProtocolError

MAX_HEADER = 1 << 20
MAX_BODY = 128 << 20
SIZES = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One named array as the Open Inference Protocol has it: raw bytes, row-major."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: bytes

    def told(self) -> dict[str, Any]:
        """Return how a frame's header tells of it."""
        return {
            "name": self.name, "datatype": self.datatype, "shape": self.shape,
            "bytes": len(self.data),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model server answered in full."""

    outputs: tuple[Tensor, ...] = ()
    queue_ms: float | None = None
    model_ms: float | None = None
    share_ms: float | None = None
    """Of the model's time what this request's rows took of it, asked together with others'."""
    header: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a streamed answer; the last one has how it ended."""

    text: str = ""
    last: bool = False
    finish: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    queue_ms: float | None = None
    model_ms: float | None = None


def frame(header: Mapping[str, Any], parts: Sequence[bytes] = ()) -> bytes:
    """Return a whole frame.

    Raises:
        EngineProtocolError: It is larger than a frame may be.
    """
    said = orjson.dumps(header)
    size = sum(map(len, parts))
    if len(said) > MAX_HEADER or size > MAX_BODY:
        raise EngineProtocolError("The request is larger than a model server reads.")
    return b"".join((SIZES.pack(len(said), size), said, *parts))


def tensors(told: Iterable[Mapping[str, Any]], body: bytes) -> tuple[Tensor, ...]:
    """Return the arrays of a frame.

    Raises:
        EngineProtocolError: Header and body do not fit together.
    """
    found, at = [], 0
    try:
        for one in told:
            end = at + int(one["bytes"])
            shape = tuple(int(size) for size in one["shape"])
            found.append(Tensor(str(one["name"]), str(one["datatype"]), shape, body[at:end]))
            at = end
    except (KeyError, TypeError, ValueError) as error:
        raise EngineProtocolError("A model server's answer has a broken header.") from error
    if at != len(body):
        raise EngineProtocolError("A model server's answer has a body of another length.")
    return tuple(found)


class Frames:
    """Cuts a stream of bytes into frames."""

    def __init__(self, take: Callable[[dict[str, Any], bytes], None]) -> None:
        self._take = take
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes as they come.

        Raises:
            EngineProtocolError: They are no frames.
        """
        self._buffer += data
        at, view = 0, self._buffer
        while len(view) - at >= SIZES.size:
            header_size, body_size = SIZES.unpack_from(view, at)
            if header_size > MAX_HEADER or body_size > MAX_BODY:
                raise EngineProtocolError("A frame is larger than allowed.")
            begin = at + SIZES.size
            middle, end = begin + header_size, begin + header_size + body_size
            if len(view) < end:
                break
            try:
                header = orjson.loads(view[begin:middle])
            except ValueError as error:
                raise EngineProtocolError("A frame's header is no JSON.") from error
            if not isinstance(header, dict) or not isinstance(header.get("id"), int):
                raise EngineProtocolError("A frame's header has no number.")
            self._take(header, bytes(view[middle:end]))
            at = end
        if at:
            del self._buffer[:at]


def piece(header: Mapping[str, Any]) -> Piece:
    """Return the part of a stream that a header tells of."""
    timing, usage = header.get("timing") or {}, header.get("usage") or {}
    return Piece(
        text=header.get("text") or "",
        last=header.get("last", True),
        finish=header.get("finish"),
        prompt_tokens=usage.get("prompt"),
        completion_tokens=usage.get("completion"),
        queue_ms=timing.get("queue_ms"),
        model_ms=timing.get("model_ms"),
    )

"""Messages between coordinator and clients: a JSON header and raw float32 arrays, no pickle.

A message is four bytes (length of the header, big-endian), the header, then the arrays it lists.
"""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_LENGTH = struct.Struct(">I")
_LONGEST_HEADER = 1 << 20


@dataclass(frozen=True, slots=True)
class Message:
    """One message: what it is, its fields, and weights when it carries any."""

    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


def encode(message: Message) -> bytes:
    """Return the message as bytes."""
    shapes = {name: array.shape for name, array in message.arrays.items()}
    header = json.dumps(
        {"kind": message.kind, "fields": dict(message.fields), "arrays": shapes}
    ).encode()
    bodies = [np.ascontiguousarray(a, dtype="<f4").tobytes() for a in message.arrays.values()]
    return _LENGTH.pack(len(header)) + header + b"".join(bodies)


class Decoder:
    """Puts messages together from whatever pieces a pipe gives."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are complete with `data`.

        Raises:
            ValueError: what arrived is no message.
        """
        self._buffer += data
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> Message | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > _LONGEST_HEADER:
            raise ValueError(f"A header of {length} bytes is no message of ours.")
        begin = _LENGTH.size + length
        if len(self._buffer) < begin:
            return None
        header = json.loads(self._buffer[_LENGTH.size : begin])
        sizes = {name: 4 * math.prod(shape) for name, shape in header["arrays"].items()}
        end = begin + sum(sizes.values())
        if len(self._buffer) < end:
            return None
        arrays = {}
        for name, shape in header["arrays"].items():
            raw = bytes(self._buffer[begin : begin + sizes[name]])
            arrays[name] = np.frombuffer(raw, dtype="<f4").reshape(shape)
            begin += sizes[name]
        del self._buffer[:end]
        return Message(header["kind"], header["fields"], arrays)

"""The bytes of a segment: frames with a checksum, found again behind any damage.

A frame is a mark, its length, its CRC-32 and its kind, then the body. A segment is read frame by
frame; at a damaged one the next whole frame is looked for. Damage with no whole frame behind it is
a torn tail: what a kill, a power cut or a full disk leaves of the last write, or a write under way.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

SHAPE, WHO, SAMPLE = 1, 2, 3

_HEAD = struct.Struct("<2sIIB")
_MARK = b"\xa7\x5c"
_LONGEST = 1 << 24

SAMPLE_HEAD = struct.Struct("<qqHH")
"""Time (µs since 1970), window (ms), number of the shape, number of processes."""
USE = struct.Struct("<I6q")
"""Number of the process, then ``shapes.Use``."""


class Frame(NamedTuple):
    """One whole frame."""

    kind: int
    body: bytes
    end: int
    """Offset of the byte behind it."""


def framed(kind: int, body: bytes) -> bytes:
    """Return one frame."""
    crc = zlib.crc32(body, kind)
    return _HEAD.pack(_MARK, len(body), crc, kind) + body


def frame_at(data: bytes, at: int) -> Frame | None:
    """Return the frame that begins there, None when no whole one does."""
    if len(data) - at < _HEAD.size:
        return None
    mark, length, crc, kind = _HEAD.unpack_from(data, at)
    begin = at + _HEAD.size
    if mark != _MARK or length > _LONGEST or len(data) - begin < length:
        return None
    body = data[begin : begin + length]
    return Frame(kind, body, begin + length) if zlib.crc32(body, kind) == crc else None


def whole_frames(data: bytes, at: int = 0) -> Iterator[tuple[int, Frame]]:
    """Yield every whole frame with the offset where it begins, over damage too."""
    while True:
        found = frame_at(data, at)
        while found is None:
            at = data.find(_MARK, at + 1)
            if at < 0:
                return
            found = frame_at(data, at)
        yield at, found
        at = found.end

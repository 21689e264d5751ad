"""A grid of digits as a PNG file, in a few lines of the standard library."""

import struct
import zlib
from pathlib import Path

import numpy as np

from selfimprove.data import SIDE

_ZOOM = 4


def write_grid(path: Path, images: np.ndarray, columns: int) -> None:
    """Write images (rows of 64 pixels in [-1, 1]) as a grid, `columns` wide."""
    rows = len(images) // columns
    tiles = images[: rows * columns].reshape(rows, columns, SIDE, SIDE)
    tiles = np.pad(tiles, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=1.0)
    grid = tiles.transpose(0, 2, 1, 3).reshape(rows * (SIDE + 1), columns * (SIDE + 1))
    grey = ((1 - grid.clip(-1, 1)) * 127.5).astype(np.uint8).repeat(_ZOOM, 0).repeat(_ZOOM, 1)
    lines = np.pad(grey, ((0, 0), (1, 0)))  # each line begins with its filter: 0, none
    height, width = grey.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body + _chunk(b"IEND", b""))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

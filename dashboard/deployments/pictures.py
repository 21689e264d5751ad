"""Pictures as numbers and back: of a field's shape, on its scale."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.errors import InputError
from services.serving.models import Field

SHOWN_PX = 168
_LARGEST_PIXELS = 16_000_000
_DRAWN = 32
"""Pictures up to so many cells wide can be drawn."""
_COLOURS = 3


@dataclass(frozen=True, slots=True)
class Frame:
    """The measures of a field's pictures."""

    high: int
    wide: int
    channels: int
    low: float
    top: float
    flat: bool = False
    """A row is one list of numbers, not a list of lines."""

    @property
    def drawn(self) -> bool:
        """Whether it is small enough to be drawn cell by cell."""
        return 0 < max(self.high, self.wide) <= _DRAWN


def frame(field: Field) -> Frame | None:
    """Return the measures of a field's pictures, None when its shape is of none."""
    shape = field.shape[1:]
    low, top = _scale(field)
    if len(shape) == 1:
        side = field.side or math.isqrt(max(0, shape[0]))
        return (
            Frame(side, side, 1, low, top, flat=True) if side and side * side == shape[0] else None
        )
    if len(shape) == 2:
        return Frame(shape[0], shape[1], 1, low, top)
    if len(shape) == 3 and shape[2] in {1, _COLOURS}:
        return Frame(shape[0], shape[1], shape[2], low, top)
    return None


def _scale(field: Field) -> tuple[float, float]:
    """Return the numbers of black and of white."""
    whole = field.datatype.startswith(("INT", "UINT"))
    low = 0.0 if field.min is None else field.min
    top = (255.0 if whole else 1.0) if field.max is None else field.max
    return (low, top) if top > low else (0.0, 1.0)


def value_of(cells: Sequence[float], of: Frame, field: Field) -> list[Any]:
    """Return cells from 0 to 1 as a row's value of the field."""
    found = np.asarray(cells, dtype=np.float64) * (of.top - of.low) + of.low
    if field.datatype.startswith(("INT", "UINT")):
        found = np.rint(found).astype(np.int64)
    if of.flat:
        return list(found.tolist())
    shape = (of.high, of.wide) if of.channels == 1 and len(field.shape) == 3 else (
        of.high, of.wide, of.channels
    )  # fmt: skip
    return list(found.reshape(shape).tolist())


def cells_of(value: object, of: Frame) -> list[float]:
    """Return a row's value as cells from 0 to 1; all black when it is none."""
    count = of.high * of.wide * of.channels
    try:
        found = np.asarray(value, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        return [0.0] * count
    if found.size != count or not np.isfinite(found).all():
        return [0.0] * count
    return list(np.clip((found - of.low) / (of.top - of.low), 0.0, 1.0).tolist())


def read(data: bytes, of: Frame) -> list[float]:
    """Return an image file as cells from 0 to 1, fitted into the frame without distortion.

    Raises:
        InputError: It is no image that can be read, or a huge one.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > _LARGEST_PIXELS:
                raise InputError(
                    f"The picture has {image.width:,} by {image.height:,} pixels.",
                    f"It is made {of.wide} by {of.high} anyway: send a smaller one.",
                )
            mode = "L" if of.channels == 1 else "RGB"
            upright = ImageOps.exif_transpose(image).convert(mode)
            fitted = ImageOps.pad(upright, (of.wide, of.high), Image.Resampling.BOX)
            found = np.asarray(fitted, dtype=np.float64) / 255.0
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(
            "The file is no picture that can be read.", "PNG, JPEG, GIF, BMP and WebP can."
        ) from error
    return list(found.reshape(-1).tolist())


def pixels(values: Sequence[float], high: int, wide: int, channels: int = 1) -> NDArray[np.uint8]:
    """Return numbers as a picture for the screen, from its least to its greatest, enlarged."""
    found = np.asarray(values, dtype=np.float64).reshape(high, wide, channels)
    found = np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0)
    low, top = float(found.min()), float(found.max())
    if low >= 0.0 and top <= 1.0:
        low, top = 0.0, 1.0
    scaled = (found - low) / (top - low or 1.0) * 255.0
    times = max(1, SHOWN_PX // max(high, wide))
    grown = np.rint(scaled).astype(np.uint8).repeat(times, axis=0).repeat(times, axis=1)
    return np.asarray(grown[..., 0] if channels == 1 else grown)

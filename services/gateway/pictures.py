"""Pictures in JSON: PNG in base64, in and out."""

import base64
import binascii
import io
from typing import Any

import numpy as np

from services.gateway import arrays
from services.gateway.problems import bad
from services.serving.models import Field

Array = np.ndarray[Any, Any]
_PREFIX = "data:image/png;base64,"
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def size_of(field: Field) -> tuple[int, int, int] | None:
    """Return height, width and channels of a field's pictures; None when it has none."""
    inner = field.shape[1:]
    if field.side:
        channels = int(np.prod(inner)) // field.side**2
        return (field.side, field.side, channels) if channels in _MODES else None
    if len(inner) == 2 and -1 not in inner:
        return inner[0], inner[1], 1
    if len(inner) == 3 and -1 not in inner and inner[2] in _MODES:
        return inner[0], inner[1], inner[2]
    return None


def _span(field: Field) -> tuple[float, float]:
    """Return the values of black and of white."""
    if arrays.TYPES[field.datatype].kind == "f":
        return field.min if field.min is not None else 0.0, field.max or 1.0
    return field.min or 0.0, field.max if field.max is not None else 255.0


def unpacked(field: Field, rows: Any, where: str) -> Any:  # noqa: ANN401
    """Return rows in which PNGs are arrays; rows without PNGs as they are.

    Raises:
        Problem: A text is no PNG in base64 of the right size.
    """
    if not isinstance(rows, list) or not any(isinstance(row, str) for row in rows):
        return rows
    if not all(isinstance(row, str) for row in rows):
        raise bad("Some rows are PNGs and some are numbers; use one of them.", where)
    size = size_of(field)
    if size is not None:  # a picture of one colour is a thousand times as large as its PNG
        arrays.count((len(rows), *size), field.datatype, where)
    return np.stack([_read(field, row, where) for row in rows])


def _read(field: Field, text: str, where: str) -> Array:
    from PIL import Image, UnidentifiedImageError

    size = size_of(field)
    if size is None:
        raise bad("It takes numbers, not pictures.", where)
    height, width, channels = size
    try:
        raw = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad("It is not base64.", where) from error
    try:
        with Image.open(io.BytesIO(raw), formats=("PNG",)) as picture:
            if picture.size != (width, height):  # known before anything is unpacked
                raise bad(
                    f"The picture has {picture.size[0]} × {picture.size[1]} pixels, "
                    f"not {width} × {height}.",
                    where,
                )
            pixels = np.asarray(picture.convert(_MODES[channels]), dtype=np.float64)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise bad("It is not a PNG that can be read.", where) from error
    black, white = _span(field)
    values = black + pixels / 255.0 * (white - black)
    dtype = arrays.TYPES[field.datatype]
    if dtype.kind != "f":
        values = np.rint(values)
    shape = tuple(size for size in field.shape[1:])
    return values.astype(dtype).reshape(shape)


def packed(field: Field, array: Array) -> list[str] | None:
    """Return a column of pictures as PNGs in base64; None when it has none."""
    from PIL import Image

    size = size_of(field)
    if size is None or field.datatype == arrays.TEXT:
        return None
    height, width, channels = size
    black, white = _span(field)
    scaled = (array.astype(np.float64) - black) / ((white - black) or 1.0)
    pixels = np.rint(np.clip(np.nan_to_num(scaled), 0, 1) * 255).astype(np.uint8)
    shape = (height, width) if channels == 1 else (height, width, channels)
    found = []
    for one in pixels.reshape((len(array), *shape)):
        buffer = io.BytesIO()
        Image.fromarray(one).save(buffer, "PNG")
        found.append(base64.b64encode(buffer.getvalue()).decode())
    return found

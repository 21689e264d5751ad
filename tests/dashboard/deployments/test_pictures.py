"""Pictures as numbers and back."""

import io

import numpy as np
import pytest
from PIL import Image

from dashboard.deployments import pictures
from dashboard.deployments.pictures import Frame
from services.errors import InputError
from services.serving.models import Field

FLAT = Field("pixels", "FP32", (-1, 64), image=True, side=8, min=0.0, max=16.0)
LINES = Field("image", "UINT8", (-1, 4, 6), image=True)
COLOUR = Field("image", "FP32", (-1, 4, 6, 3), image=True)


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        (FLAT, Frame(8, 8, 1, 0.0, 16.0, flat=True)),
        (LINES, Frame(4, 6, 1, 0.0, 255.0)),
        (COLOUR, Frame(4, 6, 3, 0.0, 1.0)),
        (Field("x", "FP32", (-1, 63), image=True), None),
        (Field("x", "FP32", (-1,), image=True), None),
        (Field("x", "FP32", (-1, 4, 4, 2), image=True), None),
    ],
)
def test_the_measures_of_a_field(field: Field, wanted: Frame | None):
    assert pictures.frame(field) == wanted


@pytest.mark.parametrize("field", [FLAT, LINES, COLOUR])
def test_what_is_drawn_is_sent_on_the_fields_scale_and_read_back(field: Field):
    of = pictures.frame(field)
    assert of is not None
    cells = [0.0, 1.0] * (of.high * of.wide * of.channels // 2)
    value = np.asarray(pictures.value_of(cells, of, field))
    assert value.shape == field.shape[1:]
    assert (value.min(), value.max()) == (of.low, of.top)
    assert pictures.cells_of(value.tolist(), of) == cells


@pytest.mark.parametrize("value", [None, "text", [1.0] * 5, [float("nan")] * 64, [["a"] * 64]])
def test_what_is_no_picture_is_black(value: object):
    of = pictures.frame(FLAT)
    assert of is not None
    assert pictures.cells_of(value, of) == [0.0] * 64


def png(wide: int, high: int, colour: int) -> bytes:
    held = io.BytesIO()
    Image.new("L", (wide, high), colour).save(held, "PNG")
    return held.getvalue()


def test_a_file_is_fitted_without_distortion():
    of = pictures.frame(FLAT)
    assert of is not None
    cells = np.asarray(pictures.read(png(80, 40, 255), of)).reshape(8, 8)
    assert cells[2:6].min() == 1.0
    assert cells[:2].max() == 0.0


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_file_that_is_no_picture_is_a_sentence(data: bytes):
    of = pictures.frame(FLAT)
    assert of is not None
    with pytest.raises(InputError, match="no picture"):
        pictures.read(data, of)


def test_a_huge_picture_is_refused_before_it_is_unpacked():
    of = pictures.frame(FLAT)
    assert of is not None
    with pytest.raises(InputError, match="5,000 by 5,000"):
        pictures.read(png(5_000, 5_000, 0), of)


def test_an_answer_is_scaled_only_when_it_must_be():
    half = pictures.pixels([0.0, 0.5], 1, 2)
    assert sorted(set(half.flatten().tolist())) == [0, 128]
    wide = pictures.pixels([-1.0, 3.0, float("nan")], 1, 3)
    assert sorted(set(wide.flatten().tolist())) == [0, 64, 255]

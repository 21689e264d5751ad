import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from mlops_client.serving.frames import (
    BODY_LIMIT,
    HEADER_LIMIT,
    TYPES,
    ColumnError,
    FrameError,
    Parser,
    frame,
    packed,
    unpacked,
)

shapes = arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)
numbers = st.sampled_from(sorted(TYPES)).flatmap(
    lambda name: (
        arrays.arrays(TYPES[name], shapes, elements={"allow_nan": False})
        if name.startswith("FP")
        else arrays.arrays(TYPES[name], shapes)
    )
)
texts = st.lists(st.text(max_size=20), max_size=8).map(lambda found: np.array(found, dtype=object))
columns = st.dictionaries(st.text(max_size=8), st.one_of(numbers, texts), max_size=5)


@given(columns, st.lists(st.integers(1, 40), max_size=20))
def test_columns_come_back_as_they_were_in_whatever_pieces_they_arrive(
    sent: dict[str, np.ndarray], cuts: list[int]
):
    told, body = packed(sent)
    raw = frame({"id": 1, "inputs": told}, body) * 2
    parser, got = Parser(), []
    for cut in [*cuts, len(raw)]:
        got += list(parser.feed(raw[:cut]))
        raw = raw[cut:]
    assert len(got) == 2
    for header, rest in got:
        back = unpacked(header["inputs"], rest)
        assert list(back) == list(sent)
        for name, values in sent.items():
            assert back[name].dtype == values.dtype
            assert back[name].shape == values.shape
            assert np.array_equal(back[name], values)


@pytest.mark.parametrize(
    "lengths", [(HEADER_LIMIT + 1, 0), (2, BODY_LIMIT + 1), (0xFFFFFFFF, 0xFFFFFFFF)]
)
def test_a_frame_that_is_too_large_is_refused_by_its_lengths_alone(lengths: tuple[int, int]):
    with pytest.raises(FrameError, match="larger than allowed"):
        list(Parser().feed(struct.pack("<II", *lengths)))


@pytest.mark.parametrize("header", [b"", b"[]", b"3", b"{", b"\xff", b"[" * 100_000])
def test_a_header_that_is_no_json_object_is_refused(header: bytes):
    with pytest.raises(FrameError, match="JSON"):
        list(Parser().feed(struct.pack("<II", len(header), 0) + header))


def one(**changed: Any) -> list[dict[str, Any]]:
    return [{"name": "x", "datatype": "FP32", "shape": [1, 2], "bytes": 8} | changed]


@pytest.mark.parametrize(
    ("told", "field", "said"),
    [
        (None, None, "list"),
        ({}, None, "list"),
        ([3], None, "without a name"),
        ([{"datatype": "FP32"}], None, "without a name"),
        (one(datatype="FP31"), "x", "unknown type"),
        (one(datatype=None), "x", "unknown type"),
        (one(shape=None), "x", "shape"),
        (one(shape=[-1, 2]), "x", "shape"),
        (one(shape=[True, 2]), "x", "shape"),
        (one(shape=[1.0, 2]), "x", "shape"),
        (one(shape=[1] * 9), "x", "shape"),
        (one(shape=[2**40, 2**40]), "x", "shape"),
        (one(shape=[0, 2**27, 2**27]), "x", "empty"),
        (one(shape=[2, 2]), "x", "8 bytes, not 16"),
        (one(bytes=None), "x", "bytes"),
        (one(bytes=-8), "x", "bytes"),
        (one(bytes=9), "x", "ends before"),
        (one(bytes=4, shape=[1]), None, "belong to no column"),
        (one() + one(bytes=0, shape=[0]), "x", "twice"),
        (one() * 300, None, "256"),
        (one(datatype="BYTES", shape=[2]), "x", "middle of text"),
        (one(datatype="BYTES", shape=[100_000_000]), "x", "fewer than"),
    ],
)
def test_a_header_that_does_not_tell_what_the_body_holds_names_the_column(
    told: Any, field: str | None, said: str
):
    with pytest.raises(ColumnError, match=said) as caught:
        unpacked(told, b"\x01\0\0\0a\xff\xff\xff")
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("raw", "said"),
    [(b"\x01\0\0\0\xff", "UTF-8"), (b"\0\0\0\0z", "more than"), (b"\x09\0\0\0a", "middle")],
)
def test_texts_that_are_none_are_refused(raw: bytes, said: str):
    with pytest.raises(ColumnError, match=said):
        unpacked(one(datatype="BYTES", shape=[1], bytes=len(raw)), raw)


@given(st.binary(max_size=200), st.recursive(st.none() | st.integers() | st.text(), st.lists))
def test_whatever_a_header_says_only_a_column_error_comes_of_it(body: bytes, told: Any):
    for said in (told, one(shape=told), one(bytes=told), one(name=told), one(datatype=told)):
        try:
            unpacked(json.loads(json.dumps(said)), body)
        except ColumnError:
            continue


def test_a_type_without_a_name_is_not_sent():
    with pytest.raises(ColumnError, match="complex64"):
        packed({"x": np.zeros(1, np.complex64)})


def test_half_a_character_is_replaced_and_the_rest_arrives():
    """Predictors may answer it; no UTF-8 has it."""
    told, body = packed({"text": np.array(["a\ud800b"], dtype=object)})
    (header, _), *rest = Parser().feed(frame({"id": 1, "text": "c\udfffd"}))
    assert (header["text"], rest) == ("c?d", [])
    assert unpacked(told, b"".join(body))["text"].tolist() == ["a?b"]

"""Requests held against a schema: numbers, texts, shapes, pictures; nothing converted silently."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from services.gateway import arrays, pictures
from services.gateway.contract import Contract, Given, columns_given, rows_given
from services.gateway.problems import Problem
from services.serving.models import BundleInfo, Field


def contract(*fields: Field) -> Contract:
    return Contract(BundleInfo("p", "m", 1, "rows", "onnx", fields, ()))


def prepared(field: Field, data: object, **said: object) -> np.ndarray:
    (tensor,) = contract(field).prepare([Given(field.name, data, "x", **said)]).inputs  # type: ignore[arg-type]
    assert tensor.datatype == field.datatype
    return np.frombuffer(tensor.data, arrays.TYPES[field.datatype]).reshape(tensor.shape)


def refused(field: Field, data: object, **said: object) -> Problem:
    with pytest.raises(Problem) as problem:
        prepared(field, data, **said)
    assert problem.value.status == 400
    assert problem.value.field
    return problem.value


NUMBERS = [name for name in arrays.TYPES if name != "BOOL"]


@pytest.mark.parametrize("datatype", NUMBERS)
def test_numbers_of_every_type_arrive_as_they_were(datatype: str):
    field = Field("x", datatype, (-1, 2))
    found = prepared(field, [[0, 1], [2, 3]])
    assert found.tolist() == [[0, 1], [2, 3]]
    raw = np.array([[5, 6]], arrays.TYPES[datatype])
    assert prepared(field, raw.tobytes(), shape=(1, 2), datatype=datatype).tolist() == [[5, 6]]


def test_truth_is_no_number_and_a_number_no_truth():
    assert prepared(Field("x", "BOOL", (-1,)), [True, False]).tolist() == [True, False]
    refused(Field("x", "BOOL", (-1,)), [1, 0])
    refused(Field("x", "INT32", (-1,)), [True])
    refused(Field("x", "FP32", (-1,)), [True])


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("INT8", 128), ("INT8", -129), ("UINT8", -1), ("UINT64", 1 << 64), ("INT64", 1e30),
        ("INT32", 1.5), ("FP16", 70_000), ("FP32", 1e39), ("FP64", "1.0"), ("FP64", None),
        ("INT64", float("inf")),
    ],
)  # fmt: skip
def test_what_does_not_fit_its_type_is_refused(datatype: str, value: object):
    refused(Field("x", datatype, (-1,)), [value])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_must_be_finite(value: float):
    raw = struct.pack("<f", value)
    refused(Field("x", "FP32", (-1,)), raw, shape=(1,), datatype="FP32")


def test_bounds_and_choices_hold():
    bounded = Field("x", "FP32", (-1,), min=0, max=1)
    assert prepared(bounded, [0, 0.5, 1]).tolist() == [0, 0.5, 1]
    refused(bounded, [1.01])
    refused(bounded, [-0.01])
    chosen = Field("x", "INT64", (-1,), choices=(1, 2))
    assert prepared(chosen, [2, 1]).tolist() == [2, 1]
    refused(chosen, [3])


def test_a_free_axis_takes_any_size():
    field = Field("x", "FP32", (-1, -1))
    assert prepared(field, [[1, 2, 3]]).shape == (1, 3)
    refused(field, [1, 2, 3])
    refused(field, [[1], [2, 3]])


@pytest.mark.parametrize("data", [[], [[]], 1, "a", None, {}, [[[]]]])
def test_what_has_no_rows_is_refused(data: object):
    for field in (Field("x", "FP32", (-1, 2)), Field("x", "BYTES", (-1,))):
        with pytest.raises(Problem):
            contract(field).prepare([Given("x", data, "x")])


def test_rows_must_be_equally_many():
    two = contract(Field("a", "FP32", (-1,)), Field("b", "FP32", (-1,)))
    with pytest.raises(Problem, match="has 2 rows"):
        two.prepare([Given("a", [1], "a"), Given("b", [1, 2], "b")])


def test_optional_inputs_may_be_left_out_but_not_all():
    either = contract(
        Field("a", "FP32", (-1,), optional=True), Field("b", "BYTES", (-1,), optional=True)
    )
    assert either.prepare([Given("b", ["x"], "b")]).rows == 1
    with pytest.raises(Problem, match="No input"):
        either.prepare([])


def test_an_input_twice_is_refused():
    one = contract(Field("a", "FP32", (-1,)))
    with pytest.raises(Problem, match="twice"):
        one.prepare([Given("a", [1], "a"), Given("a", [1], "a")])


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=20))
def test_texts_go_over_the_wire_and_back(values: list[str]):
    packed = arrays.packed_texts(values)
    assert arrays.unpacked_texts(packed, len(values), "x") == values
    (tensor,) = contract(Field("x", "BYTES", (-1,))).prepare([Given("x", values, "x")]).inputs
    assert (tensor.data, tensor.shape) == (packed, (len(values),))


@given(st.binary(max_size=60), st.integers(0, 5))
def test_any_bytes_are_texts_or_refused(data: bytes, elements: int):
    try:
        found = arrays.unpacked_texts(data, elements, "x")
    except Problem as problem:
        assert problem.status == 400  # noqa: PT017 - or it is taken
    else:
        assert arrays.packed_texts(found) == data


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@given(JSON, st.sampled_from([*arrays.TYPES, "BYTES"]), st.sampled_from([(-1,), (-1, 2), (-1, -1)]))
def test_any_json_is_taken_or_refused_with_its_field(data: object, datatype: str, shape: tuple):
    one = contract(
        Field("x", datatype, shape), Field("p", "UINT8", (-1, 4), True, image=True, side=2)
    )
    for given_ in (Given("x", data, "x"), Given("x", data, "x", datatype, (1, 2))):
        for more in ([], [Given("p", data, "p")]):
            try:
                found = one.prepare([given_, *more])
            except Problem as problem:
                assert (problem.status, bool(problem.field)) == (400, True)  # noqa: PT017 - or it is taken
            else:
                assert found.rows >= 1
                assert len(found.columns) == 1 + len(more)


@given(JSON)
def test_any_rows_and_columns_are_taken_or_refused(data: object):
    fields = {"x": Field("x", "FP32", (-1, 1))}
    for read in (rows_given, columns_given):
        try:
            assert all(one.where for one in read(data, fields))
        except Problem as problem:
            assert problem.field  # noqa: PT017 - or it is taken


@given(
    st.sampled_from([(3, 3), (2, 2, 3), (2, 2, 4), (9,), (12,)]).flatmap(
        lambda shape: hnp.arrays(np.uint8, (2, *shape))
    )
)
def test_pictures_go_out_and_in_again(array: np.ndarray):
    shape = array.shape[1:]
    side = {9: 3, 12: 2}.get(shape[0]) if len(shape) == 1 else None
    field = Field("x", "UINT8", (-1, *shape), image=True, side=side)
    drawn = pictures.packed(field, array)
    assert drawn is not None
    assert (pictures.unpacked(field, drawn, "x") == array).all()


def test_a_picture_is_scaled_to_the_bounds_of_its_field():
    field = Field("x", "FP32", (-1, 1, 2), image=True, min=-1, max=1)
    drawn = pictures.packed(field, np.array([[[-1.0, 1.0]]], np.float32))
    found = pictures.unpacked(field, drawn, "x")
    assert found.tolist() == [[[-1.0, 1.0]]]


@pytest.mark.parametrize("shape", [(-1, 2, 2, 2), (-1, 5), (-1, -1, -1)])
def test_what_has_no_size_is_no_picture(shape: tuple[int, ...]):
    field = Field("x", "FP32", shape, image=True)
    assert pictures.size_of(field) is None
    refused(field, ["aGVsbG8="])


def test_pictures_are_counted_before_they_are_unpacked():
    """A PNG of one colour is a thousand times as large when it is unpacked."""
    column = Field("picture", "FP32", (-1, 512, 512, 3), image=True)
    with pytest.raises(Problem, match="too large") as problem:
        pictures.unpacked(column, ["no PNG at all"] * 50, "rows[].picture")
    assert (problem.value.status, problem.value.field) == (400, "rows[].picture")
    with pytest.raises(Problem, match="not base64"):
        pictures.unpacked(column, ["no PNG at all"] * 5, "rows[].picture")

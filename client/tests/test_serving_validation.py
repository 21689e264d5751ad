import math
from typing import Any

import numpy as np
import pytest
from mlops_client.serving import info, validation
from mlops_client.serving.frames import ColumnError
from mlops_client.serving.info import Info, LoadError
from mlops_client.serving.validation import AnswerError
from serving_bundles import column, told

KNOWN = info.parsed(
    told(
        inputs=[
            column("x", "FP32", 2, min=0.0, max=1.0),
            column("kind", "INT64", optional=True, choices=[1, 2]),
            column("word", "BYTES", optional=True, choices=["a", "b"]),
        ],
        outputs=[column("y", "FP32"), column("name", "BYTES")],
        example={"x": [[0.5, 1]], "kind": [1.0]},
    )
)


def asked(**changed: Any) -> dict[str, np.ndarray]:
    return {"x": np.full((2, 2), 0.5, np.float32), **changed}


def test_a_request_as_told_has_so_many_rows():
    assert validation.checked(KNOWN, asked()) == 2
    words = np.array(["a", "b"], dtype=object)
    assert validation.checked(KNOWN, asked(kind=np.array([1, 2]), word=words)) == 2


@pytest.mark.parametrize(
    ("changed", "field", "said"),
    [
        ({"z": np.zeros(2)}, "z", "no column 'z'; there is x, kind, word"),
        ({"x": np.zeros((2, 2))}, "x", "FP64, not FP32"),
        ({"x": np.zeros((2, 3), np.float32)}, "x", r"\[2, 3\], not \[-1, 2\]"),
        ({"x": np.zeros(2, np.float32)}, "x", "shape"),
        ({"x": np.zeros((), np.float32)}, "x", "shape"),
        ({"x": np.full((2, 2), np.nan, np.float32)}, "x", "no finite"),
        ({"x": np.full((2, 2), np.inf, np.float32)}, "x", "no finite"),
        ({"x": np.full((2, 2), -1, np.float32)}, "x", "below 0"),
        ({"x": np.full((2, 2), 2, np.float32)}, "x", "above 1"),
        ({"kind": np.array([1, 3])}, "kind", "'3', which is none of 1, 2"),
        ({"kind": np.array([1])}, "kind", "1 rows, another one has 2"),
        ({"word": np.array(["a", "c"], dtype=object)}, "word", "'c'"),
        ({"x": np.zeros((0, 2), np.float32)}, "x", "No row"),
    ],
)
def test_a_request_that_is_not_as_told_names_the_column(
    changed: dict[str, np.ndarray], field: str, said: str
):
    with pytest.raises(ColumnError, match=said) as caught:
        validation.checked(KNOWN, asked(**changed))
    assert caught.value.field == field


def test_a_missing_column_is_named():
    with pytest.raises(ColumnError, match="'x' is missing"):
        validation.checked(KNOWN, {"kind": np.array([1])})
    optional = info.parsed(told(inputs=[column("x", "FP32", optional=True)]))
    with pytest.raises(ColumnError, match="give one of x"):
        validation.checked(optional, {})


def test_an_answer_is_put_in_order_and_into_the_types_told_of():
    said = {"more": [1, 2], "name": np.array(["a", "b"]), "y": np.array([1, 2])}
    answer = validation.answered(KNOWN, said, 2)
    assert list(answer) == ["y", "name", "more"]
    assert answer["y"].dtype == np.float32


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"y": np.zeros(2)}, "lacks the column 'name'"),
        (np.zeros(2), "lacks"),
        ({"y": np.zeros(3), "name": ["a", "b"]}, "3 in 'y' for 2 rows"),
        ({"y": 1.0, "name": ["a", "b"]}, "one value"),
        ({"y": np.array(["a", "b"]), "name": ["a", "b"]}, "not FP32"),
        ({"y": np.zeros(2), "name": [1, 2]}, "not BYTES"),
        ({"y": np.zeros(2, complex), "name": ["a", "b"]}, "not FP32"),
    ],
)
def test_another_answer_than_told_is_the_models_fault(answer: Any, said: str):
    with pytest.raises(AnswerError, match=said):
        validation.answered(KNOWN, answer, 2)


def test_an_array_is_the_one_column_that_is_told_of():
    only = info.parsed(told())
    assert validation.answered(only, np.zeros(2), 2)["y"].shape == (2,)


def test_the_example_is_the_bundles_or_made_from_the_schema():
    example = validation.example(KNOWN)
    assert example["x"].dtype == np.float32
    assert example["kind"].tolist() == [1]
    made = validation.example(info.parsed(told(inputs=[column("t", "BYTES", example="hello")])))
    assert made["t"].tolist() == ["hello"]
    zeros = validation.example(info.parsed(told(inputs=[column("x", "INT8", 3, min=2)])))
    assert zeros["x"].tolist() == [[2, 2, 2]]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("no list", "must be a list"),
        ([[0.5, 1], [0.5]], "not rectangular"),
        ([["a", "b"]], "FP32"),
        ([[True, False]], "FP32"),
        ([[None, 1]], "FP32"),
        ([{"a": 1}], "FP32"),
    ],
)
def test_lists_that_are_no_column_are_refused(values: Any, said: str):
    with pytest.raises(ColumnError, match=said):
        validation.from_lists(KNOWN, {"x": values})


@pytest.mark.parametrize("values", [[1.5], [2**70], [-1e300], [math.inf], ["1"], [True]])
def test_only_whole_numbers_become_whole_numbers(values: list[Any]):
    with pytest.raises(ColumnError, match="INT64"):
        validation.from_lists(KNOWN, {"kind": values})


def test_lists_become_texts_and_answers_become_lists():
    with pytest.raises(ColumnError, match="texts"):
        validation.from_lists(KNOWN, {"word": [3]})
    with pytest.raises(ColumnError, match="no column 'q'"):
        validation.from_lists(KNOWN, {"q": [3]})
    assert validation.from_lists(KNOWN, {"word": ["a"]})["word"].tolist() == ["a"]
    answer = {"y": np.array([1.0, np.nan]), "n": np.array(["a", "b"])}
    assert validation.to_lists(answer) == {"y": [1.0, None], "n": ["a", "b"]}


def test_a_warm_answer_must_be_finite_and_of_its_shape():
    only = info.parsed(told(outputs=[column("y", "FP32", 2)]))
    validation.check_warm(only, {"y": np.zeros((1, 2))})
    with pytest.raises(AnswerError, match="finite"):
        validation.check_warm(only, {"y": np.full((1, 2), np.nan)})
    with pytest.raises(AnswerError, match="shape"):
        validation.check_warm(only, {"y": np.zeros((1, 3))})


@pytest.mark.parametrize(
    "changed", [{"v": 2}, {"fixed_batches": [0]}, {"inputs": [{"name": "x"}]}, {"inputs": 3}]
)
def test_a_bundle_of_another_form_is_refused_with_what_to_do(tmp_path, changed: dict[str, Any]):
    import json

    (tmp_path / "serving.json").write_text(json.dumps(told(**changed)))
    with pytest.raises(LoadError, match="not what this version reads") as caught:
        info.read(tmp_path)
    assert "again" in caught.value.hint


def test_a_bundle_without_its_file_is_refused(tmp_path):
    with pytest.raises(LoadError, match="cannot be read"):
        info.read(tmp_path)


def test_unknown_keys_are_of_a_later_version():
    assert isinstance(info.parsed(told(later=3)), Info)

"""What a version takes and answers, from its signature and its contract."""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import BundleError
from services.projects.serving import Serve
from services.serving import interface, skops_types
from services.serving.models import BundleInfo, Field
from tests.services.serving.packages import contract, good, mlmodel, project

MANIFEST = {"project": "toy", "model": "net", "version": 1, "run_id": None, "git_commit": None,
            "data_revision": None}  # fmt: skip
LABEL = {"name": "label", "type": "long"}


def tensor(name: str | None, dtype: str, *shape: int) -> dict[str, object]:
    spec = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}}
    return spec | ({"name": name} if name else {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path / "toy")


def info(
    folder: Path, takes: list, gives: list, config: object = None, **serve: object
) -> BundleInfo:
    model = folder.parent / "model"
    model.mkdir(exist_ok=True)
    signature = {"inputs": json.dumps(takes), "outputs": json.dumps(gives)}
    files = good() | {"MLmodel": mlmodel(signature=signature)}
    if config is not None:
        files["config.json"] = json.dumps(config).encode()
    for name, content in files.items():
        (model / name).write_bytes(content)
    return interface.info(MANIFEST, model, contract(**serve), folder)


@pytest.mark.parametrize(
    ("said", "datatype", "shape", "optional"),
    [
        ({"name": "x", "type": "string"}, "BYTES", (-1,), False),
        ({"name": "x", "type": "double", "required": False}, "FP64", (-1,), True),
        ({"name": "x", "type": "float"}, "FP32", (-1,), False),
        ({"name": "x", "type": "long"}, "INT64", (-1,), False),
        ({"name": "x", "type": "integer", "required": True}, "INT32", (-1,), False),
        ({"name": "x", "type": "boolean"}, "BOOL", (-1,), False),
        ({"name": "x", "type": "datetime"}, "BYTES", (-1,), False),
        ({"name": "x", "type": "array", "items": {"type": "double"}}, "FP64", (-1, -1), False),
        (
            {
                "name": "x",
                "type": "array",
                "items": {"type": "array", "items": {"type": "string"}},
            },
            "BYTES",
            (-1, -1, -1),
            False,
        ),
        (tensor("x", "float32", -1, 8, 8), "FP32", (-1, 8, 8), False),
        (tensor("x", "uint8", -1), "UINT8", (-1,), False),
        (tensor("x", "<U12", -1), "BYTES", (-1,), False),
        (tensor("x", "float16", -1, -1), "FP16", (-1, -1), False),
    ],
)
def test_every_type_of_a_signature_has_one_of_requests(
    folder: Path, said: dict, datatype: str, shape: tuple, optional: bool
):
    [field] = info(folder, [said], [LABEL]).inputs
    assert (field.name, field.datatype, field.shape, field.optional) == (
        "x", datatype, shape, optional,
    )  # fmt: skip


@pytest.mark.parametrize(
    "said",
    [
        {"name": "x", "type": "object", "properties": {}},
        {"name": "x", "type": "map", "values": {"type": "string"}},
        {"name": "x", "type": "any"},
        {"name": "x"},
        {"name": "x", "type": "array", "items": {"type": "object"}},
        {"name": "x", "type": "array", "items": "long"},
        tensor("x", "float32", 8, 8),
        tensor("x", "float32"),
        tensor("x", "complex64", -1),
        tensor("x", "float32", -1, -2),
    ],
)
def test_what_no_request_can_carry_is_said(folder: Path, said: dict):
    with pytest.raises(BundleError, match="that no request can carry"):
        info(folder, [said], [LABEL])


def test_tensors_without_names_have_names(folder: Path):
    made = info(folder, [tensor(None, "float32", -1, 4)], [tensor(None, "int64", -1)])
    assert ([f.name for f in made.inputs], [f.name for f in made.outputs]) == (
        ["input"], ["output"],
    )  # fmt: skip
    two = [tensor(None, "float32", -1, 4), tensor(None, "int64", -1)]
    assert [f.name for f in info(folder, two, [LABEL]).inputs] == ["input_0", "input_1"]


@pytest.mark.parametrize(
    ("inputs", "outputs", "kind", "batchable"),
    [
        (["x"], ["label", "confidence"], "classifier", True),
        (["x"], ["embedding"], "embeddings", True),
        (["x"], ["image"], "images", True),
        (["text"], ["continuation"], "text", True),
        (["prompt"], ["completion"], "text", True),
        (["text"], ["label", "confidence"], "classifier", True),
        (["x"], ["y"], "rows", False),
    ],
)
def test_names_of_columns_tell_what_a_model_is_for(
    folder: Path, inputs: list, outputs: list, kind: str, batchable: bool
):
    made = info(
        folder,
        [{"name": name, "type": "string"} for name in inputs],
        [{"name": name, "type": "string"} for name in outputs],
    )
    assert (made.interface, made.batchable) == (kind, batchable)


def test_the_contract_has_the_last_word(folder: Path):
    inputs = [{"name": "x", "type": "double"}]
    made = info(
        folder, inputs, [LABEL], interface="images", title="T", batchable=False,
        fixed_batches=[1, 4], backend="cpu", inputs={"x": {"datatype": "FP32", "title": "X"}},
        outputs={"label": {"title": "L", "choices": [1, 2]}},
    )  # fmt: skip
    assert (made.interface, made.title, made.batchable) == ("images", "T", False)
    assert (made.fixed_batches, made.preferred_backend) == ((1, 4), "cpu")
    assert (made.inputs[0].datatype, made.inputs[0].title) == ("FP32", "X")
    assert (made.outputs[0].title, made.outputs[0].choices) == ("L", (1, 2))


def test_a_contract_that_tells_of_another_column_is_said(folder: Path):
    with pytest.raises(BundleError, match="tells of the input 'y', which net version 1 does not"):
        info(folder, [LABEL], [LABEL], inputs={"y": {"title": "?"}})
    with pytest.raises(BundleError, match="tells of the output 'y'"):
        info(folder, [LABEL], [LABEL], outputs={"y": {"title": "?"}})


def test_a_torch_model_is_named_and_the_projects_own(folder: Path):
    said = info(folder, [LABEL], [LABEL], torch="toy.net:on_torch")
    assert said.torch_entry == "toy.net:on_torch"
    assert info(folder, [LABEL], [LABEL]).torch_entry == ""
    with pytest.raises(BundleError, match="no module of its project"):
        info(folder, [LABEL], [LABEL], torch="shutil:rmtree")


def test_a_torch_model_of_other_weights_is_refused(folder: Path):
    model = folder.parent / "onnx"
    model.mkdir()
    signature = {"inputs": json.dumps([LABEL]), "outputs": json.dumps([LABEL])}
    flavors = {"onnx": {"data": "model.onnx"}}
    (model / "MLmodel").write_bytes(mlmodel(flavors, signature=signature))
    (model / "model.onnx").write_bytes(b"graph")
    with pytest.raises(BundleError, match="rebuilt from the weights of an MLX model alone"):
        interface.info(MANIFEST, model, contract(torch="toy.net:on_torch"), folder)


def test_a_stream_of_somebody_else_is_refused(folder: Path):
    with pytest.raises(BundleError, match="no module of its project's folder"):
        info(folder, [LABEL], [LABEL], stream="shutil:rmtree")


@pytest.mark.parametrize(
    ("config", "bits"),
    [
        ({}, None),
        ({"bits": 4}, 4),
        ({"bits": {"first": 8, "head": 2}}, 2),
        ({"bits": {}}, None),
        ({"quantization": {"bits": 8, "group_size": 64}}, 8),
        ({"bits": "four"}, None),
        ({"bits": True}, None),
        ({"bits": 64}, None),
    ],
)
def test_bits_are_what_the_configuration_says(folder: Path, config: dict, bits: int | None):
    assert info(folder, [LABEL], [LABEL], config=config).quantised_bits == bits


def test_the_contracts_own_example_is_taken(folder: Path):
    inputs = [LABEL, {"name": "x", "type": "double", "required": False}]
    made = info(folder, inputs, [LABEL], example={"label": [1, 2]})
    assert made.example == {"label": [1, 2]}


@pytest.mark.parametrize("example", [{"x": [1]}, {"label": [1], "z": [1]}])
def test_an_example_of_other_columns_is_said(folder: Path, example: dict):
    inputs = [LABEL, {"name": "x", "type": "double", "required": False}]
    with pytest.raises(BundleError, match="does not fit its inputs"):
        info(folder, inputs, [LABEL], example=example)


def test_only_optional_columns_still_make_an_example(folder: Path):
    inputs = [{"name": name, "type": "long", "required": False} for name in "ab"]
    assert info(folder, inputs, [LABEL]).example == {"a": [0]}


def test_few_shot_needs_to_know_what_is_asked(folder: Path):
    with pytest.raises(BundleError, match="learns from the rows"):
        info(folder, [LABEL], [LABEL], interface="few-shot")
    made = info(
        folder, [tensor("x", "float32", -1, 4), LABEL], [LABEL], interface="few-shot",
        asked="?", inputs={"label": {"choices": ["?", "a", "b"], "datatype": "BYTES"}},
    )  # fmt: skip
    assert made.example["label"] == ["a", "b", "?"]
    assert not made.batchable


def test_a_row_that_is_too_large_for_a_request_is_said(folder: Path):
    with pytest.raises(BundleError, match="too many for a request"):
        info(folder, [tensor("x", "float32", -1, 4096, 4096)], [LABEL])


NUMBERS = {"INT8": np.int8, "INT64": np.int64, "UINT8": np.uint8, "FP32": np.float32,
           "FP64": np.float64, "INT32": np.int32}  # fmt: skip


@given(
    datatype=st.sampled_from(sorted(NUMBERS)),
    bounds=st.tuples(st.none() | st.integers(0, 50), st.none() | st.integers(51, 120)),
    sizes=st.lists(st.sampled_from([-1, 1, 3, 8]), max_size=3),
    image=st.booleans(),
    which=st.integers(0, 20),
)
def test_an_example_is_within_bounds_and_of_the_columns_shape(
    datatype: str, bounds: tuple, sizes: list[int], image: bool, which: int
):
    field = Field("x", datatype, (-1, *sizes), min=bounds[0], max=bounds[1], image=image)
    made = np.asarray(interface._value(field, which))
    assert made.shape == tuple(4 if size == -1 else size for size in sizes)
    assert np.isfinite(made.astype(float)).all()
    assert (made == made.astype(NUMBERS[datatype])).all()
    low, high = field.min, field.max
    assert low is None or made.min() >= low
    assert high is None or made.max() <= high


@pytest.mark.parametrize("sizes", [(64,), (8, 8), (8, 8, 3)])
def test_pictures_of_different_classes_differ(sizes: tuple[int, ...]):
    field = Field("x", "FP32", (-1, *sizes), image=True, side=8 if len(sizes) == 1 else None)
    made = [np.asarray(interface._value(field, which)) for which in range(10)]
    assert {one.shape for one in made} == {sizes}
    assert len({one.tobytes() for one in made}) == 10
    assert all(one.min() >= 0 and one.max() == 1 for one in made)


def test_choices_come_first():
    field = Field("x", "INT64", (-1,), choices=(3, 5))
    assert [interface._value(field, which) for which in range(3)] == [3, 5, 3]
    assert interface._value(Field("x", "BOOL", (-1,))) is False
    assert isinstance(interface._value(Field("x", "BYTES", (-1,))), str)
    assert not math.isnan(interface._value(Field("x", "FP64", (-1,))))


def test_info_round_trips_as_json(folder: Path):
    made = info(folder, [tensor("x", "float32", -1, 64)], [LABEL],
                inputs={"x": {"image": True, "choices": [0, 1]}})  # fmt: skip
    assert made.inputs[0].side == 8
    assert BundleInfo.from_json(json.loads(json.dumps(made.as_json()))) == made


@pytest.mark.skipif(
    importlib.util.find_spec("mlops_client.serving") is None, reason="no model server in the client"
)
def test_the_model_server_trusts_the_same_types():
    from mlops_client.serving.formats import skops

    assert skops_types.TRUSTED == skops.TRUSTED


def test_no_table_is_an_empty_one():
    assert Serve() == Serve.model_validate({})

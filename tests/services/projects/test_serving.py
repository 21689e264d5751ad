"""The table of a contract about serving a model."""

from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from services.projects.contract import look, require
from services.projects.serving import Column, Interface, Serve
from services.serving.models import Backend, InterfaceKind
from tests.services.projects.test_projects import GOOD, make

FULL = """
[tool.mlops.serve."my model"]
interface = "classifier"
title = "Reads digits"
fixed_batches = [1, 8, 32]
backend = "mlx"
inputs.pixels = { title = "Digit", image = true, side = 8, min = 0, max = 1, shape = [-1, 64] }
inputs.text = { example = "abc" }
outputs.label = { choices = [0, 1, "none"] }
example = { text = ["a", "b"] }
"""


def test_the_table_reads(tmp_path: Path):
    contract = look(make(tmp_path, "a", GOOD + FULL)).contract
    assert contract is not None
    told = contract.serve["my model"]
    assert (told.interface, told.title, told.fixed_batches) == (
        "classifier", "Reads digits", (1, 8, 32),
    )  # fmt: skip
    assert told.inputs["pixels"] == Column(
        title="Digit", image=True, side=8, min=0, max=1, shape=(-1, 64)
    )
    assert told.outputs["label"].choices == (0, 1, "none")
    assert told.example == {"text": ["a", "b"]}


def test_it_may_be_left_out(tmp_path: Path):
    contract = look(make(tmp_path, "a")).contract
    assert contract is not None
    assert contract.serve == {}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"interface": "oracle"}, "'rows', 'classifier'"),
        ({"stream": "no function"}, "not written module:function"),
        ({"stream": "os:system()"}, "not written module:function"),
        ({"torch": "torch"}, "not written module:function"),
        ({"stream": "a.b:c", "interface": "images"}, "stream is for text"),
        ({"fixed_batches": [8, 1]}, "rise, each once"),
        ({"fixed_batches": [1, 1]}, "rise, each once"),
        ({"fixed_batches": [0]}, "greater than or equal to 1"),
        ({"interface": "few-shot", "batchable": True}, "belong together"),
        ({"interface": "few-shot", "fixed_batches": [1]}, "belong together"),
        ({"backend": "tpu"}, "'mlx', 'mps'"),
        ({"unknown": 1}, "Extra inputs"),
        ({"title": "a\nb"}, "should match pattern"),
        ({"inputs": {"x": {"shape": [3]}}}, "begins with -1"),
        ({"inputs": {"x": {"shape": []}}}, "begins with -1"),
        ({"inputs": {"x": {"min": 2, "max": 1}}}, "min 2 is above max 1"),
        ({"inputs": {"x": {"min": float("nan")}}}, "finite number"),
        ({"inputs": {"x": {"side": 8}}}, "side is for pictures"),
        ({"inputs": {"x": {"datatype": "FP8"}}}, "'BOOL'"),
        ({"example": {"a": [1], "b": [1, 2]}}, "different numbers of rows"),
    ],
)
def test_what_is_wrong_is_said(said: dict, why: str):
    with pytest.raises(ValidationError, match=why):
        Serve.model_validate(said)


def test_a_broken_table_is_a_reason_of_the_project(tmp_path: Path):
    text = GOOD + '[tool.mlops.serve.net]\ninterface = "oracle"\n'
    [reason] = look(make(tmp_path, "a", text)).reasons
    assert reason.startswith("[tool.mlops] serve.net.interface: input should be 'rows'")


def test_interfaces_and_backends_are_those_of_serving():
    assert get_args(Interface) == get_args(InterfaceKind)
    backend = Serve.model_fields["backend"].annotation
    assert set(get_args(get_args(backend)[0])) == set(get_args(Backend))


def test_the_nine_projects_say_how_their_models_are_served():
    root = Path(__file__).parents[3] / "projects"
    told = {folder.name[:2]: require(folder).serve for folder in sorted(root.glob("0*"))}
    kinds = {number: [one.interface for one in serve.values()] for number, serve in told.items()}
    assert kinds == {
        "01": ["classifier"], "02": ["images"], "03": ["text"], "04": ["classifier"],
        "05": ["embeddings"], "06": ["classifier"], "07": ["images"], "08": ["few-shot"],
        "09": ["images"],
    }  # fmt: skip
    for serve in told.values():
        for one in serve.values():
            assert one.title
            assert all(column.title for column in (*one.inputs.values(), *one.outputs.values()))

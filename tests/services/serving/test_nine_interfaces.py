"""The nine projects' models: each becomes a bundle, and it answers its bundle's example."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from services.home import Home
from services.projects.contract import require
from services.serving import bundle
from services.serving.bundle import Bundle
from services.serving.models import BundleInfo
from tests.services.serving import tiny_models
from tests.services.serving.packages import package

ASK = """
import json, sys
import numpy as np
from pathlib import Path
from mlops_client.mlx import load_model

folder = Path(sys.argv[1])
info = json.loads((folder / "serving.json").read_bytes())
kinds = {"BYTES": object, "FP32": np.float32, "FP64": np.float64, "INT64": np.int64}
types = {field["name"]: kinds[field["datatype"]] for field in info["inputs"]}
columns = {name: np.array(rows, types[name]) for name, rows in info["example"].items()}
answers = load_model(folder / "model")(columns)
told = {
    name: {
        "shape": list(np.shape(column)),
        "kind": np.asarray(column).dtype.kind,
        "bits": np.asarray(column).dtype.itemsize * 8,
        "finite": bool(np.isfinite(column).all()) if np.asarray(column).dtype.kind == "f" else True,
    }
    for name, column in answers.items()
}
try:
    from mlops_client.serving import loading
except ImportError:
    pass  # the model server is not part of this client
else:
    loading.load(folder, root=Path.cwd()).warm_up()
print(json.dumps(told))
"""
KINDS = {"BYTES": "OUS", "FP32": "f", "FP64": "f", "INT64": "i"}
EXPECTED = {
    "01": ("classifier", True, ["text"], None),
    "02": ("images", True, ["label", "seed"], None),
    "03": ("text", True, ["text"], 4),
    "04": ("classifier", True, ["pixels"], None),
    "05": ("embeddings", True, ["image", "text"], None),
    "06": ("classifier", True, ["image"], None),
    "07": ("images", True, ["label", "seed"], None),
    "08": ("few-shot", False, ["pixels", "label"], None),
    "09": ("images", True, ["label", "seed"], None),
}
WITH_TORCH = {"02", "04", "06"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    """Return the bundle of a project, built once."""
    root = tmp_path_factory.mktemp("nine")
    known: dict[str, Bundle] = {}

    def build(number: str) -> Bundle:
        if number not in known:
            folder = tiny_models.PROJECTS[number]
            contract = require(folder)
            [model] = contract.serve
            files = tiny_models.save(number, root / number)
            packed = package(Home(root / "home"), files, contract.id, model, 1)
            known[number] = bundle.of_package(packed, Home(root / "home"), folder, contract)
        return known[number]

    return build


@pytest.mark.slow
@pytest.mark.parametrize("number", sorted(tiny_models.PROJECTS))
def test_every_project_is_served_as_what_it_is_for(made, number: str):
    info = made(number).info
    interface, batchable, inputs, bits = EXPECTED[number]
    assert (info.interface, info.batchable) == (interface, batchable)
    assert [field.name for field in info.inputs] == inputs
    assert (info.flavor, info.format, info.technique) == ("mlx", "safetensors", "untrained")
    assert info.torch_entry.endswith(".serving_torch:predictor") == (number in WITH_TORCH)
    assert info.quantised_bits == bits
    assert info.weights_bytes == (made(number).model / "model.safetensors").stat().st_size
    assert BundleInfo.from_json(json.loads(json.dumps(info.as_json()))) == info


@pytest.mark.slow
@pytest.mark.parametrize("number", sorted(tiny_models.PROJECTS))
def test_the_model_answers_its_example_as_its_outputs_say(made, number: str):
    there = made(number)
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(there.folder)],
        cwd=tiny_models.PROJECTS[number],
        env=tiny_models.environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    rows = len(next(iter(there.info.example.values())))
    assert set(told) == {field.name for field in there.info.outputs}
    for field in there.info.outputs:
        answer = told[field.name]
        assert answer["finite"]
        assert answer["kind"] in KINDS[field.datatype], field
        assert len(answer["shape"]) == len(field.shape)
        assert answer["shape"] == [rows, *field.shape[1:]]


@pytest.mark.slow
def test_a_few_shot_example_teaches_every_class_and_asks_one_row(made):
    example = made("08").info.example
    assert example["label"] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1]
    pictures = [tuple(row) for row in example["pixels"]]
    assert len(set(pictures)) == 10
    assert {len(row) for row in pictures} == {64}


@pytest.mark.slow
def test_pictures_are_known_as_pictures(made):
    by_name = {
        number: [f for f in (*made(number).info.inputs, *made(number).info.outputs) if f.image]
        for number in ("02", "04", "05", "06", "08")
    }
    sides = {
        number: [(f.name, f.shape, f.side) for f in found] for number, found in by_name.items()
    }
    assert sides == {
        "02": [("image", (-1, 8, 8), None)],
        "04": [("pixels", (-1, 64), 8)],
        "05": [("image", (-1, 64), 8)],
        "06": [("image", (-1, 64), 8)],
        "08": [("pixels", (-1, 64), 8)],
    }


def test_the_bundles_of_this_test_were_made_of_all_nine():
    assert sorted(EXPECTED) == sorted(tiny_models.PROJECTS)
    assert all(isinstance(folder, Path) for folder in tiny_models.PROJECTS.values())

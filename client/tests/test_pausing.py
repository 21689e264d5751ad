"""A training that asks whether to save its state, and a stored model that is asked two rows."""

import json
from pathlib import Path

import mlops_client
import numpy as np
import pytest
from mlops_client import pausing
from mlops_client.smoke import ROWS, SmokeError, checked, sample


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLOPS_PAUSE", str(tmp_path))
    pausing._listen.cache_clear()
    return tmp_path


def test_outside_the_platform_nobody_asks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MLOPS_PAUSE", raising=False)
    assert mlops_client.checkpoint_requested() is False
    mlops_client.checkpoint_saved()


def test_a_request_is_heard_until_the_state_is_saved_and_the_next_one_again(folder: Path):
    assert mlops_client.checkpoint_requested() is False
    assert (folder / "listening").exists()
    mlops_client.checkpoint_saved("too early")
    assert not (folder / "saved.json").exists()
    (folder / "request.json").write_text('{"number": 1, "why": "It is hot."}')
    assert mlops_client.checkpoint_requested() is True
    assert mlops_client.checkpoint_requested() is True
    mlops_client.checkpoint_saved(Path("models/checkpoint"))
    assert json.loads((folder / "saved.json").read_text()) == {
        "number": 1,
        "where": "models/checkpoint",
    }
    assert mlops_client.checkpoint_requested() is False
    (folder / "request.json").write_text('{"number": 2, "why": "It is hot."}')
    assert mlops_client.checkpoint_requested() is True
    (folder / "request.json").unlink()
    assert mlops_client.checkpoint_requested() is False


@pytest.mark.parametrize("text", ["", "{", "[]", '{"number": "x"}'])
def test_a_broken_request_is_none(folder: Path, text: str):
    (folder / "request.json").write_text(text)
    assert mlops_client.checkpoint_requested() is False


def test_a_folder_that_is_gone_stops_no_training(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLOPS_PAUSE", str(folder / "gone"))
    assert mlops_client.checkpoint_requested() is False
    mlops_client.checkpoint_saved()


def test_rows_are_made_from_the_signature():
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec
    from mlflow.types.schema import Array

    rows = sample(Schema([ColSpec("long", "label"), ColSpec("long", "seed", required=False)]))
    assert {name: list(column) for name, column in rows.items()} == {"label": [0, 1]}
    tensors = sample(Schema([TensorSpec(np.dtype("float32"), (-1, 3), "x")]))
    assert (tensors["x"].shape, tensors["x"].dtype) == ((ROWS, 3), np.dtype("float32"))
    images = ColSpec(Array(DataType.double), "image", required=False)
    either = sample(Schema([images, ColSpec("string", "text", required=False)]))
    assert list(either) == ["text"]
    with pytest.raises(SmokeError, match="image is of the type"):
        sample(Schema([ColSpec(Array(DataType.double), "image")]))
    with pytest.raises(SmokeError, match="No row can be made"):
        sample(Schema([images]))


def test_an_answer_without_a_signature_must_have_rows_of_finite_numbers():
    assert checked(np.ones((ROWS, 4)), None) == ["answer"]
    for wrong in (np.ones(3), 1.0, {}, np.array([1.0, np.inf])):
        with pytest.raises(SmokeError):
            checked(wrong, None)

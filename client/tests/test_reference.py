"""Evaluation data as training logs it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pytest
from mlops_client import reference
from mlops_client.reference import log_reference


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def log_artifact(path: str, artifact_path: str) -> None:
        found["place"] = f"{artifact_path}/{Path(path).name}"
        found.update(json.loads(Path(path).read_bytes()))

    tags = {"mlops.data.revision": "abc"}
    run = SimpleNamespace(info=SimpleNamespace(run_id="r"), data=SimpleNamespace(tags=tags))
    monkeypatch.setattr(mlflow, "active_run", lambda: run)
    monkeypatch.setattr(mlflow, "get_run", lambda _: run)
    monkeypatch.setattr(mlflow, "log_artifact", log_artifact)
    return found


def test_columns_are_kept_row_by_row_with_labels_and_the_data_revision(logged):
    pixels = np.arange(6, dtype=np.float32).reshape(2, 3)
    pixels[1, 1] = np.nan
    kept = log_reference(
        inputs={"pixels": pixels, "text": ["a", "b"]},
        outputs={"label": np.array([1, 0])},
        labels=np.array([1, 1]),
        ignored=["seed"],
    )
    assert kept == 2
    assert logged == {
        "place": "reference/reference.json", "v": 1, "rows": 2, "data_revision": "abc",
        "inputs": {"pixels": [[0.0, 1.0, 2.0], [3.0, None, 5.0]], "text": ["a", "b"]},
        "outputs": {"label": [1, 0]}, "labels": [1, 1], "ignored": ["seed"],
    }  # fmt: skip


def test_of_many_rows_a_sample_is_kept_and_rows_stay_together(logged, monkeypatch):
    rows = np.arange(5000)
    assert log_reference(inputs={"x": rows}, outputs={"y": rows * 2}) == reference.MOST_ROWS
    assert logged["labels"] is None
    assert [2 * x for x in logged["inputs"]["x"]] == logged["outputs"]["y"]
    monkeypatch.setattr(reference, "MOST_VALUES", 500)
    assert log_reference(inputs={"x": np.zeros((100, 9))}, outputs={"y": np.zeros(100)}) == 50


@pytest.mark.parametrize("labels", [[1], [], [1, 2, 3]])
def test_columns_of_other_lengths_are_refused(logged, labels):
    with pytest.raises(ValueError, match="a value a row"):
        log_reference(inputs={"x": [1, 2]}, outputs={"y": [1, 2]}, labels=labels)
    with pytest.raises(ValueError, match="a value a row"):
        log_reference(inputs={"x": []}, outputs={"y": []})


def test_without_a_run_it_says_so(monkeypatch):
    monkeypatch.setattr(mlflow, "active_run", lambda: None)
    with pytest.raises(RuntimeError, match="active run"):
        log_reference(inputs={"x": [1]}, outputs={"y": [1]})

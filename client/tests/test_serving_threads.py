from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from mlops_client.serving.frames import ColumnError
from mlops_client.serving.info import LoadError
from mlops_client.serving.threads import ModelThread
from mlops_client.serving.validation import AnswerError
from serving_bundles import CLASSIFIER, classifier, imported


@pytest.fixture
def model(tmp_path: Path) -> Iterator[ModelThread]:
    with imported(CLASSIFIER):
        one = ModelThread(classifier(tmp_path / "b"), root=CLASSIFIER)
        yield one
        one.close()


def test_it_is_asked_from_many_threads(model: ModelThread):
    rows = np.random.default_rng(0).random((40, 64), np.float32)
    whole = model.predict({"pixels": rows})
    with ThreadPoolExecutor(8) as pool:
        parts = pool.map(lambda n: model.predict({"pixels": rows[n : n + 1]}), range(40))
        labels = [part["label"][0] for part in parts]
    assert labels == whole["label"].tolist()
    assert model.backend == "mlx"
    assert "MLX first" in model.backend_reason


def test_it_takes_and_gives_json(model: ModelThread):
    answer = model.predict_lists({"pixels": [[0] * 64, [0.5] * 64]})
    assert {name: len(values) for name, values in answer.items()} == {"label": 2, "confidence": 2}
    with pytest.raises(ColumnError, match="FP32"):
        model.predict_lists({"pixels": ["a"]})
    with pytest.raises(ColumnError, match="above 1"):
        model.predict({"pixels": np.full((1, 64), 2, np.float32)})


def test_what_cannot_be_loaded_is_raised(tmp_path: Path):
    with imported(CLASSIFIER):
        with pytest.raises(LoadError, match="not in the project's folder"):
            ModelThread(classifier(tmp_path / "a", entry="os:system"), root=CLASSIFIER)
        with pytest.raises(ColumnError, match="no column 'x'"):
            ModelThread(classifier(tmp_path / "b", example={"x": [1]}), root=CLASSIFIER)
        wrong = {"outputs": [{"name": "other", "datatype": "FP32", "shape": [-1]}]}
        with pytest.raises(AnswerError, match="lacks the column 'other'"):
            ModelThread(classifier(tmp_path / "c", **wrong), root=CLASSIFIER)

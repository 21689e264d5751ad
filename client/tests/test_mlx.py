import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import mlx.core as mx
import numpy as np
import pytest
from mlflow.entities import Metric
from mlflow.models.signature import infer_signature
from mlops_client import mlx
from mlops_client.mlx import CONFIG, WEIGHTS, TrainingLogger, load_model, log_model, save_model

SERVE = """
import mlx.core as mx
import numpy as np

def build(weights, config):
    def predict(rows):
        return np.array(mx.array(np.asarray(rows, dtype=np.float32)) @ weights["w"] * config["k"])
    return predict
"""
SIGNATURE = infer_signature(np.zeros((1, 2), np.float32), np.zeros((1, 1), np.float32))


class Recorder:
    """Takes the batches of MLflow's client."""

    def __init__(self) -> None:
        self.batches: list[list[Metric]] = []

    def __call__(self) -> "Recorder":
        return self

    def log_batch(self, run_id: str, metrics: list[Metric]) -> None:
        assert run_id == "r"
        self.batches.append(metrics)

    def points(self, key: str) -> list[tuple[int, float]]:
        return [(m.step, m.value) for batch in self.batches for m in batch if m.key == key]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    taken = Recorder()
    monkeypatch.setattr(mlflow, "MlflowClient", taken)
    return taken


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "toy_serving.py").write_text(SERVE)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("toy_serving", None)


def saved(folder: Path, **changed: Any) -> Path:
    given: dict[str, Any] = {
        "weights": {"w": mx.array([[1.0], [2.0]])},
        "config": {"k": 3},
        "entry": "toy_serving:build",
        "signature": SIGNATURE,
        "metadata": {"task": "toy"},
    }
    save_model(folder, **(given | changed))
    return folder


def test_steps_are_sent_in_batches_and_the_rest_at_the_end(recorder: Recorder):
    with TrainingLogger(log_every=4, run_id="r") as log:
        for number in range(10):
            log.step(loss=number / 2, samples=8, accuracy=0.5)
    assert len(recorder.batches) == 3
    assert recorder.points("loss") == [(number, number / 2) for number in range(10)]
    assert recorder.points("accuracy") == [(number, 0.5) for number in range(10)]
    assert all(value > 0 for _, value in recorder.points("samples_per_s"))
    assert all(value >= 0 for _, value in recorder.points("step_time_ms"))
    assert recorder.points("tokens_per_s") == []


def test_memory_is_mlxs_own_once_a_batch(recorder: Recorder):
    kept = mx.zeros((256, 256))
    mx.eval(kept)
    with TrainingLogger(log_every=2, run_id="r") as log:
        for _ in range(4):
            log.step(loss=1.0)
    assert [step for step, _ in recorder.points("mlx_active_bytes")] == [1, 3]
    assert recorder.points("mlx_active_bytes")[0][1] >= kept.nbytes
    assert recorder.points("mlx_peak_bytes")[0][1] >= kept.nbytes


def test_a_loss_that_is_not_evaluated_yet_is_read_when_it_is_sent(recorder: Recorder):
    class Lazy:
        read = 0

        def __float__(self) -> float:
            Lazy.read += 1
            return 2.0

    log = TrainingLogger(log_every=3, run_id="r")
    log.step(loss=Lazy())
    log.step(loss=Lazy())
    assert Lazy.read == 0
    log.step(loss=mx.array(2.0))
    assert recorder.points("loss") == [(0, 2.0), (1, 2.0), (2, 2.0)]


def test_steps_before_a_failure_are_sent(recorder: Recorder):
    def train() -> None:
        with TrainingLogger(run_id="r", first_step=7) as log:
            log.step(loss=1.0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()
    assert recorder.points("loss") == [(7, 1.0)]


def test_without_an_active_run_the_sentence_says_what_to_do():
    with pytest.raises(RuntimeError, match=r"mlflow\.start_run"), TrainingLogger():
        pass
    with pytest.raises(RuntimeError, match=r"mlflow\.start_run"):
        log_model(name="m", weights={}, config={}, entry="a:b", signature=SIGNATURE)


def test_a_model_is_safetensors_json_and_mlmodel_alone(project: Path):
    folder = saved(project / "model")
    assert sorted(file.name for file in folder.iterdir()) == ["MLmodel", CONFIG, WEIGHTS]
    assert json.loads((folder / CONFIG).read_text()) == {"k": 3}
    text = (folder / "MLmodel").read_text()
    assert "loader_module: mlops_client.mlx" in text
    assert "entry: toy_serving:build" in text
    assert "task: toy" in text
    assert mx.load(str(folder / WEIGHTS))["w"].tolist() == [[1.0], [2.0]]


def test_a_saved_model_predicts_again(project: Path):
    predict = load_model(saved(project / "model"))
    assert predict(np.array([[1, 1], [0, 1]])).tolist() == [[9.0], [6.0]]


def test_numpy_weights_do_as_well(project: Path):
    weights = {"w": np.array([[1.0], [2.0]], np.float32)}
    assert load_model(saved(project / "m", weights=weights))([[1, 1]]).tolist() == [[9.0]]


# MLflow warns about types of its own while its pyfunc module is imported.
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")
def test_pyfunc_loads_it_and_checks_the_signature(project: Path):
    model = mlflow.pyfunc.load_model(str(saved(project / "model")))
    assert model.predict(np.array([[1, 1]], np.float32)).tolist() == [[9.0]]
    with pytest.raises(mlflow.MlflowException):
        model.predict(np.array([["a", "b"]]))


def test_a_data_frame_reaches_the_predictor_as_an_array_or_by_column():
    import pandas as pd

    wrapper = mlx._Wrapper(lambda rows: rows)
    assert wrapper.predict(pd.DataFrame({"a": [1, 2]})).tolist() == [[1], [2]]
    two = wrapper.predict(pd.DataFrame({"a": [1], "b": [2]}))
    assert {name: column.tolist() for name, column in two.items()} == {"a": [1], "b": [2]}


@pytest.mark.parametrize("entry", ["serve", "serve:", ":build"])
def test_an_entry_that_names_no_function_is_refused(project: Path, entry: str):
    with pytest.raises(ValueError, match="module:function"):
        saved(project / "model", entry=entry)


def test_a_folder_of_another_flavour_is_refused(project: Path):
    folder = saved(project / "model")
    (folder / "MLmodel").write_text("flavors:\n  sklearn: {}\n")
    with pytest.raises(ValueError, match="no model of the flavour mlx"):
        load_model(folder)

"""Formats beside MLX: real files where their packages are here, refusals where they are not."""

import functools
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mlops_client.serving import formats, memory
from mlops_client.serving.backends import Machine, choose, here
from mlops_client.serving.formats import safetensors
from mlops_client.serving.formats.skops import TRUSTED
from mlops_client.serving.info import Info, LoadError, parsed
from mlops_client.serving.loading import load
from serving_bundles import CLASSIFIER, classifier, column, imported, told

DIGITS = {"interface": "classifier", "inputs": [column("pixels", "FP32", 64)],
          "outputs": [column("label", "INT64"), column("confidence", "FP32")]}  # fmt: skip
HERE = Machine(mlx=True, metal=True, working_set_bytes=1000, torch=("mps", "cpu"))
ON_TORCH = "toy_torch:on_torch"
SMALL = parsed(told(weights_bytes=900, torch_entry=ON_TORCH))
LARGE = parsed(told(weights_bytes=901, torch_entry=ON_TORCH))
PLAIN = parsed(told(weights_bytes=901))


def without_mlx(*torch: str) -> Machine:
    return Machine(mlx=False, metal=False, working_set_bytes=None, torch=torch)


def bundle(folder: Path, format_name: str, **said: Any) -> Path:
    import json

    (folder / "model").mkdir()
    text = json.dumps(told(**{"format": format_name, "entry": "", **DIGITS, **said}))
    (folder / "serving.json").write_text(text)
    return folder


def digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    found = load_digits()
    return (found.data / 16).astype(np.float32), found.target


def dumped(path: Path, estimator: Any) -> Any:
    skops_io = pytest.importorskip("skops.io")
    skops_io.dump(estimator, path)
    return estimator


@pytest.mark.parametrize("name", ["LogisticRegression", "RandomForest", "Boosting", "Pipeline"])
def test_scikit_learn_models_answer_as_they_did(tmp_path: Path, name: str):
    pytest.importorskip("skops")
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    made = {
        "LogisticRegression": LogisticRegression(max_iter=1000),
        "RandomForest": RandomForestClassifier(10, random_state=0),
        "Boosting": HistGradientBoostingClassifier(max_iter=3),
        "Pipeline": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    }[name]
    x, y = digits()
    folder = bundle(tmp_path, "skops")
    dumped(folder / "model" / "model.skops", made.fit(x, y))
    loaded = load(folder)
    answer = loaded.predict({"pixels": x[:50]})
    assert answer["label"].tolist() == made.predict(x[:50]).tolist()
    chances = made.predict_proba(x[:50]).max(axis=1)
    np.testing.assert_allclose(answer["confidence"], chances, rtol=1e-5)
    assert loaded.backend == "cpu"
    assert "scikit-learn runs on the CPU" in loaded.backend_reason


def test_a_model_of_named_columns_gets_them_by_name(tmp_path: Path):
    pd = pytest.importorskip("pandas")
    from sklearn.linear_model import LinearRegression

    table = pd.DataFrame({"a": [1.0, 2, 3], "b": [1.0, 5, 2]})
    folder = bundle(
        tmp_path, "skops", interface="rows", outputs=[column("y", "FP64")],
        inputs=[column("b", "FP64"), column("a", "FP64")],
    )  # fmt: skip
    made = dumped(folder / "model" / "m.skops", LinearRegression().fit(table, [1, 2, 3]))
    asked = {"b": np.array([4.0]), "a": np.array([2.0])}
    assert load(folder).predict(asked)["y"][0] == pytest.approx(
        made.predict(pd.DataFrame({"a": [2.0], "b": [4.0]}))[0]
    )


def test_a_transformer_answers_what_it_makes(tmp_path: Path):
    pytest.importorskip("skops")
    from sklearn.decomposition import PCA

    x, _ = digits()
    folder = bundle(
        tmp_path, "skops", interface="embeddings", outputs=[column("embedding", "FP32", 3)]
    )
    made = dumped(folder / "model" / "m.skops", PCA(3).fit(x))
    answer = load(folder).predict({"pixels": x[:4]})["embedding"]
    np.testing.assert_allclose(answer, made.transform(x[:4]), rtol=1e-4)


@pytest.mark.parametrize("function", [os.system, functools.partial(print, "x"), eval])
def test_a_file_with_a_strange_type_is_refused_and_nothing_of_it_runs(
    tmp_path: Path, function: Any
):
    pytest.importorskip("skops")
    from sklearn.preprocessing import FunctionTransformer

    folder = bundle(tmp_path, "skops")
    dumped(folder / "model" / "m.skops", FunctionTransformer(function))
    with pytest.raises(LoadError, match="types that are not trusted") as caught:
        load(folder)
    assert "ONNX" in caught.value.hint


def test_what_is_trusted_is_scikit_learns_alone():
    assert all(name.startswith("sklearn.") for name in TRUSTED)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_no_skops_is_refused(tmp_path: Path, content: bytes):
    pytest.importorskip("skops")
    folder = bundle(tmp_path, "skops")
    (folder / "model" / "m.skops").write_bytes(content)
    with pytest.raises(LoadError, match="skops does not take"):
        load(folder)


@pytest.mark.parametrize("format_name", ["skops", "onnx", "booster"])
@pytest.mark.parametrize("count", [0, 2])
def test_one_file_is_needed(tmp_path: Path, format_name: str, count: int):
    ending = {"skops": "skops", "onnx": "onnx", "booster": "ubj"}[format_name]
    folder = bundle(tmp_path, format_name)
    for number in range(count):
        (folder / "model" / f"{number}.{ending}").write_bytes(b"")
    with pytest.raises(LoadError, match=f"{count} files of the format"):
        load(folder)


@pytest.mark.parametrize(
    ("format_name", "file", "package"),
    [
        ("skops", "m.skops", "skops"),
        ("onnx", "m.onnx", "onnxruntime"),
        ("booster", "m.json", "xgboost"),
        ("booster", "m.ubj", "xgboost"),
        ("booster", "m.txt", "lightgbm"),
    ],
)
def test_a_missing_package_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_name: str, file: str, package: str
):
    folder = bundle(tmp_path, format_name)
    (folder / "model" / file).write_bytes(b"{}")
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, f"{package}.io", None)
    with pytest.raises(LoadError, match=package) as caught:
        load(folder)
    assert f"uv add {package}" in caught.value.hint


@pytest.mark.parametrize("format_name", ["skops", "booster"])
def test_what_runs_on_the_cpu_alone_says_so(tmp_path: Path, format_name: str):
    with pytest.raises(LoadError, match="does not run on cuda"):
        load(bundle(tmp_path, format_name), "cuda")


@pytest.mark.parametrize("name", ["pickle", "", "joblib", "../x", "torch"])
def test_other_formats_are_not_served(name: str):
    with pytest.raises(LoadError, match="is not served"):
        formats.loader(name)


def test_an_onnx_model_answers_as_onnxruntime_does(tmp_path: Path):
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    folder = bundle(tmp_path, "onnx", outputs=[column("logits", "FP32", 10)], interface="rows")
    w = np.random.default_rng(0).random((64, 10), np.float32)
    made = onnx.helper
    batch = made.make_tensor_value_info("pixels", 1, ["n", 64])
    graph = made.make_graph(
        [made.make_node("MatMul", ["pixels", "w"], ["out"])], "g", [batch],
        [made.make_tensor_value_info("out", 1, ["n", 10])], [onnx.numpy_helper.from_array(w, "w")],
    )  # fmt: skip
    model = made.make_model(graph, opset_imports=[made.make_opsetid("", 13)], ir_version=9)
    onnx.save(model, str(folder / "model" / "m.onnx"))
    loaded = load(folder)
    x, _ = digits()
    np.testing.assert_allclose(loaded.predict({"pixels": x[:3]})["logits"], x[:3] @ w, rtol=1e-4)
    assert loaded.backend == "cpu"
    with pytest.raises(LoadError, match="does not run on mps"):
        load(folder, "mps")
    (folder / "model" / "m.onnx").write_bytes(b"nonsense")
    with pytest.raises(LoadError, match="onnxruntime does not take"):
        load(folder)


def test_boosters_of_xgboost_answer_as_they_did(tmp_path: Path):
    xgboost = pytest.importorskip("xgboost")
    x, y = digits()
    made = xgboost.train({"objective": "multi:softprob", "num_class": 10}, xgboost.DMatrix(x, y), 3)
    folder = bundle(tmp_path, "booster")
    made.save_model(str(folder / "model" / "model.json"))
    answer = load(folder).predict({"pixels": x[:20]})
    chances = made.predict(xgboost.DMatrix(x[:20]))
    assert answer["label"].tolist() == chances.argmax(axis=1).tolist()
    np.testing.assert_allclose(answer["confidence"], chances.max(axis=1), rtol=1e-5)
    (folder / "model" / "model.json").write_text("{}")
    with pytest.raises(LoadError, match="xgboost does not take"):
        load(folder)


def test_boosters_of_lightgbm_answer_as_they_did(tmp_path: Path):
    lightgbm = pytest.importorskip("lightgbm")
    x, y = digits()
    data = lightgbm.Dataset(x, (y > 4).astype(int))
    made = lightgbm.train({"objective": "binary", "verbose": -1}, data, 3)
    folder = bundle(tmp_path, "booster")
    made.save_model(str(folder / "model" / "model.txt"))
    answer = load(folder).predict({"pixels": x[:20]})
    assert answer["label"].tolist() == (made.predict(x[:20]) > 0.5).astype(int).tolist()
    (folder / "model" / "model.txt").write_text("nonsense")
    with pytest.raises(LoadError, match="lightgbm does not take"):
        load(folder)


@pytest.mark.parametrize(
    ("info", "wanted", "here", "backend", "said"),
    [
        (SMALL, "auto", HERE, "mlx", "MLX first"),
        (LARGE, "auto", HERE, "mps", "more than 90 %"),
        (PLAIN, "auto", HERE, "mlx", "no torch model, so"),
        (
            LARGE,
            "auto",
            replace(HERE, torch=()),
            "mlx",
            "Torch is not in the project's environment",
        ),
        (SMALL, "auto", without_mlx("cuda", "cpu"), "cuda", "not in the"),
        (SMALL, "auto", without_mlx("cpu"), "cpu", "torch has cpu"),
        (SMALL, "mlx", HERE, "mlx", "person chose MLX"),
        (SMALL, "cpu", HERE, "cpu", "person chose cpu"),
    ],
)
def test_the_backend_is_chosen_by_the_rule_and_says_why(
    info: Info, wanted: str, here: Machine, backend: str, said: str
):
    choice = choose(info, wanted, here)
    assert choice.backend == backend
    assert said in choice.reason


@pytest.mark.parametrize(
    ("info", "wanted", "here", "said"),
    [
        (SMALL, "auto", without_mlx(), "Torch is not in the project's environment either"),
        (PLAIN, "auto", without_mlx("cpu"), "no torch model either"),
        (SMALL, "mlx", without_mlx("cpu"), "MLX was chosen"),
        (PLAIN, "mps", HERE, "has no torch model"),
        (SMALL, "mps", without_mlx(), "needs torch, which is not in the project's environment"),
        (SMALL, "cuda", HERE, "torch has mps, cpu here"),
        (SMALL, "tpu", HERE, "no backend 'tpu'"),
    ],
)
def test_a_backend_that_cannot_be_is_refused(info: Info, wanted: str, here: Machine, said: str):
    with pytest.raises(LoadError, match=said) as caught:
        choose(info, wanted, here)
    assert caught.value.hint


def test_weights_are_read_without_mlx_too(tmp_path: Path):
    import mlx.core as mx

    kinds = [mx.float32, mx.float16, mx.bfloat16, mx.int64, mx.uint8, mx.int8, mx.bool_, mx.uint32]
    tensors = {str(kind): mx.array([[1, 0], [3, 1]]).astype(kind) for kind in kinds}
    mx.save_safetensors(str(tmp_path / "w.safetensors"), tensors)
    read = safetensors.arrays(tmp_path / "w.safetensors")
    assert set(read) == set(tensors)
    for name, values in tensors.items():
        assert read[name].tolist() == values.tolist()
    (tmp_path / "w.safetensors").write_bytes(b"\xff" * 20)
    with pytest.raises(LoadError, match="no safetensors"):
        safetensors.arrays(tmp_path / "w.safetensors")


@pytest.fixture
def toy_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A torch that has a CPU, and no model code of its own: which one is chosen is what matters."""
    torch = ModuleType("torch")
    no = ModuleType("no")
    no.is_available = lambda: False
    torch.cuda, torch.backends = no, ModuleType("backends")
    torch.backends.mps = no
    torch.threads = []
    torch.set_num_threads = torch.threads.append
    monkeypatch.setitem(sys.modules, "torch", torch)
    yield torch
    sys.modules.pop("toy_torch", None)


def test_a_torch_model_beside_mlx_gets_weights_and_device(tmp_path: Path, toy_torch: ModuleType):
    import mlx.core as mx

    folder = bundle(
        tmp_path, "safetensors", entry="toy_torch:build", torch_entry=ON_TORCH,
        inputs=[column("x", "FP32", 2)], outputs=[column("y", "FP32")],
    )  # fmt: skip
    mx.save_safetensors(str(folder / "model" / "model.safetensors"), {"w": mx.array([2.0])})
    project = tmp_path / "project"
    project.mkdir()
    (project / "toy_torch.py").write_text(
        "def build(weights, config):\n    raise AssertionError\n"
        "def on_torch(weights, config, device):\n"
        "    assert device == 'cpu'\n"
        "    return lambda columns: columns['x'][:, 0] * weights['w'][0]\n"
    )
    loaded = load(folder, "cpu", root=project)
    assert loaded.predict({"x": np.ones((3, 2), np.float32)})["y"].tolist() == [2, 2, 2]
    assert loaded.backend == "cpu"
    assert toy_torch.threads == [1], "the weights are small"
    with pytest.raises(LoadError, match="torch has cpu here"):
        load(folder, "mps", root=project)
    sys.path.remove(str(project))


def test_torch_is_looked_for_only_where_it_matters(toy_torch: ModuleType):
    toy_torch.cuda = None  # whoever looks, fails
    assert here(SMALL, "auto").torch == here(SMALL, "mlx").torch == ()
    with pytest.raises(AttributeError):
        here(SMALL, "cpu")


def test_a_gpu_of_torch_is_limited_and_measured(monkeypatch: pytest.MonkeyPatch):
    """Played: there is no such GPU on the machines that test."""
    given: dict[str, float] = {}
    mps = SimpleNamespace(
        recommended_max_memory=lambda: 1 << 40,
        set_per_process_memory_fraction=lambda share: given.update(mps=share),
        driver_allocated_memory=iter([300, 200]).__next__,
    )
    there, gone = (
        SimpleNamespace(is_available=lambda: True),
        SimpleNamespace(is_available=lambda: False),
    )
    torch = SimpleNamespace(mps=mps, cuda=gone, backends=SimpleNamespace(mps=there))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(memory, "_seen", [])
    memory.limit(1 << 39, "mps")
    assert 0.4 < given["mps"] < 0.5
    assert [memory.measured()["torch_peak_bytes"] for _ in range(2)] == [300, 300]
    memory.limit(0, "mps")
    monkeypatch.delitem(sys.modules, "torch")
    assert memory.measured()["torch_peak_bytes"] is None


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("config.json", "{", "no JSON"),
        ("config.json", "[]", "no JSON object"),
        ("model.safetensors", None, "no weights"),
        ("model.safetensors", "nonsense", "cannot be rebuilt"),
    ],
)
def test_a_broken_bundle_is_refused(tmp_path: Path, file: str, content: str | None, said: str):
    folder = classifier(tmp_path / "b")
    path = folder / "model" / file
    path.unlink()
    if content is not None:
        path.write_text(content)
    with imported(CLASSIFIER), pytest.raises(LoadError, match=said) as caught:
        load(folder, root=CLASSIFIER)
    assert caught.value.hint

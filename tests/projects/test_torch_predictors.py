"""Predictors on PyTorch answer as those on MLX do, from the same weights as files hold them."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlops_client.serving.formats.safetensors import arrays
from mlx.utils import tree_flatten

from tests.projects.conftest import PROJECTS

COMPRESSION, DIFFUSION = "04_CPU_Compression", "02_Stable_Diffusion"
FEDERATED = "06_Federated_Learning"
Load = Callable[[str, str], ModuleType]


@pytest.fixture
def torch() -> ModuleType:
    reason = "torch is not in this environment (on Linux by choice)"
    return pytest.importorskip("torch", reason=reason)


@pytest.fixture
def both(project_module: Load, tmp_path: Path, torch: ModuleType):
    """Return what MLX and torch answer to the same question, from the same file."""

    def ask(project: str, package: str, weights: Any, config: Any, question: Any) -> list[Any]:
        mx.random.seed(0)
        path = tmp_path / "model.safetensors"
        mx.save_safetensors(str(path), weights)
        on_mlx = project_module(project, f"{package}.serving").predictor(mx.load(str(path)), config)
        module = project_module(project, f"{package}.serving_torch")
        on_torch = module.predictor(arrays(path), config, "cpu")
        return [on_mlx(question), on_torch(question)]

    return ask


def close(answers: list[dict[str, np.ndarray]]) -> None:
    on_mlx, on_torch = answers
    assert on_mlx.keys() == on_torch.keys()
    for name, values in on_mlx.items():
        assert on_torch[name].dtype == values.dtype
        np.testing.assert_allclose(on_torch[name], values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["dense", "low-rank", "pruned"])
def test_a_compressed_classifier(both, project_module: Load, kind: str):
    network, storage, serving = (
        project_module(COMPRESSION, f"compression.{name}")
        for name in ("network", "storage", "serving")
    )
    widths = (64, 40, 32, 10)
    model = network.Classifier(widths)
    if kind == "low-rank":
        model = project_module(COMPRESSION, "compression.factors").factored(model, widths, 6)
    if kind == "pruned":
        pruning = project_module(COMPRESSION, "compression.pruning")
        pruning.apply_masks(model, pruning.magnitude_masks(model, 0.9))
    tensors, config = storage.to_tensors(model), serving.configuration(model, widths)
    assert any(name.endswith(".counts") for name in tensors) == (kind == "pruned")
    assert any(rank for rank in config["ranks"]) == (kind == "low-rank")
    pixels = np.random.default_rng(0).random((33, 64), np.float32)
    close(both(COMPRESSION, "compression", tensors, config, {"pixels": pixels}))


@pytest.mark.parametrize(("eta", "guidance"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.5)])
def test_a_denoiser(both, project_module: Load, eta: float, guidance: float):
    model = project_module(DIFFUSION, "diffusion.network").Denoiser(32, 3)
    config = {"width": 32, "blocks": 3, "timesteps": 40,
              "sampler": {"steps": 6, "eta": eta, "guidance": guidance}}  # fmt: skip
    asked = {"label": np.arange(10), "seed": np.arange(10)}
    answers = both(DIFFUSION, "diffusion", dict(tree_flatten(model.parameters())), config, asked)
    close(answers)
    assert answers[0]["image"].std() > 0.05


def test_a_federated_classifier(both, project_module: Load):
    weights = project_module(FEDERATED, "federated.model").initial_weights(16, 0)
    tensors = {name: mx.array(array) for name, array in weights.items()}
    pixels = np.random.default_rng(0).random((9, 64))
    close(both(FEDERATED, "federated", tensors, {}, {"image": pixels}))


def test_what_is_wrong_is_said_as_on_mlx(project_module: Load, torch: ModuleType):
    weights = project_module(FEDERATED, "federated.model").initial_weights(4, 0)
    predict = project_module(FEDERATED, "federated.serving_torch").predictor(weights, {}, "cpu")
    with pytest.raises(ValueError, match="64 pixels each"):
        predict(np.zeros((2, 63)))


@pytest.mark.parametrize(
    ("project", "module"),
    [(COMPRESSION, "compression"), (DIFFUSION, "diffusion"), (FEDERATED, "federated")],
)
def test_a_torch_predictor_needs_nothing_of_mlx(project: str, module: str):
    with without("mlx", PROJECTS / project):
        __import__(f"{module}.serving_torch")


@contextmanager
def without(package: str, folder: Path) -> Iterator[None]:
    """Have a package be missing, and a project's folder first on the path."""
    kept = {name: one for name, one in sys.modules.items() if name.partition(".")[0] == package}
    before = set(sys.modules) - kept.keys()
    for name in kept:
        del sys.modules[name]
    sys.modules[package] = None  # type: ignore[assignment]
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            del sys.modules[name]
        sys.modules.update(kept)

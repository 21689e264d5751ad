"""Bundles of real models of the projects, with initial weights, made without the platform."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

PROJECTS = Path(__file__).parents[2] / "projects"
CLASSIFIER = PROJECTS / "04_CPU_Compression"
TEXT = PROJECTS / "03_Quantized_Optimization"


@contextmanager
def imported(project: Path) -> Iterator[None]:
    """Let a project's code be imported, and forget it again."""
    before = set(sys.modules)
    sys.path.insert(0, str(project))
    try:
        yield
    finally:
        while str(project) in sys.path:
            sys.path.remove(str(project))
        for name in set(sys.modules) - before:
            origin = getattr(sys.modules[name], "__file__", None)
            if origin and Path(origin).is_relative_to(PROJECTS):
                del sys.modules[name]


def column(name: str, datatype: str, *shape: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [-1, *shape], **more}


def told(**changed: Any) -> dict[str, Any]:
    return {
        "v": 1, "project": "toy", "model": "toy", "version": 1, "interface": "rows",
        "format": "safetensors", "inputs": [column("x", "FP32", 2)],
        "outputs": [column("y", "FP32")], "entry": "toy_serving:build", "batchable": True,
        **changed,
    }  # fmt: skip


def written(folder: Path, weights: dict[str, mx.array], config: Any, said: dict[str, Any]) -> Path:
    (folder / "model").mkdir(parents=True)
    mx.save_safetensors(str(folder / "model" / "model.safetensors"), weights)
    (folder / "model" / "config.json").write_text(json.dumps(config))
    (folder / "serving.json").write_text(json.dumps(said))
    return folder


def classifier(folder: Path, **changed: Any) -> Path:
    """Write project 04's classifier."""
    with imported(CLASSIFIER):
        from compression import network, serving, storage

        mx.random.seed(0)
        model = network.Classifier(network.DENSE)
        weights, config = storage.to_tensors(model), serving.configuration(model, network.DENSE)
    said = told(
        project="cpu-compression", model="digits", interface="classifier",
        inputs=[column("pixels", "FP32", 64, min=0.0, max=1.0)],
        outputs=[column("label", "INT64"), column("confidence", "FP32")],
        entry="compression.serving:predictor", fixed_batches=[1, 8, 32],
        example={"pixels": np.linspace(0, 1, 128).reshape(2, 64).tolist()},
    )  # fmt: skip
    return written(folder, weights, config, said | changed)


def text(folder: Path, **changed: Any) -> Path:
    """Write project 03's character model."""
    with imported(TEXT):
        from mlx.utils import tree_flatten
        from quantization import model as models
        from quantization import serving

        mx.random.seed(0)
        shape = models.Shape()
        model = models.CharacterModel(shape, models.plain)
        weights = dict(tree_flatten(model.parameters()))
        config = serving.configuration(shape, {}, 32)
    said = told(
        project="quantized-optimization", model="text", interface="text",
        inputs=[column("text", "BYTES")],
        outputs=[column("continuation", "BYTES"), column("bits_per_character", "FP64")],
        entry="quantization.serving:predictor", stream="quantization.serving:streamer",
        example={"text": ["def main("]},
    )  # fmt: skip
    return written(folder, weights, config, said | changed)

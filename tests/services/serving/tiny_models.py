"""Real models of the nine projects with the weights they begin with: as registered, never trained.

Run in a project's folder: ``python …/tiny_models.py FOLDER`` saves its model there.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
PROJECTS = {folder.name[:2]: folder for folder in sorted((ROOT / "projects").glob("0*"))}


def environment() -> dict[str, str]:
    """Return an environment in which a project finds our client."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_"))}
    return kept | {"PYTHONPATH": str(ROOT / "client" / "src"), "PYTHONDONTWRITEBYTECODE": "1"}


def save(number: str, folder: Path) -> Path:
    """Save a project's model into a folder, as ``log_model`` uploads it."""
    subprocess.run(
        [sys.executable, __file__, str(folder)],
        cwd=PROJECTS[number],
        env=environment() | {"PYTHONPATH": f"{ROOT / 'client' / 'src'}{os.pathsep}."},
        check=True,
        timeout=100,
    )
    return folder


def _lora() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    from lora import corpus, serving
    from lora.classifier import Classifier
    from lora.encoder import MiniLM
    from lora.tokenizer import PADDING

    words = [
        "open",
        "a",
        "connection",
        "to",
        "the",
        "server",
        "and",
        "return",
        "its",
        "socket",
        ".",
    ]
    vocabulary = [PADDING, "[UNK]", "[CLS]", "[SEP]", *words]
    config = {"labels": list(corpus.LABELS), "longest": 32, "vocabulary": vocabulary}
    return serving.stored(MiniLM(), Classifier([])), config


def _denoiser(package: str, config: dict[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    from importlib import import_module

    from mlx.utils import tree_flatten

    model = import_module(f"{package}.network").Denoiser(config["width"], config["blocks"])
    return dict(tree_flatten(model.parameters())), config


def _characters() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    from mlx.utils import tree_flatten
    from quantization import serving
    from quantization.model import CharacterModel, Shape, plain
    from quantization.plans import LAYERS, quantise

    bits, model = dict.fromkeys(LAYERS, 4), CharacterModel(Shape(), plain)
    quantise(model, bits, 32)
    return dict(tree_flatten(model.parameters())), serving.configuration(Shape(), bits, 32)


def _compressed() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    from compression import serving
    from compression.network import STUDENT, Classifier
    from compression.storage import to_tensors

    model = Classifier(STUDENT)
    return to_tensors(model), serving.configuration(model, STUDENT)


def _towers() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    from mlx.utils import tree_flatten
    from twotower.captions import UNKNOWN, vocabulary
    from twotower.towers import TwoTowers

    known = vocabulary()
    model = TwoTowers(len(known) + UNKNOWN + 1)
    return dict(tree_flatten(model.parameters())), {"vocabulary": known}


def _federated() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    from federated.model import initial_weights

    return initial_weights(32, 0), {"width": 32}


def _meta() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    import mlx.core as mx
    from meta import serving
    from meta.learning import Inner
    from meta.network import adapters, initial

    base = initial()
    base = {name: mx.random.normal(array.shape) * 0.1 for name, array in base.items()}
    inner = Inner(lora=True, steps=8, learning_rate=0.1, alpha=8.0)
    return base | adapters(base, 4), serving.configuration(inner, 8)


_SAMPLER = {"steps": 3, "eta": 0.0, "guidance": 0.0}
_PATH = [[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]]
_MADE: Mapping[str, Callable[[], tuple[Mapping[str, Any], Mapping[str, Any]]]] = {
    "01": _lora,
    "02": lambda: _denoiser(
        "diffusion", {"width": 32, "blocks": 2, "timesteps": 20, "sampler": _SAMPLER}
    ),
    "03": _characters,
    "04": _compressed,
    "05": _towers,
    "06": _federated,
    "07": lambda: _denoiser("adaptive", {"width": 32, "blocks": 2, "path": _PATH}),
    "08": _meta,
    "09": lambda: _denoiser("selfimprove", {"width": 32, "blocks": 3, "sampling_steps": 3}),
}


def _main(folder: Path) -> None:
    from importlib import import_module

    from mlops_client.mlx import save_model

    number = Path.cwd().name[:2]
    train = import_module("train")
    weights, config = _MADE[number]()
    entry = train.serving.ENTRY
    save_model(
        folder,
        weights=weights,
        config=config,
        entry=entry,
        signature=train.SIGNATURE,
        metadata={"technique": "untrained"},
    )


if __name__ == "__main__":
    _main(Path(sys.argv[1]))

"""MLX weights as safetensors: the project's own code rebuilds the predictor around them."""

import importlib
import importlib.util
import inspect
import json
from collections.abc import Callable, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mlops_client.serving.backends import Choice, choose, here
from mlops_client.serving.info import Info, LoadError
from mlops_client.serving.model import Model, Streamer

CONFIG = "config.json"
_FEW_BYTES = 32 << 20
"""Weights below this are computed by one thread of torch: products so small gain little by a second
one, which on a busy machine has to be waited for."""
COMPILE = "compiled"
"""The keyword by which an entry takes what wraps its forward function."""


def load(folder: Path, info: Info, wanted: str, root: Path) -> Model:
    """Return the model on MLX, or on torch where the project has a torch model.

    Raises:
        LoadError: There are no weights, the entry is not the project's, or no backend is there.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise LoadError("The bundle has no weights (*.safetensors).", "Build the bundle again.")
    config = _config(folder / CONFIG)
    choice = choose(info, wanted, here(info, wanted))
    if choice.backend != "mlx":
        return _on_torch(files, config, info, choice, root)
    import mlx.core as mx

    weights: dict[str, Any] = {}
    for file in files:
        tensors: Any = mx.load(str(file))
        weights.update(tensors)
    build = function(info.entry, root)
    options, compiled = _compiled(build)
    predictor = build(weights, config, **options)
    streamer: Streamer | None = None
    if info.stream:
        make = function(info.stream, root)
        streamer = make(weights, config, **(_compiled(make)[0]))
    return Model(predictor, "mlx", choice.reason, streamer, compiled)


def _config(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        return {}
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LoadError(f"{file.name} is no JSON: {error}.", "Build the bundle again.") from error
    if not isinstance(said, dict):
        raise LoadError(f"{file.name} is no JSON object.", "Build the bundle again.")
    return said


def _compiled(build: Callable[..., Any]) -> tuple[dict[str, Any], bool]:
    """Return what tells an entry to compile: on Metal alone, where it takes no C++ compiler."""
    import mlx.core as mx

    if COMPILE not in inspect.signature(build).parameters or not mx.metal.is_available():
        return {}, False
    return {COMPILE: mx.compile}, True


def _on_torch(
    files: list[Path], config: Mapping[str, Any], info: Info, choice: Choice, root: Path
) -> Model:
    if choice.backend == "cpu" and info.weights_bytes < _FEW_BYTES:
        import torch

        torch.set_num_threads(1)
    weights: dict[str, np.ndarray] = {}
    for file in files:
        weights |= arrays(file)
    predictor = function(info.torch_entry, root)(weights, config, choice.backend)
    return Model(predictor, choice.backend, choice.reason)


def arrays(file: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a safetensors file without MLX; bfloat16 becomes float32.

    Raises:
        LoadError: It is no such file.
    """
    raw = file.read_bytes()
    try:
        size = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + size])
        data = memoryview(raw)[8 + size :]
        return {
            name: _array(one["dtype"], one["shape"], data[slice(*one["data_offsets"])])
            for name, one in header.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError) as error:
        raise LoadError(f"{file.name} is no safetensors file: {error}.") from error


def _array(dtype: str, shape: list[int], data: memoryview) -> np.ndarray:
    if dtype == "BF16":
        wide = np.frombuffer(data, "<u2").astype("<u4") << 16
        return wide.view("<f4").reshape(shape)
    kinds = {"BOOL": "?", "F16": "<f2", "F32": "<f4", "F64": "<f8"}
    name = kinds.get(dtype) or f"<{'u' if dtype[0] == 'U' else 'i'}{int(dtype.lstrip('UI')) // 8}"
    return np.frombuffer(data, name).reshape(shape)


def function(entry: str, root: Path) -> Callable[..., Any]:
    """Return the function ``module:function`` of a project.

    Raises:
        LoadError: It is not in the project, or does not exist.
    """
    module, colon, name = entry.partition(":")
    if not (colon and module and name.isidentifier()):
        raise LoadError(f"The entry is {entry!r}, not module:function.", "Register it again.")
    try:
        found = getattr(_module(module, root), name, None)
    except ImportError as error:
        raise LoadError(
            f"The project's {module} cannot be imported: {error}.",
            "Its environment lacks a package, or the code changed since the version was made.",
        ) from error
    if not callable(found):
        raise LoadError(
            f"The project has no function {entry}.", "Its code changed since the version was made."
        )
    call: Callable[..., Any] = found
    return call


def _module(name: str, root: Path) -> ModuleType:
    """Import a module of the project; nothing outside its folder is ever called by a bundle."""
    top = name.partition(".")[0]
    spec = importlib.util.find_spec(top) if top.isidentifier() else None
    if spec is not None and not all(_is_inside(place, root) for place in _places(spec)):
        raise LoadError(
            f"The entry's module {name} is not in the project's folder.",
            "A bundle may name the project's own code only.",
        )
    return importlib.import_module(name)


def _places(spec: ModuleSpec) -> list[str]:
    """Return where a module's code is; what is built into Python is nowhere."""
    places = list(spec.submodule_search_locations or ())
    return places or [spec.origin if spec.has_location and spec.origin else "/"]


def _is_inside(named: str, root: Path) -> bool:
    """Return whether a file is the project's own: below its folder, not in its environment."""
    place, root = Path(named).resolve(), root.resolve()
    return place.is_relative_to(root) and ".venv" not in place.relative_to(root).parts

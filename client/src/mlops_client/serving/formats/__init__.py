"""How each format becomes a model; each is imported when a bundle has it."""

from collections.abc import Callable
from pathlib import Path

from mlops_client.serving.info import Info, LoadError
from mlops_client.serving.model import Model

Load = Callable[[Path, Info, str, Path], Model]
"""The model's files, what the bundle says of it, the wanted backend, the project's folder."""


def loader(name: str) -> Load:
    """Return what loads a format.

    Raises:
        LoadError: It is none of those that are served.
    """
    if name == "safetensors":
        from mlops_client.serving.formats.safetensors import load
    elif name == "onnx":
        from mlops_client.serving.formats.onnx import load
    elif name == "skops":
        from mlops_client.serving.formats.skops import load
    elif name == "booster":
        from mlops_client.serving.formats.booster import load
    else:
        raise LoadError(
            f"The format {name[:40]!r} is not served.",
            "Register the model as safetensors, ONNX, skops or a booster's own JSON.",
        )
    return load


def one_file(folder: Path, endings: tuple[str, ...], format_name: str) -> Path:
    """Return the one file of a format.

    Raises:
        LoadError: There is none, or more than one.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix in endings and path.is_file())
    if len(found) != 1:
        raise LoadError(
            f"The bundle has {len(found)} files of the format {format_name}; one is needed.",
            "Register a model of one file, and build the bundle again.",
        )
    return found[0]

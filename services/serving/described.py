"""What a registered model says of itself: its ``MLmodel`` file, read without trusting it."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from services.errors import BundleError
from services.projects.serving import ENTRY_PATTERN
from services.serving.bundle_safety import check_path
from services.serving.models import Field

LONGEST = 1 << 20
_LOADERS = {
    "mlops_client.mlx": "mlx",
    "mlflow.onnx": "onnx",
    "mlflow.sklearn": "sklearn",
    "mlflow.xgboost": "xgboost",
    "mlflow.lightgbm": "lightgbm",
}
"""Who may be named as loader. None of them is ever asked: our model server loads by the format."""
_FORMATS = {"mlx": ("safetensors", "weights"), "onnx": ("onnx", "data"),
            "sklearn": ("skops", "pickled_model"), "xgboost": ("booster", "data"),
            "lightgbm": ("booster", "data")}  # fmt: skip
_SUFFIXES = {
    "safetensors": (".safetensors",),
    "onnx": (".onnx",),
    "skops": (".skops",),
    "booster": (".json", ".ubj", ".lgb", ".txt"),
}
_FOREIGN = ("code", "python_model", "model_code_path", "artifacts", "streamable")
_TYPES = {
    "boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64",
    "string": "BYTES", "binary": "BYTES", "datetime": "BYTES",
}  # fmt: skip
_NUMBERS = {
    "bool": "BOOL", "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
    "float16": "FP16", "float32": "FP32", "float64": "FP64", "str": "BYTES", "object": "BYTES",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Described:
    """A registered model, by its own words."""

    format: str
    """safetensors, onnx, skops or booster."""
    weights: str
    """The file with what was learned, below the model's folder."""
    entry: str
    """Of safetensors: ``module:function`` in the project."""
    config: Mapping[str, Any]
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    metadata: Mapping[str, Any]

    @property
    def flavor(self) -> str:
        """Return how the model server loads it."""
        return "mlx" if self.format == "safetensors" else self.format


def read(folder: Path, name: str) -> Described:
    """Read what the model in a folder says of itself; the folder was checked for its files.

    Args:
        folder: The model's files.
        name: Model and version, for people.

    Raises:
        BundleError: It cannot be served; the message says why.
    """
    said = _document(folder / "MLmodel", name)
    flavors = said.get("flavors")
    if not isinstance(flavors, dict) or not all(isinstance(f, dict) for f in flavors.values()):
        raise BundleError(f"The MLmodel of {name} names no flavour.", _AGAIN)
    kind = _kind(flavors, name)
    flavor = flavors[kind]
    form, key = _FORMATS[kind]
    weights = _file(folder, flavor.get(key), f"{key} of {name}")
    if not weights.endswith(_SUFFIXES[form]):
        raise BundleError(
            f"{name} was registered as {kind} with the file {weights}, which is no {form} file.",
            _AGAIN,
        )
    ours = kind == "mlx"
    signature = said.get("signature")
    signature = signature if isinstance(signature, dict) else {}
    metadata = said.get("metadata")
    return Described(
        format=form,
        weights=weights,
        entry=_entry(flavor.get("entry"), name) if ours else "",
        config=_config(folder, flavor.get("config"), name) if ours else {},
        inputs=_columns(signature.get("inputs"), name, "input"),
        outputs=_columns(signature.get("outputs"), name, "output"),
        metadata=metadata if isinstance(metadata, dict) else {},
    )


_AGAIN = "Register it again with `mlops_client.mlx.log_model`, or as ONNX, skops or a booster."


def check_entry(entry: str, project_folder: Path, name: str) -> None:
    """Check that a function is the project's own: its module lies in the project's folder.

    Raises:
        BundleError: It is somebody else's; importing it could run anything.
    """
    top, *rest = entry.partition(":")[0].split(".")
    ours = top not in sys.stdlib_module_names and top not in sys.builtin_module_names
    file = project_folder.joinpath(top, *rest)
    there = file.with_suffix(".py").is_file() or (file / "__init__.py").is_file()
    if not (ours and there):
        raise BundleError(
            f"{name} wants to be loaded by {entry}, which is no module of its project's folder "
            f"{project_folder}.",
            "Nothing was loaded. Check out the code it was trained with, or register it again.",
        )


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Plain values only, and no merge keys: those can grow without end."""

    def flatten_mapping(self, node: object) -> None:
        """Leave merge keys alone; they have no constructor then and are refused."""


def _document(file: Path, name: str) -> dict[str, Any]:
    try:
        if file.stat().st_size > LONGEST:
            raise BundleError(f"The MLmodel of {name} is longer than {LONGEST:,} bytes.", _AGAIN)
        said = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - it is safe
    except FileNotFoundError as error:
        raise BundleError(
            f"{name} has no MLmodel file, so nobody knows what it takes and answers.", _AGAIN
        ) from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise BundleError(f"The MLmodel of {name} cannot be read.", _AGAIN) from error
    if not isinstance(said, dict):
        raise BundleError(f"The MLmodel of {name} cannot be read.", _AGAIN)
    return said


def _kind(flavors: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """Return the flavour it is loaded by.

    Raises:
        BundleError: A flavour brings code, a loader of its own, or is one that nothing here loads.
    """
    for flavor, keys in flavors.items():
        if flavor != "python_function" and flavor not in _FORMATS:
            raise BundleError(
                f"{name} has the flavour {flavor!r}, which nothing here loads.", _AGAIN
            )
        brought = [key for key in _FOREIGN if keys.get(key)]
        if brought:
            raise BundleError(
                f"{name} brings code of its own ({brought[0]} in its MLmodel).",
                f"Nothing was loaded. {_AGAIN}",
            )
    kinds = [flavor for flavor in _FORMATS if flavor in flavors]
    loader = flavors.get("python_function", {}).get("loader_module")
    known = len(kinds) == 1 and (loader is None or _LOADERS.get(str(loader)) == kinds[0])
    if not known:
        told = f"the loader {loader!r}" if loader else "no flavour that is known here"
        raise BundleError(
            f"{name} was registered with {str(told)[:120]}; it would run what it likes.",
            f"Nothing was loaded. {_AGAIN}",
        )
    return kinds[0]


def _file(folder: Path, path: object, what: str) -> str:
    if not isinstance(path, str) or not (folder / check_path(path)).is_file():
        raise BundleError(f"The {what} is {str(path)[:100]!r}, and there is no such file.", _AGAIN)
    return path


def _entry(entry: object, name: str) -> str:
    if not isinstance(entry, str) or not re.fullmatch(ENTRY_PATTERN, entry):
        raise BundleError(
            f"{name} says to be loaded by {str(entry)[:100]!r}, which is not module:function.",
            _AGAIN,
        )
    return entry


def _config(folder: Path, path: object, name: str) -> dict[str, Any]:
    said = json.loads((folder / _file(folder, path, f"config of {name}")).read_bytes())
    if not isinstance(said, dict):
        raise BundleError(f"The configuration of {name} is no JSON object.", _AGAIN)
    return said


def _columns(schema: object, name: str, what: str) -> tuple[Field, ...]:
    try:
        said = json.loads(schema) if isinstance(schema, str) else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, list) or not said or not all(isinstance(one, dict) for one in said):
        raise BundleError(
            f"{name} was registered without a signature of its {what}s, so nobody can say what "
            "a request must look like.",
            "Register it again with `signature=`.",
        )
    found = tuple(_column(one, said, name, what) for one in said)
    if len({one.name for one in found}) != len(found):
        raise BundleError(f"Two {what} columns of {name} have one name.", _AGAIN)
    return found


def _column(said: Mapping[str, Any], all_of_them: Sequence[object], name: str, what: str) -> Field:
    title = said.get("name")
    if not isinstance(title, str) or not title:
        title = what if len(all_of_them) == 1 else f"{what}_{all_of_them.index(said)}"
    optional = not said.get("required", True)
    try:
        datatype, shape = _typed(said)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"The {what} column {title[:60]!r} of {name} is of a type that no request can carry.",
            "Register it with columns of numbers, texts or arrays of one type.",
        ) from error
    return Field(title, datatype, shape, optional=optional)


def _typed(said: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
    if said["type"] == "tensor":
        tensor = said["tensor-spec"]
        shape = tuple(int(size) for size in tensor["shape"])
        if not shape or shape[0] != -1 or any(size < -1 for size in shape):
            raise ValueError("it does not begin with the rows")
        kind = str(tensor["dtype"])
        return ("BYTES" if kind.startswith("<U") else _NUMBERS[kind]), shape
    depth, inner = 1, said
    while inner["type"] == "array":
        depth, inner = depth + 1, inner["items"]
    return _TYPES[inner["type"]], (-1,) * depth

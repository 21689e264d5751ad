"""ONNX, run by onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np

from mlops_client.serving.backends import Choice
from mlops_client.serving.formats import one_file
from mlops_client.serving.frames import Columns
from mlops_client.serving.info import Info, LoadError
from mlops_client.serving.model import Model

_PROVIDERS = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}


def load(folder: Path, info: Info, wanted: str, root: Path) -> Model:
    """Return the model.

    Raises:
        LoadError: onnxruntime is missing, or does not take the file.
    """
    del root
    file = one_file(folder, (".onnx",), "onnx")
    try:
        import onnxruntime
    except ImportError as error:
        raise LoadError(
            "The model is ONNX, and onnxruntime is not in the project's environment.",
            "Install it there: `uv add onnxruntime`.",
        ) from error
    choice = _choice(wanted, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(file), options, providers=[_PROVIDERS[choice.backend]]
        )
    except Exception as error:
        raise LoadError(
            f"onnxruntime does not take {file.name}: {str(error)[:300]}", "Export it again."
        ) from error
    return Model(_predictor(session, info), choice.backend, choice.reason)


def _choice(wanted: str, providers: list[str]) -> Choice:
    there = [name for name, provider in _PROVIDERS.items() if provider in providers]
    if wanted == "auto" and there:
        return Choice(there[0], f"ONNX runs on {there[0]}, the first that onnxruntime has here.")
    if wanted in there:
        return Choice(wanted, f"A person chose {wanted}.")
    raise LoadError(
        f"ONNX does not run on {wanted} here; onnxruntime has {', '.join(there) or 'nothing'}.",
        "Choose another backend, or leave the choice open.",
    )


def _predictor(session: Any, info: Info) -> Any:  # noqa: ANN401 - onnxruntime has no types
    takes = [one.name for one in session.get_inputs()]
    gives = [one.name for one in session.get_outputs()]
    by_name = {one.name for one in info.inputs} == set(takes)
    if not by_name and len(takes) != len(info.inputs):
        raise LoadError(
            f"The file takes {', '.join(takes)}, the schema tells of "
            f"{', '.join(one.name for one in info.inputs)}.",
            "Register the model with a signature that matches.",
        )
    source = dict(zip(takes, takes if by_name else [one.name for one in info.inputs], strict=True))
    wanted = [one.name for one in info.outputs]
    names = wanted if len(wanted) == len(gives) and set(wanted) != set(gives) else gives

    def predict(columns: Columns) -> Columns:
        answer = session.run(gives, {name: columns[own] for name, own in source.items()})
        return {name: np.asarray(one) for name, one in zip(names, answer, strict=True)}

    return predict

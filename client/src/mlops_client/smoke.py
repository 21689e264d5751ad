"""``python -m mlops_client smoke FOLDER``: does a stored model load here, and does it answer?

It is asked two rows made from its own signature, and its answer is held against the signature:
names, number of rows, types, and finite numbers. Whether it answers well is for the gates to say.
"""

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mlflow.types import Schema

ROWS = 2
_TEXT = "Return the value."


class SmokeError(Exception):
    """The model does not work; the message is a sentence."""


def smoke(folder: Path) -> dict[str, Any]:
    """Load a model and ask it; return ``rows``, ``outputs``, ``load_s``, ``answer_s``, ``said``.

    Raises:
        SmokeError: It has no signature, cannot be asked by it, or answers something else.
        ValueError: The folder is no model of the flavour ``mlx``.
    """
    from mlflow.models import Model

    from mlops_client.mlx import load_model

    began = time.perf_counter()
    predict = load_model(folder)
    load_s = time.perf_counter() - began
    signature = Model.load(str(folder / "MLmodel")).signature
    if signature is None or signature.inputs is None:
        raise SmokeError("The model has no signature, so there is no telling what to ask it.")
    rows = sample(signature.inputs)
    began = time.perf_counter()
    answer = predict(rows)
    answer_s = time.perf_counter() - began
    outputs = checked(answer, signature.outputs)
    asked = ", ".join(rows)
    said = (
        f"It loads in {load_s:.1f} s and answers {ROWS} rows ({asked}) with "
        f"{', '.join(outputs)} in {answer_s:.2f} s."
    )
    return {
        "rows": ROWS,
        "inputs": list(rows),
        "outputs": outputs,
        "load_s": round(load_s, 3),
        "answer_s": round(answer_s, 3),
        "said": said,
    }


def sample(inputs: "Schema") -> dict[str, np.ndarray]:
    """Return two rows for a signature: what it requires, else the first column it can be asked by.

    Raises:
        SmokeError: It has a type that no row can be made of.
    """
    specs = list(inputs.inputs)
    required = [one for one in specs if one.required]
    chosen = required or _simple(specs)
    return {one.name or str(place): _column(one) for place, one in enumerate(chosen)}


def _simple(specs: Sequence[Any]) -> list[Any]:
    for one in specs:
        try:
            _column(one)
        except SmokeError:
            continue
        return [one]
    raise SmokeError("No row can be made from the model's signature.")


def _column(one: Any) -> np.ndarray:  # noqa: ANN401 - ColSpec or TensorSpec
    shape = getattr(one, "shape", None)
    if shape is not None:
        whole = tuple(ROWS if size == -1 else size for size in shape)
        return _filled(np.dtype(one.type), whole)
    try:
        kind = np.dtype(one.type.to_numpy())
    except (AttributeError, TypeError) as error:
        raise SmokeError(f"{one.name} is of the type {one.type}.") from error
    return _filled(kind, (ROWS,))


def _filled(kind: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    if kind.kind in "OUS":
        return np.full(shape, _TEXT, dtype=object)
    if kind.kind == "f":
        return np.full(shape, 0.5, dtype=kind)
    # The first rows differ in their whole numbers, which are often the numbers of classes.
    places = np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    return np.broadcast_to(places, shape).astype(kind)


def checked(answer: Any, outputs: "Schema | None") -> list[str]:  # noqa: ANN401 - whatever it says
    """Return the names in an answer that is as the signature says.

    Raises:
        SmokeError: It is not; the message says where.
    """
    columns = answer if isinstance(answer, Mapping) else {"answer": answer}
    if not columns:
        raise SmokeError("The model answers nothing.")
    specs = {} if outputs is None else {one.name: one for one in outputs.inputs if one.name}
    for name in specs:
        if name not in columns:
            raise SmokeError(f"The answer lacks {name}, which the signature tells of.")
    for name, values in columns.items():
        _check(str(name), np.asarray(values), specs.get(name))
    return [str(name) for name in columns]


def _check(name: str, values: np.ndarray, spec: Any) -> None:  # noqa: ANN401 - None: not told of
    if values.ndim == 0 or len(values) != ROWS:
        rows = values.shape[0] if values.ndim else "one value"
        raise SmokeError(f"{name} has {rows} for {ROWS} rows.")
    if values.dtype.kind in "fc" and not np.isfinite(values).all():
        bad = math.prod(values.shape) - int(np.isfinite(values).sum())
        raise SmokeError(f"{name} has {bad} values that are no finite numbers.")
    shape = getattr(spec, "shape", None)
    if shape is not None and values.shape[1:] != tuple(shape)[1:]:
        raise SmokeError(f"{name} has rows of {values.shape[1:]}, not of {tuple(shape)[1:]}.")


def main(folder: str) -> int:
    """Check one model; print how it went, and write it where ``MLOPS_ANSWER`` says."""
    try:
        found = smoke(Path(folder))
    except (SmokeError, ValueError, OSError, ImportError, AttributeError, KeyError) as error:
        print(f"The model in {folder} does not work: {type(error).__name__}: {error}")  # noqa: T201
        return 1
    named = os.environ.get("MLOPS_ANSWER")
    if named:
        Path(named).write_text(json.dumps(found), encoding="utf-8")
    print(found["said"], flush=True)  # noqa: T201
    return 0

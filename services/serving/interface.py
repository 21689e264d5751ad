"""What a version takes and answers: by its signature, and by what the project's contract adds.

The example is a request that every good version answers: it is asked before the switch to it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.errors import BundleError
from services.projects.contract import Contract
from services.projects.serving import Column, Serve
from services.serving import described
from services.serving.described import Described
from services.serving.models import Backend, BundleInfo, Field, InterfaceKind

_ROW_WISE: frozenset[InterfaceKind] = frozenset({"classifier", "images", "embeddings", "text"})
_TEXTS = frozenset({"text", "prompt"})
_TALES = frozenset({"text", "continuation", "completion", "answer"})
_SENTENCE = "The quick brown fox jumps over the lazy dog."
_UNTOLD = 4
"""Of a size that the signature leaves open."""
_MOST_VALUES = 1 << 22


def info(
    manifest: Mapping[str, Any], model: Path, contract: Contract, project_folder: Path
) -> BundleInfo:
    """Return what model server and gateway must know of a version.

    Args:
        manifest: Of its package.
        model: The folder of its files, which were checked.
        contract: The project's.
        project_folder: Where the project's code is.

    Raises:
        BundleError: It cannot be served; the message says why.
    """
    name = f"{manifest['model']} version {manifest['version']}"
    said = described.read(model, name)
    serve = contract.serve.get(str(manifest["model"]), Serve())
    for entry in (said.entry, serve.stream, serve.torch):
        if entry:
            described.check_entry(entry, project_folder, name)
    _check_columns(serve, said, name)
    inputs = tuple(_told(field, serve.inputs.get(field.name)) for field in said.inputs)
    outputs = tuple(_told(field, serve.outputs.get(field.name)) for field in said.outputs)
    kind = serve.interface or _understood(inputs, outputs, streams=bool(serve.stream))
    technique = said.metadata.get("technique")
    made = BundleInfo(
        project=str(manifest["project"]),
        model=str(manifest["model"]),
        version=int(manifest["version"]),
        interface=kind,
        format=said.format,
        inputs=tuple(_with_example(field) for field in inputs),
        outputs=outputs,
        flavor=said.flavor,
        entry=said.entry,
        stream=serve.stream,
        torch_entry=_torch(serve, said, name),
        batchable=_batchable(serve, kind, said.format),
        fixed_batches=serve.fixed_batches,
        title=serve.title,
        weights_bytes=(model / said.weights).stat().st_size,
        quantised_bits=quantised_bits(said.config),
        run_id=manifest.get("run_id"),
        data_revision=manifest.get("data_revision"),
        git_commit=manifest.get("git_commit"),
        technique=technique if isinstance(technique, str) else None,
        preferred_backend=serve.backend or _preferred(said.format),
    )
    return replace(made, example=example(made, serve))


def quantised_bits(config: Mapping[str, Any]) -> int | None:
    """Return how many bits a weight has, the fewest where layers differ; None: not told."""
    quantisation = config.get("quantization") or config.get("quantisation")
    told = quantisation.get("bits") if isinstance(quantisation, dict) else config.get("bits")
    counts = told.values() if isinstance(told, dict) else (told,)
    whole = [one for one in counts if type(one) is int and 1 <= one <= 16]
    return min(whole, default=None)


def example(info: BundleInfo, serve: Serve) -> dict[str, Any]:
    """Return the columns of a request that a good version answers.

    Raises:
        BundleError: The contract's own example is not of this model's columns.
    """
    if serve.example:
        _check_example(info, serve.example)
        return {name: list(rows) for name, rows in serve.example.items()}
    if info.interface == "few-shot":
        return _lessons(info, serve)
    wanted = [field for field in info.inputs if not field.optional] or list(info.inputs[:1])
    return {field.name: [field.example] for field in wanted}


def _check_columns(serve: Serve, said: Described, name: str) -> None:
    for what, told, fields in (
        ("input", serve.inputs, said.inputs),
        ("output", serve.outputs, said.outputs),
    ):
        strange = told.keys() - {field.name for field in fields}
        if strange:
            there = ", ".join(field.name for field in fields)
            raise BundleError(
                f"The contract tells of the {what} {min(strange)!r}, which {name} does not have: "
                f"its {what}s are {there}.",
                "Correct [tool.mlops.serve] in the project's pyproject.toml.",
            )


def _told(field: Field, column: Column | None) -> Field:
    if column is None:
        return field
    shape = column.shape or field.shape
    side = column.side if column.side is not None else _side(shape, image=column.image)
    if column.image and side is not None and shape[1:] == (-1,):
        shape = (-1, side * side)
    return replace(
        field,
        datatype=column.datatype or field.datatype,
        shape=shape,
        title=column.title,
        min=column.min,
        max=column.max,
        choices=column.choices,
        image=column.image,
        side=side,
        example=column.example,
    )


def _torch(serve: Serve, said: Described, name: str) -> str:
    if serve.torch and said.flavor != "mlx":
        raise BundleError(
            f"The contract names a torch model for {name}, which is kept as {said.format}: a torch "
            "model is rebuilt from the weights of an MLX model alone.",
            "Take `torch` out of [tool.mlops.serve] in the project's pyproject.toml.",
        )
    return serve.torch


def _side(shape: Sequence[int], *, image: bool) -> int | None:
    """Return the side of a flat square picture."""
    if not image or len(shape) != 2 or shape[1] < 1:
        return None
    side = math.isqrt(shape[1])
    return side if side * side == shape[1] else None


def _understood(
    inputs: Sequence[Field], outputs: Sequence[Field], *, streams: bool
) -> InterfaceKind:
    """Return what a model is for, by the names of its columns."""
    asked, answered = {field.name for field in inputs}, {field.name for field in outputs}
    if streams or (asked & _TEXTS and answered & _TALES):
        return "text"
    if {"label", "confidence"} <= answered:
        return "classifier"
    if answered & {"embedding", "embeddings"}:
        return "embeddings"
    pictures = any(field.image for field in outputs)
    return "images" if pictures or answered & {"image", "images"} else "rows"


def _batchable(serve: Serve, kind: InterfaceKind, form: str) -> bool:
    """Return whether rows of different requests may be asked together.

    The models of skops and boosters answer row by row; of others only the known interfaces do.
    """
    if serve.batchable is not None or kind == "few-shot":
        return bool(serve.batchable)
    return kind in _ROW_WISE or form in {"skops", "booster"}


def _preferred(form: str) -> Backend | None:
    if form == "safetensors":
        return "mlx"
    return "cpu" if form in {"skops", "booster"} else None


# Values that are valid


def _with_example(field: Field) -> Field:
    return field if field.example is not None else replace(field, example=_value(field))


def _value(field: Field, which: int = 0) -> Any:  # noqa: ANN401 - as the column is
    """Return one row's valid value; another ``which`` is another value where there is one."""
    sizes = [_UNTOLD if size == -1 else size for size in field.shape[1:]]
    if math.prod(sizes) > _MOST_VALUES:
        raise BundleError(
            f"One row of {field.name!r} has {math.prod(sizes):,} values: too many for a request.",
            "Say its shape in [tool.mlops.serve] of the project's pyproject.toml.",
        )
    if field.image and sizes:
        return _picture(field, sizes, which)
    return _nested(_single(field, which), sizes)


def _nested(value: object, sizes: Sequence[int]) -> Any:  # noqa: ANN401 - lists of lists
    for size in reversed(sizes):
        value = [value] * size
    return value


def _single(field: Field, which: int) -> bool | int | float | str:
    if field.choices:
        return field.choices[which % len(field.choices)]
    if field.datatype == "BYTES":
        return _SENTENCE
    if field.datatype == "BOOL":
        return False
    low, high = field.min, field.max
    middle = (low + high) / 2 if low is not None and high is not None else (low or high or 0.0)
    if field.datatype.startswith("FP"):
        return float(middle)
    least = math.ceil(low) if low is not None else math.floor(middle)
    return max(least, math.floor(middle))


def _picture(field: Field, sizes: Sequence[int], which: int) -> Any:  # noqa: ANN401 - lists of lists
    """Return a picture with a stroke in it, at another place for another ``which``."""
    low = field.min if field.min is not None else min(0.0, field.max or 0.0)
    high = field.max if field.max is not None else low + 1
    whole = not field.datatype.startswith("FP")
    ground, stroke = (math.ceil(low), math.floor(high)) if whole else (float(low), float(high))
    height, width = _frame(field, sizes)
    at, slant = which % width, which // width % 2
    rows = []
    for y in range(height):
        place = (at + (y if slant else 0)) % width
        rows.append([stroke if x == place else ground for x in range(width)])
    if len(sizes) == 1:
        return [value for row in rows for value in row][: sizes[0]]
    if len(sizes) == 3:
        return [[[value] * sizes[2] for value in row] for row in rows]
    return rows


def _frame(field: Field, sizes: Sequence[int]) -> tuple[int, int]:
    """Return height and width."""
    if len(sizes) > 1:
        return sizes[0], sizes[1]
    if field.side and field.side**2 == sizes[0]:
        return field.side, field.side
    return 1, sizes[0]


def _lessons(info: BundleInfo, serve: Serve) -> dict[str, Any]:
    """Return a request of a few-shot model: an example of every class, then a row that is asked."""
    answers = {field.name for field in info.outputs}
    label = next((field for field in info.inputs if field.name in answers), None)
    if label is None or serve.asked is None or not label.choices:
        raise BundleError(
            f"{info.model} learns from the rows of a request, and its contract does not say from "
            "which: it needs `asked` and the choices of its label.",
            "Complete [tool.mlops.serve] in the project's pyproject.toml.",
        )
    classes = [choice for choice in label.choices if choice != serve.asked]
    labels = [*classes, serve.asked]
    places = [*range(len(classes)), 0]
    columns: dict[str, Any] = {}
    for field in info.inputs:
        told = field is label
        columns[field.name] = labels if told else [_value(field, which) for which in places]
    return columns


def _check_example(info: BundleInfo, columns: Mapping[str, Any]) -> None:
    known = {field.name for field in info.inputs}
    needed = {field.name for field in info.inputs if not field.optional}
    wrong = columns.keys() ^ known if not columns.keys() <= known else needed - columns.keys()
    if wrong:
        raise BundleError(
            f"The example of {info.model} in its contract does not fit its inputs: {min(wrong)!r}.",
            "Correct [tool.mlops.serve] in the project's pyproject.toml.",
        )

"""What a bundle says of its model: ``serving.json``, as far as a model server needs it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = "serving.json"
MODEL = "model"


class LoadError(Exception):
    """A model cannot be served; the message and the hint are sentences."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Column:
    """One input or output column."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """-1 is any size; the first is the number of rows."""
    optional: bool = False
    min: float | None = None
    max: float | None = None
    choices: tuple[Any, ...] = ()
    example: Any = None


@dataclass(frozen=True, slots=True)
class Info:
    """One version of one model."""

    project: str
    model: str
    version: int
    interface: str
    format: str
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    entry: str = ""
    stream: str = ""
    torch_entry: str = ""
    batchable: bool = False
    fixed_batches: tuple[int, ...] = ()
    example: Mapping[str, Any] = field(default_factory=dict)
    weights_bytes: int = 0

    @property
    def name(self) -> str:
        """Return the name for people."""
        return f"{self.project}.{self.model} version {self.version}"


def read(bundle: Path) -> Info:
    """Return what a bundle's ``serving.json`` says.

    Raises:
        LoadError: It is missing, or not of this form.
    """
    try:
        said = json.loads((bundle / FILE).read_text(encoding="utf-8"))
        return parsed(said)
    except OSError as error:
        raise LoadError(
            f"{bundle / FILE} cannot be read: {error.strerror}.", "Build the bundle again."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise LoadError(
            f"{bundle / FILE} is not what this version reads: {type(error).__name__}: {error}.",
            "Build the bundle again with this version of the platform.",
        ) from error


def parsed(said: Mapping[str, Any]) -> Info:
    """Return what a ``serving.json`` says; keys it does not know are left out.

    Raises:
        KeyError: A key is missing.
        ValueError: A value cannot be used.
    """
    if said.get("v", 1) != 1:
        raise ValueError(f"it has the form {said['v']}")
    known = {name: said[name] for name in Info.__dataclass_fields__ if name in said}
    for name in ("inputs", "outputs"):
        known[name] = tuple(_column(one) for one in said[name])
    known["fixed_batches"] = tuple(sorted({int(n) for n in said.get("fixed_batches") or ()}))
    if any(size < 1 for size in known["fixed_batches"]):
        raise ValueError("a fixed batch has no rows")
    return Info(**known)


def _column(said: Mapping[str, Any]) -> Column:
    known = {name: said[name] for name in Column.__dataclass_fields__ if name in said}
    known["shape"] = tuple(int(size) for size in said["shape"])
    known["choices"] = tuple(said.get("choices") or ())
    return Column(**known)

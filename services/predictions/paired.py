"""Labels beside answers, row by row. A file of labels is read once; what it came to is kept.

It is kept under ``paired/`` in a file of Parquet of its own, whose name tells which file it was
made of, how large that was and when it changed. So it counts for that very file alone; where there
is none, or it is damaged, it is made again. The answer is the same either way.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from services.errors import PlatformError
from services.predictions import columns, parquet
from services.predictions.folder import PARQUET, Folder, Partition

if TYPE_CHECKING:
    import pyarrow as pa

TYPES = {
    "id": "string", "said_at": "time", "predicted_at": "time", "version": "int64",
    "kept": "string",
}  # fmt: skip
"""Of a label; ``PAIRS`` is beside them."""
PAIRS = "pairs"
"""What was true and what was answered, a struct a row; null where one does not fit the other.

``truth`` and ``answer`` are the texts of classes; ``…_figure`` the value as a figure, NaN where it
is none; ``…_named``: it is a text, or yes or no.
"""
_FORM = 1
"""To be raised when other pairs come of the same label: what is kept then counts no more."""
_CONTENT = frozenset(("full", "hashed"))


def read(
    folder: Folder, partition: Partition, segments: frozenset[str], since: float = 0.0
) -> "list[pa.Table]":
    """Return the labels of a day's files as ``of`` does, a table a file.

    Args:
        folder: Of the prediction log.
        partition: Of ``folder.feedback``.
        segments: Names without ending of segments that are read themselves.
        since: Files that did not change from then on are left out.

    Raises:
        OSError: A file went meanwhile: look again.
        PlatformError: A file is damaged.
    """
    kept = folder.of_paired(partition)
    seen = {path: path.stat() for path in partition.files(segments)}
    names = {path: _name(path, told) for path, told in seen.items()}
    for old in kept.glob(f"*{PARQUET}"):
        if old.stem not in names.values():
            old.unlink(missing_ok=True)
    return [_table(path, kept, names[path]) for path in seen if seen[path].st_mtime >= since]


def _name(path: Path, told: os.stat_result) -> str:
    return f"{path.stem}~{told.st_size}-{told.st_mtime_ns}-{_FORM}"


def _table(path: Path, kept: Path, name: str) -> "pa.Table":
    with contextlib.suppress(OSError, PlatformError):
        found = parquet.read(kept / f"{name}{PARQUET}")
        if found.schema.equals(schema()):
            return found
    made = of(parquet.read(path))
    if _name(path, path.stat()) == name:
        with contextlib.suppress(OSError):  # no room, or not ours to write: it is made again
            parquet.write(kept, name, made)
    return made


def of(table: "pa.Table") -> "pa.Table":
    """Return labels with their pairs.

    A label is one value, a list of a value a row, or these by the name of an output. Where no
    output is named the first one is meant.

    Args:
        table: Its columns are ``labels.MATCHED_TYPES``.
    """
    import pyarrow as pa

    offsets: list[int | None] = []
    truths: list[Any] = []
    answers: list[Any] = []
    for kept, label, outputs in columns.rows(table, ("kept", "label", "outputs")):
        found = _rows(label, outputs) if kept in _CONTENT else None
        offsets.append(None if found is None else len(truths))
        if found is not None:
            truths += found[0]
            answers += found[1]
    places = pa.array([*offsets, len(truths)], pa.int32())
    pairs = pa.ListArray.from_arrays(places, sides(truths, answers))
    return table.select(list(TYPES)).append_column(schema().field(PAIRS), pairs)


def sides(truths: Sequence[Any], answers: Sequence[Any]) -> "pa.StructArray":
    """Return values that belong together as structs of ``PAIRS``."""
    import pyarrow as pa

    fields = list(_struct())
    arrays = []
    for values in (truths, answers):
        arrays += [
            pa.array([_class(one) for one in values], pa.string()),
            pa.array([_figure(one) for one in values], pa.float64()),
            pa.array([isinstance(one, str | bool) for one in values], pa.bool_()),
        ]
    return pa.StructArray.from_arrays(arrays, fields=fields)


def schema() -> "pa.Schema":
    """Return the columns of ``of``."""
    import pyarrow as pa

    return columns.schema(TYPES).append(pa.field(PAIRS, pa.list_(_struct())))


def _struct() -> "pa.StructType":
    import pyarrow as pa

    kinds = (("", pa.string()), ("_figure", pa.float64()), ("_named", pa.bool_()))
    return pa.struct([(f"{side}{end}", of) for side in ("truth", "answer") for end, of in kinds])


def _rows(label: str | None, outputs: str | None) -> tuple[list[Any], list[Any]] | None:
    """Return what was true and what was answered of each row, None when they do not fit."""
    try:
        said, answered = orjson.loads(label or "null"), orjson.loads(outputs or "null")
    except ValueError:
        return None
    if said is None or not isinstance(answered, Mapping) or not answered:
        return None
    name = next(iter(answered))
    if isinstance(said, Mapping):
        name = next((one for one in said if one in answered), "")
        said = said.get(name)
    answers = answered.get(name)
    truths = said if isinstance(said, list) else [said]
    answers = answers if isinstance(answers, list) else [answers]
    if len(truths) != len(answers) or not all(map(_plain, (*truths, *answers))):
        return None
    return truths, answers


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float)


def _class(value: object) -> str:
    """Return a class as text: 3, 3.0 and "3" are the same."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _figure(value: Any) -> float:  # noqa: ANN401
    """Return a value as a figure; NaN of yes or no, and of a text that is none."""
    if isinstance(value, bool):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
    except OverflowError:
        return float("inf")

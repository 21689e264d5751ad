"""Rows that a deployed model was asked and somebody labelled, as ``mlops data collect`` wrote them.

They lie in ``collected/`` of the project's data, a Parquet file for each time they were collected;
to read them takes pyarrow.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "collected"
_META = b"mlops.collected"
_INPUT = "input."
_BATCH = 4096


@dataclass(slots=True)
class Labelled:
    """Rows with a label: the same place in each is the same row. Equal inputs are there once."""

    inputs: dict[str, list[Any]] = field(default_factory=dict)
    """By the input column's name: figures, text, and lists as numpy arrays."""
    labels: list[Any] = field(default_factory=list)
    held_out: list[bool] = field(default_factory=list)
    """Whether it is for evaluation: told by the input alone, so each training says the same."""
    age: list[int] = field(default_factory=list)
    """Of which file it is: 0 is that with the newest predictions."""

    def __len__(self) -> int:
        return len(self.labels)


def labelled(data: Path, model: str, columns: Sequence[str], share: float = 0.25) -> Labelled:
    """Return what was collected of a model; nothing where nothing was.

    Equal inputs, and a request that several files hold, are there once, as the newest file has
    them: asking the same again is no more evidence, and no row is on both sides of the split.

    Args:
        data: The folder that the project lists as data.
        model: The registered model's name.
        columns: The inputs that a row must have.
        share: Of the rows that are for evaluation, about; 0 to 1.

    Raises:
        RuntimeError: There are files, and pyarrow is not installed.
        OSError: A file cannot be read.
        pyarrow.ArrowInvalid: One is damaged.
    """
    found = Labelled({name: [] for name in columns})
    seen: set[bytes] = set()
    known: set[tuple[str, int]] = set()
    for age, path in enumerate(_files(data / FOLDER, model)):
        for request, values, label in _rows(path, columns):
            digest = hashlib.sha256(b"\0".join(map(_said, values))).digest()
            if digest in seen or request in known:
                continue
            seen.add(digest)
            known.add(request)
            for name, value in zip(columns, values, strict=True):
                found.inputs[name].append(value)
            found.labels.append(label)
            found.held_out.append(int.from_bytes(digest[:8]) < share * 2**64)
            found.age.append(age)
    return found


def _files(folder: Path, model: str) -> list[Path]:
    """Return the files of a model, the newest predictions first."""
    paths = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    if not paths:
        return []
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise RuntimeError(
            f"{folder} holds collected rows; to read them add pyarrow to the project's packages."
        ) from error
    about = [json.loads((pq.read_schema(p).metadata or {}).get(_META, b"{}")) for p in paths]
    mine = [(said["until"], p) for said, p in zip(about, paths, strict=True)
            if said.get("v") == 1 and said.get("model") == model]  # fmt: skip
    return [path for _, path in sorted(mine, reverse=True)]


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[tuple[str, int], list[Any], Any]]:
    """Yield the rows that have a label and all inputs, the newest first within a batch."""
    import pyarrow.parquet as pq

    names = [_INPUT + name for name in columns]
    with pq.ParquetFile(path) as file:
        if set(names) - set(file.schema_arrow.names):
            return
        for batch in file.iter_batches(_BATCH, columns=["id", "row", "label", *names]):
            yield from _whole(batch, names)


def _whole(
    batch: "pa.RecordBatch", names: Sequence[str]
) -> Iterator[tuple[tuple[str, int], list[Any], Any]]:
    columns = [batch.column(name).to_pylist() for name in ("id", "row", "label", *names)]
    for request, row, label, *values in reversed(list(zip(*columns, strict=True))):
        if label is not None and all(value is not None for value in values):
            yield (
                (request, row),
                [np.asarray(v) if isinstance(v, list) else v for v in values],
                label,
            )


def _said(value: Any) -> bytes:  # noqa: ANN401
    if isinstance(value, np.ndarray):
        return repr(value.shape).encode() + value.tobytes()
    return repr(value).encode()

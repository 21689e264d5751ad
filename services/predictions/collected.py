"""Collected rows as one Parquet file.

``id``, ``row``, ``answered_at``, ``version``, ``label``, ``label_at``; then ``input.NAME`` and
``output.NAME``: a figure, text, yes/no, or a list of them (vectors, pictures), whichever holds all
of a column's values; else their JSON as text. What it is of stands in the file's metadata under
``META``: ``{"v": 1, "project", "model", "since", "until", "rows", "labelled", "versions": {NUMBER:
[ROWS, LABELLED]}}``, moments in seconds since 1970, counts of rows.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from services.errors import ConflictError, PlatformError
from services.predictions.collecting import Asked, Collecting, Wanted

if TYPE_CHECKING:
    import pyarrow as pa

META = b"mlops.collected"
_LEVEL = 3
Tell = Callable[[int], None]
"""Is told how many rows were written by now."""


@dataclass(slots=True)
class Made:
    """What came of it."""

    rows: int = 0
    labelled: int = 0
    """Rows with a label."""
    requests: int = 0
    unfitting: int = 0
    """Requests whose label is not a value a row."""
    versions: Counter[int] = field(default_factory=Counter)
    """Rows by the version that answered them."""
    labelled_of: Counter[int] = field(default_factory=Counter)
    """Of them those with a label."""

    def add(self, other: "Made") -> None:
        """Take in what came of another piece."""
        self.rows += other.rows
        self.labelled += other.labelled
        self.requests += other.requests
        self.unfitting += other.unfitting
        self.versions += other.versions
        self.labelled_of += other.labelled_of


@dataclass(slots=True)
class _Piece:
    """Columns of some requests: of each as many values as there are rows, or fewer."""

    made: Made = field(default_factory=Made)
    columns: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, one: Asked, *, labelled: bool) -> None:
        truths = one.labels or [None] * one.rows
        rows = [place for place in range(one.rows) if truths[place] is not None or not labelled]
        self.made.unfitting += not one.fits
        if not rows:
            return
        count = len(rows)
        said: dict[str, list[Any]] = {
            "id": [one.id] * count, "row": rows, "answered_at": [one.at_us] * count,
            "version": [one.version] * count, "label": [truths[place] for place in rows],
            "label_at": [one.said_at_us if one.labels else None] * count,
        }  # fmt: skip
        for side, columns in (("input", one.inputs), ("output", one.outputs)):
            for name, values in columns.items():
                said[f"{side}.{name}"] = [values[place] for place in rows]
        for name, values in said.items():
            column = self.columns.setdefault(name, [])
            column.extend([None] * (self.made.rows - len(column)))
            column.extend(values)
        self.made.rows += count
        self.made.requests += 1
        labels = sum(truths[place] is not None for place in rows)
        self.made.labelled += labels
        self.made.versions[one.version] += count
        self.made.labelled_of[one.version] += labels


def write(part: Path, path: Path, collecting: Collecting, wanted: Wanted, tell: Tell) -> Made:
    """Write what is wanted; twice read, for a column's type is known when all of it was seen.

    Args:
        part: The file while it is not whole.
        path: The file; it must not be there.
        collecting: Reads it.
        wanted: What it is.
        tell: Is told how far it is.

    Raises:
        ConflictError: There is no row, or the file is there.
        PlatformError: The log cannot be read, or the disk is full.
    """
    pieces = collecting.pieces()
    types: dict[str, pa.DataType] = {}
    made = Made()
    for since, until in pieces:
        piece = _piece(collecting.read(since, until), wanted)
        for name, values in piece.columns.items():
            types[name] = _wider(types.get(name), _type(values))
        made.add(piece.made)
    if not made.rows:
        raise ConflictError(
            "There is no row to collect.", "Choose an earlier begin, or leave out --labelled."
        )
    schema = _schema(types, wanted, made)
    try:
        _written(part, schema, collecting, pieces, wanted, tell)
        if path.exists():
            raise ConflictError(f"{path.name} is there already, and is not written over.")
        part.replace(path)
    except OSError as error:
        raise PlatformError(
            f"The rows cannot be written to {path.parent}: {error.strerror or error}.",
            "Make room, or check who owns the folder.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return made


def about(path: Path) -> Mapping[str, Any] | None:
    """Return what a file says that it is of, None when it is no file of ours."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        said = orjson.loads((pq.read_schema(path).metadata or {}).get(META, b"null"))
    except (OSError, ValueError, pa.ArrowException):
        return None
    return said if isinstance(said, Mapping) and said.get("v") == 1 else None


def labelled_ids(path: Path) -> Sequence[str]:
    """Return of each row with a label the request's id.

    Raises:
        PlatformError: The file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=["id", "label"])
    except (OSError, pa.ArrowException) as error:
        raise PlatformError(
            f"{path.name} of the collected rows cannot be read: {error}.",
            "`mlops data checkout` brings the data's files back as a version has them.",
        ) from error
    ids: list[str] = table.filter(table["label"].is_valid())["id"].to_pylist()
    return ids


def _piece(asked: Iterable[Asked], wanted: Wanted) -> _Piece:
    piece = _Piece()
    for one in asked:
        piece.add(one, labelled=wanted.labelled)
    return piece


def _written(
    part: Path,
    schema: "pa.Schema",
    collecting: Collecting,
    pieces: Sequence[tuple[float, float]],
    wanted: Wanted,
    tell: Tell,
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    part.parent.mkdir(parents=True, exist_ok=True)
    done = 0
    with pq.ParquetWriter(part, schema, compression="zstd", compression_level=_LEVEL) as writer:
        for since, until in pieces:
            piece = _piece(collecting.read(since, until), wanted)
            count = piece.made.rows
            arrays = [_array(piece.columns.get(f.name, []), f.type, count) for f in schema]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            done += count
            tell(done)
    with part.open("rb") as file:
        os.fsync(file.fileno())


def _schema(types: "Mapping[str, pa.DataType]", wanted: Wanted, made: Made) -> "pa.Schema":
    import pyarrow as pa

    known = {
        "id": pa.string(), "row": pa.int64(), "answered_at": pa.timestamp("us", tz="UTC"),
        "version": pa.int64(), "label": types["label"], "label_at": pa.timestamp("us", tz="UTC"),
    }  # fmt: skip
    known |= {name: types[name] for name in sorted(types) if name not in known}
    said = {
        "v": 1, "project": wanted.project, "model": wanted.model, "since": wanted.since,
        "until": wanted.until, "rows": made.rows, "labelled": made.labelled,
        "versions": {
            str(number): [rows, made.labelled_of[number]]
            for number, rows in sorted(made.versions.items())
        },
    }  # fmt: skip
    fields = [(n, pa.string() if pa.types.is_null(kind) else kind) for n, kind in known.items()]
    return pa.schema(fields, metadata={META: orjson.dumps(said)})


def _type(values: Sequence[Any]) -> "pa.DataType":
    import pyarrow as pa

    try:
        found = pa.array(values).type  # infer_type would call yes and 1 together yes/no
    except (pa.ArrowException, OverflowError):
        return pa.string()
    inner = found
    while pa.types.is_list(inner):
        inner = inner.value_type
    # Objects need not have the same fields in each row, and an empty one cannot be stored.
    return pa.string() if pa.types.is_struct(inner) else found


def _wider(one: "pa.DataType | None", other: "pa.DataType") -> "pa.DataType":
    """Return what holds the values of both: text when nothing else does."""
    import pyarrow as pa

    if one is None or one == other:
        return other
    if pa.types.is_null(one) or pa.types.is_null(other):
        return other if pa.types.is_null(one) else one
    if pa.types.is_list(one) and pa.types.is_list(other):
        inner = _wider(one.value_type, other.value_type)
        return pa.string() if pa.types.is_string(inner) and _differ(one, other) else pa.list_(inner)
    figures = {pa.int64(), pa.float64()}
    return pa.float64() if one in figures and other in figures else pa.string()


def _differ(one: "pa.DataType", other: "pa.DataType") -> bool:
    import pyarrow as pa

    kinds = {one.value_type, other.value_type} - {pa.null()}
    return kinds != {pa.string()}


def _array(values: Sequence[Any], kind: "pa.DataType", count: int) -> "pa.Array":
    import pyarrow as pa

    from services.predictions.columns import array

    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    whole = [*values, *[None] * (count - len(values))]
    if pa.types.is_string(kind):
        whole = [_text(value) for value in whole]
    return array(whole, kind)


def _text(value: Any) -> str | None:  # noqa: ANN401
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()

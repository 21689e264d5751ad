"""Predictions as columns: the table that a Parquet file of predictions holds."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from services.predictions.segments import Row

if TYPE_CHECKING:
    import pyarrow as pa

_TEXT, _WHOLE, _FIGURE, _YES, _TIME = "string", "int64", "float64", "bool", "time"
TYPES = {
    "id": _TEXT, "answered_at": _TIME, "project": _TEXT, "model": _TEXT, "version": _WHOLE,
    "api": _TEXT, "key_id": _TEXT, "rows": _WHOLE, "status": _WHOLE, "latency_ms": _FIGURE,
    "model_ms": _FIGURE,
    "queue_ms": _FIGURE, "backend": _TEXT, "host": _TEXT, "host_state": _TEXT, "energy_j": _FIGURE,
    "shadow": _YES, "error": _TEXT, "kept": _TEXT, "inputs": _TEXT, "outputs": _TEXT,
}  # fmt: skip
"""Of ``segments.Row``, in its order."""

LABEL_TYPES = {
    "id": _TEXT, "said_at": _TIME, "key_id": _TEXT, "project": _TEXT, "kept": _TEXT, "label": _TEXT,
}  # fmt: skip
"""Of a label as it came; ``label`` is JSON."""

FEW = frozenset(
    ("project", "model", "version", "api", "key_id", "rows", "status", "backend", "host",
     "host_state", "shadow", "error", "kept")
)  # fmt: skip
"""Columns of few different values."""


def identity(row: Row) -> tuple[Any, ...]:
    """Return what is the same for a prediction that was written twice."""
    # A caller may ask several models under one id; a shadow has that of the request beside it.
    return row[0], row[2], row[3], row[4], row[16]


def schema(types: dict[str, str]) -> "pa.Schema":
    """Return the columns of a table."""
    import pyarrow as pa

    known = {
        _TEXT: pa.string(), _WHOLE: pa.int64(), _FIGURE: pa.float64(), _YES: pa.bool_(),
        _TIME: pa.timestamp("us", tz="UTC"),
    }  # fmt: skip
    return pa.schema([(name, known[kind]) for name, kind in types.items()])


def table(said: Sequence[Row], types: dict[str, str] = TYPES) -> "pa.Table":
    """Return rows as columns; a value that is not of its column's type is left out."""
    import pyarrow as pa

    made = schema(types)
    if not said:
        return made.empty_table()
    columns = zip(*said, strict=True)
    arrays = [array(values, field.type) for values, field in zip(columns, made, strict=True)]
    return pa.Table.from_arrays(arrays, schema=made)


def rows(table: "pa.Table", names: Sequence[str]) -> "Iterator[tuple[Any, ...]]":
    """Yield the values of some columns row by row, times in µs."""
    import pyarrow as pa

    picked = [table[name] for name in names]
    values = [
        (one.cast(pa.int64()) if pa.types.is_timestamp(one.type) else one).to_pylist()
        for one in picked
    ]
    return zip(*values, strict=True)


def array(values: Sequence[Any], kind: "pa.DataType") -> "pa.Array":
    """Return a column; a value that is not of its type is left out."""
    import pyarrow as pa

    try:
        return pa.array(values, kind)
    except (pa.ArrowException, OverflowError):
        return pa.array([_fitting(value, kind) for value in values], kind)


def _fitting(value: Any, kind: "pa.DataType") -> Any:  # noqa: ANN401
    import pyarrow as pa

    try:
        pa.array([value], kind)
    except (pa.ArrowException, OverflowError):
        return None
    return value

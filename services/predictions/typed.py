"""Typed columns of predictions: a row a row that was asked, for drift and quality.

``input.NAME`` and ``output.NAME`` are figures, text or yes/no. A row's short vector becomes a
column an element (``input.NAME[3]``), a long one its mean, deviation, least and greatest; the
values themselves stay in the predictions' JSON.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from services.predictions.columns import array, schema

if TYPE_CHECKING:
    import pyarrow as pa

SHORT = 32
"""Elements of a vector that become columns of their own."""

FIXED = {
    "id": "string",
    "answered_at": "time",
    "version": "int64",
    "shadow": "bool",
    "row": "int64",
}
"""What each row has beside its columns."""

NEEDED = ("id", "answered_at", "version", "shadow", "rows", "inputs", "outputs")
"""What a prediction's rows are made of."""


class Builder:
    """Collects the rows of one version."""

    def __init__(self) -> None:
        self._fixed: list[list[Any]] = [[] for _ in FIXED]
        self._columns: dict[str, list[Any]] = {}
        self._rows = 0

    def add(
        self,
        request_id: str,
        at_us: int,
        version: int,
        shadow: bool,  # noqa: FBT001
        count: int,
        inputs: str | None,
        outputs: str | None,
    ) -> None:
        """Add the rows of a prediction: the values of ``NEEDED``."""
        values: dict[str, list[Any]] = {}
        if isinstance(count, int) and count > 0:
            for side, text in (("input", inputs), ("output", outputs)):
                values.update(_flat(side, text, count))
        if not values:
            return
        fixed = request_id, at_us, version, shadow
        for column, value in zip(self._fixed, fixed, strict=False):
            column.extend([value] * count)
        self._fixed[-1].extend(range(count))
        for name, more in values.items():
            column = self._columns.setdefault(name, [])
            column.extend([None] * (self._rows - len(column)))
            column.extend(more)
        self._rows += count

    def table(self) -> "pa.Table | None":
        """Return what was collected; None when there is nothing."""
        import pyarrow as pa

        if not self._rows:
            return None
        fields = list(schema(FIXED))
        arrays = [array(v, f.type) for v, f in zip(self._fixed, fields, strict=True)]
        for name, values in sorted(self._columns.items()):
            values.extend([None] * (self._rows - len(values)))
            made = _array(values)
            if not pa.types.is_null(made.type):
                arrays.append(made)
                fields.append(pa.field(name, made.type))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def unified(schemas: Iterable["pa.Schema"]) -> "pa.Schema":
    """Return columns that hold those of all: figures when all are figures, else text."""
    import pyarrow as pa

    found: dict[str, Any] = {}
    for one in schemas:
        for field in one:
            found[field.name] = _wider(found.get(field.name, field.type), field.type)
    return pa.schema(list(found.items()))


def fitted(table: "pa.Table", wanted: "pa.Schema") -> "pa.Table":
    """Return a table with other columns: those it has not are empty."""
    import pyarrow as pa

    arrays = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in wanted
    ]
    return pa.Table.from_arrays(arrays, schema=wanted)


def _wider(one: "pa.DataType", other: "pa.DataType") -> "pa.DataType":
    import pyarrow as pa

    if one == other:
        return one
    figures = {pa.int64(), pa.float64()}
    return pa.float64() if one in figures and other in figures else pa.string()


def _flat(side: str, text: str | None, count: int) -> Iterator[tuple[str, list[Any]]]:
    for name, rows in columns_of(text, count):
        yield from _column(f"{side}.{name}", rows)


def columns_of(text: str | None, count: int) -> Iterator[tuple[str, list[Any]]]:
    """Yield the columns of one side of a prediction that have a value a row, as they came.

    Args:
        text: Inputs or outputs as JSON.
        count: Rows of the prediction.
    """
    if text is None:
        return
    try:
        columns = orjson.loads(text)
    except ValueError:  # given as JSON by somebody, and none
        return
    if not isinstance(columns, Mapping):
        return
    for name, rows in columns.items():
        if isinstance(rows, list) and len(rows) == count:
            yield name, rows
        elif count == 1 and not isinstance(rows, list | dict):
            yield name, [rows]


def _column(name: str, rows: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    if not any(isinstance(row, list | dict) for row in rows):
        yield name, rows
        return
    vectors = [[] if row is None else _elements(row) for row in rows]
    if any(vector is None for vector in vectors):
        yield name, [orjson.dumps(row).decode() for row in rows]
        return
    longest = max(len(vector or ()) for vector in vectors)
    if longest <= SHORT:
        for place in range(longest):
            yield f"{name}[{place}]", [v[place] if v and place < len(v) else None for v in vectors]
        return
    figures = [_figures(vector or []) for vector in vectors]
    for place, said in enumerate(("mean", "std", "min", "max")):
        yield f"{name}.{said}", [one[place] for one in figures]


def _elements(row: Any) -> list[Any] | None:  # noqa: ANN401
    """Return the figures of a vector or picture in one list, None when there are others."""
    if not isinstance(row, list):
        return [row] if isinstance(row, int | float) else None
    if row and isinstance(row[0], list):
        parts = [_elements(part) for part in row]
        return None if any(part is None for part in parts) else [v for p in parts for v in p or ()]
    return row if all(value is None or isinstance(value, int | float) for value in row) else None


def _figures(vector: list[Any]) -> tuple[float | None, ...]:
    known = [value for value in vector if value is not None]
    if not known:
        return None, None, None, None
    mean = math.fsum(known) / len(known)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in known) / len(known))
    return mean, spread, float(min(known)), float(max(known))


def _array(values: list[Any]) -> "pa.Array":
    import pyarrow as pa

    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {int, float} and len(kinds) == 2:
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    try:
        if len(kinds) <= 1 and not kinds & {list, dict}:
            return pa.array(values)
    except (pa.ArrowException, OverflowError):  # whole numbers beyond 64 bits
        pass
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:  # noqa: ANN401
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode() if isinstance(value, list | dict | bool) else str(value)

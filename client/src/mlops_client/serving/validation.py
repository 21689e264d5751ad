"""Requests and answers, held against what the bundle says of them."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mlops_client.serving.frames import BYTES, TYPES, ColumnError, Columns, type_name
from mlops_client.serving.info import Column, Info

SAMPLE_TEXT = "Return the value."


class AnswerError(Exception):
    """The model answered something else than it is told to; the message is a sentence."""


def checked(info: Info, columns: Mapping[str, np.ndarray]) -> int:
    """Return how many rows are asked.

    Raises:
        ColumnError: One is missing, unknown, of a wrong type or shape, or holds what it may not.
    """
    known = {one.name: one for one in info.inputs}
    for name in columns:
        if name not in known:
            raise ColumnError(name, f"There is no column {name!r}; there is {_list(known)}.")
    for one in info.inputs:
        if one.name in columns:
            check(one, columns[one.name])
        elif not one.optional:
            raise ColumnError(one.name, f"Column {one.name!r} is missing.")
    if not columns:
        raise ColumnError(None, f"No column is given; give one of {_list(known)}.")
    return _rows(columns)


def _rows(columns: Mapping[str, np.ndarray]) -> int:
    counts = {name: len(values) for name, values in columns.items()}
    rows = next(iter(counts.values()))
    for name, count in counts.items():
        if count != rows:
            raise ColumnError(name, f"Column {name!r} has {count} rows, another one has {rows}.")
    if rows == 0:
        raise ColumnError(next(iter(counts)), "No row is asked.")
    return rows


def check(column: Column, values: np.ndarray) -> None:
    """Hold one column's values against what it may hold.

    Raises:
        ColumnError: They are of another type or shape, no finite numbers, or not allowed.
    """
    name, found = column.name, type_name(values.dtype, column.name)
    if found != column.datatype:
        raise ColumnError(name, f"Column {name!r} is {found}, not {column.datatype}.")
    if not _fits(column.shape, values.shape):
        raise ColumnError(
            name,
            f"Column {name!r} has the shape {list(values.shape)}, not {list(column.shape)}"
            " (-1: any number).",
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ColumnError(name, f"Column {name!r} holds values that are no finite numbers.")
    _check_values(column, values)


def _check_values(column: Column, values: np.ndarray) -> None:
    name = column.name
    if values.size == 0:
        return
    if values.dtype.kind in "iuf":
        if column.min is not None and values.min() < column.min:
            raise ColumnError(name, f"Column {name!r} holds {values.min()}, below {column.min:g}.")
        if column.max is not None and values.max() > column.max:
            raise ColumnError(name, f"Column {name!r} holds {values.max()}, above {column.max:g}.")
    if column.choices:
        strange = set(values.reshape(-1).tolist()) - set(column.choices)
        if strange:
            raise ColumnError(
                name,
                f"Column {name!r} holds {str(min(strange, key=str))[:40]!r}, which is none of "
                f"{_list(column.choices)}.",
            )


def _fits(wanted: tuple[int, ...], found: tuple[int, ...]) -> bool:
    return len(wanted) == len(found) and all(
        size in (-1, there) for size, there in zip(wanted, found, strict=True)
    )


def _list(names: Iterable[object]) -> str:
    return ", ".join(str(name) for name in names) or "none"


def answered(info: Info, answer: object, rows: int) -> Columns:
    """Return a predictor's answer as columns in the order and of the types that are told of.

    Raises:
        AnswerError: A column is missing, or has another number of rows or a type that is no such.
    """
    said = answer if isinstance(answer, Mapping) else {_only(info): answer}
    wanted = {one.name: one for one in info.outputs}
    columns: Columns = {}
    for name in [*wanted, *(key for key in said if key not in wanted)]:
        if name not in said:
            raise AnswerError(f"The model's answer lacks the column {name!r}.")
        values = np.asarray(said[name])
        if values.ndim == 0 or len(values) != rows:
            found = values.shape[0] if values.ndim else "one value"
            raise AnswerError(f"The model answers {found} in {name!r} for {rows} rows.")
        columns[name] = _cast(name, values, wanted[name]) if name in wanted else values
    return columns


def _only(info: Info) -> str:
    return info.outputs[0].name if info.outputs else "answer"


def _cast(name: str, values: np.ndarray, column: Column) -> np.ndarray:
    text = values.dtype.kind in "OUST"
    if column.datatype == BYTES or text:
        if text and column.datatype == BYTES:
            return values
        raise AnswerError(f"The model answers {values.dtype} in {name!r}, not {column.datatype}.")
    dtype = TYPES[column.datatype]
    if not np.can_cast(values.dtype, dtype, "same_kind"):
        raise AnswerError(f"The model answers {values.dtype} in {name!r}, not {column.datatype}.")
    return values.astype(dtype, copy=False)


def check_warm(info: Info, columns: Columns) -> None:
    """Hold the answer to the example against the shapes told of, and ask for finite numbers.

    Raises:
        AnswerError: It is not so.
    """
    for one in info.outputs:
        values = columns[one.name]
        if not _fits(one.shape, values.shape):
            raise AnswerError(
                f"The model answers {one.name!r} with the shape {list(values.shape)}, "
                f"not {list(one.shape)}."
            )
    for name, values in columns.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise AnswerError(f"The model answers values in {name!r} that are no finite numbers.")


def example(info: Info) -> Columns:
    """Return the request that the bundle tells of; without one, a row made from the schema.

    Raises:
        ColumnError: It is not what the schema says.
    """
    if info.example:
        return from_lists(info, info.example)
    required = [one for one in info.inputs if not one.optional] or list(info.inputs[:1])
    return {one.name: _sample(one) for one in required}


def _sample(column: Column) -> np.ndarray:
    shape = tuple(1 if size == -1 else size for size in column.shape)
    value = column.example
    if value is None and column.choices:
        value = column.choices[0]
    if value is None:
        value = SAMPLE_TEXT if column.datatype == BYTES else (column.min or 0)
    dtype = np.dtype(object) if column.datatype == BYTES else TYPES[column.datatype]
    return np.broadcast_to(np.asarray(value, dtype=dtype), shape).copy()


def from_lists(info: Info, said: Mapping[str, Any]) -> Columns:
    """Return the columns of plain lists (one value a row), as JSON has them.

    Raises:
        ColumnError: A column is unknown, or its values do not have its type.
    """
    known = {one.name: one for one in info.inputs}
    columns = {}
    for name, values in said.items():
        if name not in known:
            raise ColumnError(name, f"There is no column {name!r}; there is {_list(known)}.")
        columns[name] = _from_list(known[name], values)
    return columns


def _from_list(column: Column, values: object) -> np.ndarray:
    name = column.name
    if not isinstance(values, list | tuple | np.ndarray):
        raise ColumnError(name, f"Column {name!r} must be a list, one value a row.")
    try:
        if column.datatype == BYTES:
            return _texts(name, values)
        found = np.asarray(values)
        dtype = TYPES[column.datatype]
    except (ValueError, TypeError, OverflowError) as error:
        raise ColumnError(name, f"Column {name!r} is not rectangular: {error}.") from None
    with np.errstate(all="ignore"):
        return _exactly(name, found, dtype, column.datatype)


def _texts(name: str, values: Any) -> np.ndarray:  # noqa: ANN401 - a list of whatever JSON has
    texts = np.array(values, dtype=object)
    for text in texts.reshape(-1).tolist():
        if not isinstance(text, str):
            raise ColumnError(name, f"Column {name!r} must hold texts.")
    return texts


def _exactly(name: str, found: np.ndarray, dtype: np.dtype, datatype: str) -> np.ndarray:
    """Return numbers in their type when nothing is lost: 1.0 is a whole number, 1.5 is none."""
    number, bools = found.dtype.kind in "iuf", found.dtype.kind == "b"
    if bools != (datatype == "BOOL") or not (number or bools):
        raise ColumnError(name, f"Column {name!r} must hold {datatype}.")
    try:
        values = found.astype(dtype)
    except (ValueError, OverflowError):
        raise ColumnError(name, f"Column {name!r} must hold {datatype}.") from None
    if dtype.kind in "iu" and not (values == found).all():
        raise ColumnError(name, f"Column {name!r} must hold whole numbers of {datatype}.")
    return values


def to_lists(columns: Mapping[str, np.ndarray]) -> dict[str, list[Any]]:
    """Return an answer's columns as JSON has them: one value a row, None for no number."""
    return {name: _listed(values) for name, values in columns.items()}


def _listed(values: np.ndarray) -> list[Any]:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        plain = values.astype(object)
        plain[~np.isfinite(values)] = None
        return list(plain.tolist())
    return list(values.tolist())

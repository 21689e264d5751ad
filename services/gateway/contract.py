"""What a version takes: every input held against its schema before a model is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from services.gateway import arrays, pictures
from services.gateway.problems import bad
from services.serving.frames import Tensor
from services.serving.models import BundleInfo, Field

Array = np.ndarray[Any, Any]
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Given:
    """One input as it came: JSON lists or raw bytes, and what was said of them."""

    name: str
    data: Any
    """Lists, or the wire's bytes."""
    where: str
    """How a person finds it in the request."""
    datatype: str | None = None
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that a model may be asked."""

    inputs: tuple[Tensor, ...]
    rows: int
    columns: dict[str, Any] | bytes
    """The same for the prediction log; bytes: as JSON."""
    parameters: Mapping[str, Any] = field(default_factory=dict)


class Contract:
    """The inputs of one version."""

    def __init__(self, info: BundleInfo) -> None:
        self.info = info
        self.fields = {one.name: one for one in info.inputs}
        self._required = [one.name for one in info.inputs if not one.optional]

    def prepare(
        self,
        given: Sequence[Given],
        parameters: Mapping[str, Any] | None = None,
        base: str = "inputs",
    ) -> Prepared:
        """Return what the model is asked.

        Raises:
            Problem: An input is unknown, missing, given twice, or not what the schema says.
        """
        names = [one.name for one in given]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise bad(f"The input {twice!r} is given twice.", f"{base}.{twice}")
        for one in given:
            if one.name not in self.fields:
                raise bad(f"There is no input {one.name!r}; {self._known()}.", one.where)
        missing = [name for name in self._required if name not in names]
        if missing:
            raise bad(f"The input {missing[0]!r} is missing.", f"{base}.{missing[0]}")
        if not given:
            raise bad(f"No input is given; {self._known()}.", base)
        checked = [self._checked(one) for one in given]
        rows = checked[0][0].shape[0]
        for one, (tensor, _) in zip(given, checked, strict=True):
            if tensor.shape[0] != rows:
                raise bad(
                    f"The input has {tensor.shape[0]} rows, {given[0].name!r} has {rows}.",
                    one.where,
                )
        columns = {tensor.name: column for tensor, column in checked}
        return Prepared(tuple(one for one, _ in checked), rows, columns, parameters or {})

    def _known(self) -> str:
        shown = ", ".join(list(self.fields)[:_SHOWN])
        return f"it takes {shown}" + (" …" if len(self.fields) > _SHOWN else "")

    def _checked(self, given: Given) -> tuple[Tensor, Any]:
        wanted = self.fields[given.name]
        where = given.where
        if given.datatype is not None and given.datatype != wanted.datatype:
            raise bad(f"Its datatype is {wanted.datatype}, not {given.datatype}.", where)
        if wanted.datatype == arrays.TEXT:
            return _texts(wanted, given)
        array = _numbers(wanted, given)
        _see_values(wanted, array, where)
        return Tensor(wanted.name, wanted.datatype, array.shape, array.tobytes()), array


def _texts(wanted: Field, given: Given) -> tuple[Tensor, Any]:
    where = given.where
    if isinstance(given.data, bytes):
        shape = given.shape or ()
        elements = arrays.count(shape, arrays.TEXT, where)
        values, raw = arrays.unpacked_texts(given.data, elements, where), given.data
    else:
        values, shape = arrays.texts(given.data, where)
        shape = _as_said(wanted, shape, len(values), given)
        raw = arrays.packed_texts(values)
    _see_shape(wanted, shape, where)
    if wanted.choices and not set(values) <= set(wanted.choices):
        raise bad(_choices(wanted), where)
    tensor = Tensor(wanted.name, arrays.TEXT, shape, raw)
    return tensor, values if len(shape) == 1 else _nested(values, shape)


def _nested(values: list[str], shape: tuple[int, ...]) -> Any:  # noqa: ANN401
    return np.array(values, dtype=object).reshape(shape).tolist()


def _numbers(wanted: Field, given: Given) -> Array:
    where = given.where
    if isinstance(given.data, bytes):
        shape = given.shape or ()
        elements = arrays.count(shape, wanted.datatype, where)
        size = arrays.size_of(wanted.datatype)
        if len(given.data) != elements * size:
            raise bad(
                f"It has {len(given.data)} bytes; {list(shape)} of {wanted.datatype} are "
                f"{elements * size}.", where,
            )  # fmt: skip
        array = np.frombuffer(given.data, dtype=arrays.TYPES[wanted.datatype]).reshape(shape)
    else:
        data = pictures.unpacked(wanted, given.data, where) if wanted.image else given.data
        array = (
            data if isinstance(data, np.ndarray) else arrays.numbers(data, wanted.datatype, where)
        )
        array = array.reshape(_as_said(wanted, array.shape, array.size, given))
    _see_shape(wanted, array.shape, where)
    return array


def _as_said(wanted: Field, found: tuple[int, ...], elements: int, given: Given) -> tuple[int, ...]:
    """Return the shape that JSON data have: as it was said, else as the schema has it."""
    if given.shape is not None:
        if arrays.count(given.shape, wanted.datatype, given.where) != elements:
            raise bad(f"It has {elements} elements, not {list(given.shape)}.", given.where)
        return given.shape
    inner = wanted.shape[1:]
    if found and elements and -1 not in inner:
        # [[1], [2]] for one number a row, 28 × 28 for 784: the elements are the same, row by row.
        size = elements // found[0]
        if size == int(np.prod(inner, dtype=np.int64)):
            return (found[0], *inner)
    return found


def _see_shape(wanted: Field, shape: tuple[int, ...], where: str) -> None:
    fits = len(shape) == len(wanted.shape) and all(
        said in (-1, size) for said, size in zip(wanted.shape, shape, strict=True)
    )
    if not fits:
        raise bad(
            f"Its shape is {list(wanted.shape)} with -1 for any number, not {list(shape)}.", where
        )
    if not shape or 0 in shape:
        raise bad("It has no rows.", where)


def _see_values(wanted: Field, array: Array, where: str) -> None:
    if array.dtype.kind == "b":
        return
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise bad("It holds values that are not finite numbers.", where)
    if wanted.min is not None and array.min() < wanted.min:
        raise bad(f"It holds {array.min():g}; the least is {wanted.min:g}.", where)
    if wanted.max is not None and array.max() > wanted.max:
        raise bad(f"It holds {array.max():g}; the most is {wanted.max:g}.", where)
    if wanted.choices and not set(array.ravel().tolist()) <= set(wanted.choices):
        raise bad(_choices(wanted), where)


def _choices(wanted: Field) -> str:
    shown = ", ".join(map(str, wanted.choices[:_SHOWN]))
    return f"It holds something else than {shown}{' …' if len(wanted.choices) > _SHOWN else ''}."


def rows_given(rows: Any, fields: Mapping[str, Field]) -> list[Given]:  # noqa: ANN401
    """Return plain JSON rows as columns.

    Raises:
        Problem: They are no list of objects, or do not have the same columns.
    """
    if not isinstance(rows, list) or not rows:
        raise bad("`rows` is a list with at least one object.", "rows")
    first = rows[0]
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            raise bad("A row is an object of columns.", f"rows[{place}]")
        if row.keys() != first.keys():
            strange = next(iter(sorted(row.keys() ^ first.keys())))
            raise bad(f"The rows do not all have {strange!r}.", f"rows[{place}].{strange}")
    return [
        Given(name, _column([row[name] for row in rows], fields.get(name)), f"rows[].{name}")
        for name in first
    ]


def columns_given(columns: Any, fields: Mapping[str, Field]) -> list[Given]:  # noqa: ANN401
    """Return plain JSON columns.

    Raises:
        Problem: They are no object of lists.
    """
    if not isinstance(columns, dict) or not columns:
        raise bad("`columns` is an object of lists.", "columns")
    for name, values in columns.items():
        if not isinstance(values, list):
            raise bad("A column is a list with a value a row.", f"columns.{name}")
    return [
        Given(name, _column(values, fields.get(name)), f"columns.{name}")
        for name, values in columns.items()
    ]


def _column(values: list[Any], field: Field | None) -> list[Any]:
    """Let a single value stand for a row of one element."""
    if field is not None and len(field.shape) == 2 and field.shape[1] == 1:
        return [value if isinstance(value, list) else [value] for value in values]
    return values

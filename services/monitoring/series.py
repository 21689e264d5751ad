"""A column of the prediction log as figures, categories or texts, without its empty values."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from services.monitoring.models import Kind, Role

if TYPE_CHECKING:
    import pyarrow as pa

Figures = NDArray[np.float64]
Codes = NDArray[np.int64]

FEW = 20
"""Different values up to which whole numbers are categories: classes, ratings, numbers of doors."""
_WORDS = 3.0
"""Words a value has on average from which on texts of which nearly all differ are prose."""
_DIFFERENT = 0.5
_LARGEST = 1e100
"""Values beyond are taken as this: their squares could not be summed."""
_BAD = 0.1
"""Share of texts from which on a column of numbers is none any more."""
_LOOKED_AT = 1000
"""Values that tell what texts are."""
_OF_VECTOR = re.compile(r"\[\d+\]$|\.(mean|std|min|max)$")
"""How the log names what it keeps of vectors: see ``predictions.typed``."""
PREFIXES: dict[str, Role] = {"input.": "input", "output.": "output"}


class TextsError(ValueError):
    """A column of numbers holds many texts; the message says how many."""

    def __init__(self, bad: NDArray[np.bool_]) -> None:
        """Take of each row whether its value is no number."""
        self.bad = bad
        count = int(bad.sum())
        super().__init__(f"{count:,} of {len(bad):,} values are no numbers, and numbers were")


@dataclass(frozen=True, slots=True)
class Series:
    """One column's values in order, and which request each came with."""

    name: str
    role: Role
    kind: Kind
    values: Figures | NDArray[np.object_]
    """Figures, else texts; empty ones and those that are no number are left out."""
    present: NDArray[np.bool_]
    """Of each row, whether it has a value."""
    asked: Codes | None
    """A number for each row, the same for those asked together; None when each came alone."""

    @property
    def rows(self) -> int:
        """Return how many rows there are, the empty ones too."""
        return len(self.present)

    @property
    def requests(self) -> Codes | None:
        """Return which request each value came with."""
        return None if self.asked is None else self.asked[self.present]

    @classmethod
    def gone(cls, name: str, role: Role, rows: int, asked: Codes | None) -> Self:
        """Return a column of which nothing came."""
        return cls(name, role, "numeric", np.empty(0), np.zeros(rows, dtype=bool), asked)


def names(table: "pa.Table") -> tuple[str, ...]:
    """Return the columns of inputs and outputs."""
    return tuple(name for name in table.column_names if role(name) is not None)


def role(name: str) -> Role | None:
    """Return whether a column was asked or answered; None of what the log adds itself."""
    return next((said for prefix, said in PREFIXES.items() if name.startswith(prefix)), None)


def vector_of(name: str) -> str:
    """Return the name of the column that a column is of: of a vector's element, the vector's."""
    return _OF_VECTOR.sub("", name)


def is_of(name: str, names: Collection[str]) -> bool:
    """Return whether a column is among these, or an element of a vector that is."""
    return name in names or vector_of(name) in names


def requests(table: "pa.Table") -> Codes | None:
    """Return which request each row came with; None when each came alone."""
    if "id" not in table.column_names or not len(table):
        return None
    codes: Codes = (
        table["id"].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    )
    return None if len(np.unique(codes)) == len(codes) else codes.astype(np.int64)


def kind_of(table: "pa.Table", name: str) -> Kind | None:
    """Return what a reference's column is; None when all of it is empty.

    Whole numbers of at most ``FEW`` values are categories. Texts are prose when most are
    different and have several words. Figures of vectors and pictures are an embedding's.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    known = table[name].drop_null()
    if not len(known):
        return None
    if pa.types.is_floating(known.type) or _is_written(known):
        return "embedding" if _OF_VECTOR.search(name) else "numeric"
    if pa.types.is_integer(known.type):
        return "category" if pc.count_distinct(known).as_py() <= FEW else "numeric"
    if not pa.types.is_string(known.type) or pc.count_distinct(known).as_py() < _DIFFERENT * len(
        known
    ):
        return "category"
    spaces = pc.mean(pc.count_substring(known, " ")).as_py()
    return "text" if spaces + 1 >= _WORDS else "category"


def _is_written(known: "pa.ChunkedArray") -> bool:
    """Return whether texts are figures: so reads a column that held others at any time.

    Nearly all are numbers, and most have a point: a postal code or a number of somebody has none.
    """
    import pyarrow as pa

    if not pa.types.is_string(known.type):
        return False
    texts = known.slice(0, _LOOKED_AT).to_pylist()
    pointed = sum("." in text for text in texts)
    return 2 * pointed > len(texts) and sum(map(_is_number, texts)) >= (1 - _BAD) * len(texts)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read(
    table: "pa.Table", name: str, kind: Kind, groups: Codes | None, *, whole: bool = False
) -> Series:
    """Return a column as a kind that may be another's.

    Args:
        table: Of ``predictions.monitoring.features``.
        name: Of the column.
        kind: What it is compared as.
        groups: Of ``requests``.
        whole: Whether figures are whole numbers written as categories.

    Raises:
        TextsError: It holds many texts, and figures are wanted.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table[name].combine_chunks()
    if kind in ("numeric", "embedding"):
        values = _figures(column)
        kept = np.isfinite(values)
        values = np.clip(values, -_LARGEST, _LARGEST)
    else:
        if pa.types.is_floating(column.type) and whole:
            column = _whole(column)
        texts = pc.cast(column, pa.string())
        values = texts.to_numpy(zero_copy_only=False)
        kept = pc.is_valid(texts).to_numpy(zero_copy_only=False)
    said = role(name)
    assert said is not None  # noqa: S101  names() gave it
    return Series(name, said, kind, values[kept], kept, groups)


def is_whole(table: "pa.Table", name: str) -> bool:
    """Return whether a column holds whole numbers."""
    import pyarrow as pa

    return bool(pa.types.is_integer(table[name].type))


def _figures(column: "pa.Array") -> Figures:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type):
        return _numbers(column.to_pylist())
    # Not safe: whole numbers beyond 2^53 are rounded, not refused.
    read = pc.cast(column, pa.float64(), safe=False)
    values: Figures = read.to_numpy(zero_copy_only=False)
    return values


def _numbers(texts: Sequence[str | None]) -> Figures:
    """Read figures that were written as texts, as they are where one row of a column was none.

    A few that are no numbers are empty; of many the column is of another type.
    """
    read, bad = np.full(len(texts), np.nan), np.zeros(len(texts), dtype=bool)
    for place, text in enumerate(texts):
        try:
            read[place] = np.nan if text is None else float(text)
        except ValueError:
            bad[place] = True
    if bad.sum() > _BAD * len(texts):
        raise TextsError(bad)
    return read


def _whole(column: "pa.Array") -> "pa.Array":
    """Return figures as whole numbers where they are: a column with a gap reads as figures."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return pc.cast(column, pa.int64())
    except pa.ArrowInvalid:
        return column

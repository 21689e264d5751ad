"""The values of long vectors and of pictures, beside the typed columns of the same rows.

The typed columns have of a long vector its mean, deviation, least and greatest. These stay as they
were when elements change places, or a topic comes instead of another. So the values themselves are
read, of ``ROWS`` rows at most, evenly of all, and put into columns ``vector.NAME`` (figures a row)
and ``picture.NAME`` (those of ``pictures.NAMES``), which nothing but this looks at.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from services.home import Home
from services.monitoring import pictures, series
from services.monitoring.series import Codes, Figures
from services.predictions import raw

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 2000
"""Of each side, at most."""
ELEMENTS = 1024
"""Longer ones are sketched into so many: sums of elements with random signs, the same each time,
which keep distances nearly as they are (Charikar, Chen and Farach-Colton 2002)."""
VECTOR, PICTURE = "vector.", "picture."
_LONG = ("mean", "std", "min", "max")

Columns = Mapping[str, "pa.Array"]


def of_values(sides: Mapping[str, Mapping[str, Any]], names: Sequence[str], rows: int) -> Columns:
    """Return the columns of vectors that are at hand: of evaluation data.

    Figures that are only named as those of a vector have a column without values: it says that
    there are none to come.

    Args:
        sides: ``input`` and ``output``: name → a value a row.
        names: The typed columns of the same rows.
        rows: How many there are.
    """
    chosen = frozenset(evenly(rows))
    made: dict[str, pa.Array] = {}
    for name in long(names):
        side, _, plain = name.partition(".")
        found = sides[side].get(plain)
        values = found if isinstance(found, list) and len(found) == rows else [None] * rows
        read = [_read(one) if n in chosen else None for n, one in enumerate(values)]
        made.update(_arrays(name, read))
    return made


def beside(
    home: Home, project: str, model: str, table: "pa.Table", *, shadow: bool = False
) -> "pa.Table":
    """Return rows of the log with their vectors; those without an id, or with all, as they are.

    Raises:
        PlatformError: The log cannot be read.
    """
    if not len(table) or not {"id", "version", "row", "answered_at"} <= set(table.column_names):
        return table
    if not lacks(table):
        return table
    names = [one for one in long(table.column_names) if VECTOR + one not in table.column_names]
    chosen = evenly(len(table))
    some = table.take(chosen)
    texts = raw.read(home, project, model, some["id"], _stretch(some), shadow=shadow)
    places = (some[name].to_pylist() for name in ("id", "version", "row"))
    found = texts_read(texts, list(zip(*places, strict=True)), names)
    for name, read in found.items():
        whole: list[_Row | None] = [None] * len(table)
        for place, one in zip(chosen, read, strict=True):
            whole[place] = one
        for column, values in _arrays(name, whole).items():
            table = table.append_column(column, [values])
    return table


def lacks(table: "pa.Table") -> bool:
    """Return whether there are long vectors of which the values are not kept beside."""
    names = table.column_names
    return any(VECTOR + name not in names for name in long(names))


@dataclass(frozen=True, slots=True)
class _Row:
    values: Figures
    picture: Figures | None


def long(names: Sequence[str]) -> list[str]:
    """Return the vectors of which the log has four figures."""
    known = set(names)
    bases = [name.removesuffix(".mean") for name in names if name.endswith(".mean")]
    return [
        one
        for one in bases
        if one not in known
        and series.role(one) is not None
        and all(f"{one}.{said}" in known for said in _LONG)
    ]


def evenly(count: int) -> list[int]:
    """Return the places of at most ``ROWS`` of so many rows."""
    return [int(one) for one in np.linspace(0, count - 1, min(count, ROWS)).round()]


def _stretch(table: "pa.Table") -> tuple[float, float]:
    import pyarrow as pa
    import pyarrow.compute as pc

    ends: Any = pc.min_max(table["answered_at"].cast(pa.int64()))
    return ends["min"].as_py() / 1e6, (ends["max"].as_py() + 1) / 1e6


def texts_read(
    texts: raw.Texts, places: Sequence[tuple[str, int, int]], names: Sequence[str]
) -> Mapping[str, list[_Row | None]]:
    """Return the vectors of rows by column; each request is read once, for the rows of it."""
    found: dict[str, list[_Row | None]] = {name: [None] * len(places) for name in names}
    by_request: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for place, (request, version, row) in enumerate(places):
        by_request.setdefault((request, version), []).append((place, row))
    for key, rows in by_request.items():
        said = texts.get(key)
        if said is None:
            continue
        sides = dict(zip(("input", "output"), map(_loaded, said), strict=True))
        for name in names:
            side, _, plain = name.partition(".")
            values = sides[side].get(plain)
            if isinstance(values, list):
                for place, row in rows:
                    found[name][place] = _read(values[row]) if row < len(values) else None
    return found


def _loaded(text: str | None) -> Mapping[str, Any]:
    try:
        said = orjson.loads(text) if text else {}
    except ValueError:  # given as JSON by somebody, and none
        return {}
    return said if isinstance(said, dict) else {}


def _read(value: Any) -> _Row | None:  # noqa: ANN401
    """Return a vector or picture; None of what is none."""
    if not isinstance(value, list):
        return None
    try:
        values = np.array(value, dtype=float)
    except (TypeError, ValueError, OverflowError):  # texts in it, or rows of different lengths
        return None
    if not values.size:
        return None
    picture = pictures.measured(values) if pictures.is_one(values) else None
    return _Row(_sketched(values.reshape(-1)), picture)


def _sketched(values: Figures) -> Figures:
    if len(values) <= ELEMENTS:
        return values
    places, signs = _dealt(len(values))
    found: Figures = np.bincount(places, signs * np.nan_to_num(values), ELEMENTS).astype(float)
    return found


@cache
def _dealt(count: int) -> tuple[Codes, Figures]:
    rng = np.random.default_rng(count)
    return rng.integers(0, ELEMENTS, count), rng.choice([-1.0, 1.0], count)


def _arrays(name: str, rows: Sequence[_Row | None]) -> Columns:
    import pyarrow as pa

    kind = pa.list_(pa.float32())

    def made(parts: Iterator[Figures | None]) -> "pa.Array":
        with np.errstate(over="ignore"):  # beyond 32 bits it is infinite, and taken as a gap
            return pa.array([None if one is None else one.astype("float32") for one in parts], kind)

    found = {VECTOR + name: made(None if one is None else one.values for one in rows)}
    if any(one is not None and one.picture is not None for one in rows):
        found[PICTURE + name] = made(None if one is None else one.picture for one in rows)
    return found

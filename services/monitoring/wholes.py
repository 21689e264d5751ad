"""Vectors and pictures as wholes: one line each, how far they moved and whether it can be chance.

The typed columns of a long vector stay as they were when its elements change places, or a topic
comes instead of another; those of a short one when its elements go together in another way. A
domain classifier sees it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from services.monitoring import classifier, pictures, series, spreads
from services.monitoring.models import Histogram, Kind
from services.monitoring.pairs import Pair
from services.monitoring.series import Codes, Figures, Series
from services.monitoring.vectors import PICTURE, VECTOR, evenly, long

if TYPE_CHECKING:
    import pyarrow as pa

MEASURE = "held-out domain classifier, 2 × AUC − 1"
"""0: no better than chance, 1: each row is told from each. Evidently takes AUC 0.55: 0.1 of it."""
_ELEMENT = re.compile(r"^(.*)\[(\d+)\]$")
_OTHER_LENGTH = 0.1
"""Share of vectors of another length from which on the column is another."""
_CLEAR = 0.3
"""Standard deviations from which on a figure of pictures is named."""


def paired(
    reference: "pa.Table", window: "pa.Table", ignored: frozenset[str] = frozenset()
) -> tuple[Pair, ...]:
    """Return the vectors of which both have values, one line each; arguments as of ``pairs``."""
    asked = series.requests(reference), series.requests(window)
    found = []
    for name in sorted({*_short(reference), *_whole(reference)}):
        if series.is_of(name, ignored) or name in reference.column_names:
            continue
        one = _pair(name, (reference, window), asked)
        if one is not None:
            found.append(one)
    return tuple(found)


def unseen(reference: "pa.Table", window: "pa.Table", ignored: frozenset[str]) -> tuple[str, ...]:
    """Return the long vectors of both of which one side has no values, so their figures alone."""
    both = [one for one in long(reference.column_names) if one in long(window.column_names)]
    seen = [{*_whole(reference)}, {*_whole(window)}]
    return tuple(
        one for one in both
        if not series.is_of(one, ignored) and not all(one in some for some in seen)
    )  # fmt: skip


def importances(found: Sequence[Pair], known: Mapping[str, float]) -> Mapping[str, float]:
    """Return those of vectors: the sum of what their typed columns have, where that is known."""
    names, made = {one.name for one in found}, dict[str, float]()
    for column, each in known.items():
        name = series.vector_of(column)
        if name in names:
            made[name] = made.get(name, 0.0) + each
    return made


def _whole(table: "pa.Table") -> list[str]:
    return [one.removeprefix(VECTOR) for one in table.column_names if one.startswith(VECTOR)]


def _short(table: "pa.Table") -> Mapping[str, list[str]]:
    """Return the short vectors of figures: the columns of their elements, in order."""
    import pyarrow.types as types

    found: dict[str, dict[int, str]] = {}
    for name in series.names(table):
        element = _ELEMENT.match(name)
        kind = table.schema.field(name).type
        if element and (types.is_floating(kind) or types.is_integer(kind)):
            found.setdefault(element[1], {})[int(element[2])] = name
    return {
        base: [some[place] for place in range(len(some))]
        for base, some in found.items()
        if len(some) > 1 and max(some) == len(some) - 1
    }


def _pair(
    name: str, tables: "tuple[pa.Table, pa.Table]", asked: tuple[Codes | None, Codes | None]
) -> Pair | None:
    short = [_short(table).get(name) for table in tables]
    if short[0] is not None:
        if short[1] is None or short[0] != short[1]:
            return None  # each element is a column, which says that it is missing or new
        elements = zip(tables, asked, strict=True)
        made = [_of_elements(name, table, short[0], groups) for table, groups in elements]
        return _both(name, made[0], made[1], "")
    if any(VECTOR + name not in table.column_names for table in tables):
        return None
    lengths = [_lengths(table, VECTOR + name) for table in tables]
    known = lengths[0][lengths[0] > 0]
    if not len(known):
        return None
    usual = int(np.bincount(known).argmax())
    kind: Kind = "vector"
    if all(PICTURE + name in table.column_names for table in tables):
        kind = "picture"
    then, now = (
        _of_lists(name, kind, table, groups, length == usual)
        for table, groups, length in zip(tables, asked, lengths, strict=True)
    )
    fault, came = "", lengths[1][lengths[1] > 0]
    if (came != usual).mean() > _OTHER_LENGTH if len(came) else False:
        count = int((came != usual).sum())
        fault = f"{count:,} of {len(came):,} have another number of elements, and {usual:,} were"
    return _both(name, then, now, fault)


def _both(name: str, then: Series, now: Series, fault: str) -> Pair | None:
    if fault:
        return Pair(name, then.role, then, (), fault=fault, texts=now)
    if not len(then.values) or not len(now.values):
        return None
    return Pair(name, then.role, then, (now,))


def _of_elements(
    name: str, table: "pa.Table", columns: Sequence[str], groups: Codes | None
) -> Series:
    chosen = evenly(len(table))
    read = [series.read(table.select([one]).take(chosen), one, "numeric", None) for one in columns]
    values = np.full((len(chosen), len(columns)), np.nan)
    for place, one in enumerate(read):
        values[one.present, place] = one.values
    there = np.isfinite(values).any(axis=1)
    asked = None if groups is None else groups[chosen]
    return Series(name, _role(name), "vector", values[there], there, asked)


def _of_lists(
    name: str, kind: Kind, table: "pa.Table", groups: Codes | None, right: NDArray[np.bool_]
) -> Series:
    """Return the rows of the right length; what was not read is no row."""
    columns = [VECTOR + name, *([PICTURE + name] if kind == "picture" else ())]
    lengths = [_lengths(table, one) for one in columns]
    known = lengths[0] > 0
    if kind == "picture":
        right = right & (lengths[1] > 0)
    values = np.concatenate([_matrix(table, one, right) for one in columns], axis=1)
    asked = None if groups is None else groups[known]
    return Series(name, _role(name), kind, values, right[known], asked)


def _matrix(table: "pa.Table", name: str, rows: NDArray[np.bool_]) -> Figures:
    import pyarrow as pa

    kept = table[name].combine_chunks().filter(pa.array(rows))
    flat: Figures = kept.flatten().to_numpy(zero_copy_only=False).astype(float)
    found = flat.reshape(len(kept), -1) if len(kept) else np.empty((0, 1))
    return np.where(np.isfinite(found), found, np.nan)


def _lengths(table: "pa.Table", name: str) -> Codes:
    import pyarrow.compute as pc

    counted = pc.fill_null(pc.list_value_length(table[name].combine_chunks()), 0)
    found: Codes = counted.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _role(name: str) -> Any:  # noqa: ANN401
    return series.role(name)


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a vector moved."""

    effect: float
    p_value: float
    worth: tuple[float, float]
    said: str
    """Of pictures: which of their figures moved."""
    shown: tuple[Histogram, Histogram] | None
    """How the held-out rows' scores are spread, then and now."""


def moved(reference: Series, current: Series) -> Moved:
    """Return how far vectors moved; of too few rows nothing, on none worth."""
    many = len(pictures.NAMES) if reference.kind == "picture" else 0
    then, now = np.asarray(reference.values, float), np.asarray(current.values, float)
    found = classifier.apart(then, now, reference.requests, current.requests, many)
    if found is None:
        return Moved(0.0, 1.0, (0.0, 0.0), "", None)
    said = _named(then[found.kept[0], -many:], now[found.kept[1], -many:]) if many else ""
    effect = max(0.0, 2 * found.auc - 1)
    return Moved(effect, found.p_value, found.worth, said, spreads.of_figures(*found.scores))


def _named(then: Figures, now: Figures) -> str:
    """Return the figures of pictures that moved, as "brightness down, edges up"."""
    spread = np.sqrt((then.var(axis=0) + now.var(axis=0)) / 2)
    steps = now.mean(axis=0) - then.mean(axis=0)
    far = np.divide(steps, spread, out=np.zeros_like(steps), where=spread > 0)
    order = np.argsort(-np.abs(far))
    clear = [place for place in order if abs(far[place]) >= _CLEAR]
    return ", ".join(
        f"{pictures.NAMES[place]} {'up' if far[place] > 0 else 'down'}" for place in clear[:3]
    )

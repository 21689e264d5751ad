"""The columns of a reference and of a window, brought together and read once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from services.monitoring import series
from services.monitoring.models import Role
from services.monitoring.series import Codes, Series, TextsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Pair:
    """A column in the reference and in the looks at the window."""

    name: str
    role: Role
    reference: Series | None
    """None: it is not there, or has no value."""
    looks: tuple[Series, ...]
    """The whole window first, then its newest rows; none when the column cannot be compared."""
    nothing: Series | None = None
    """The rows of a reference that has no value of it."""
    missing: bool = False
    """Whether the window has no such column."""
    fault: str = ""
    """Why the window's values cannot be compared."""
    texts: Series | None = None
    """Of a fault: the rows of the look that has it; those whose value is no number are empty."""


def paired(
    reference: "pa.Table", window: "pa.Table", newest: int, ignored: frozenset[str] = frozenset()
) -> tuple[Pair, ...]:
    """Return all columns of both.

    Args:
        reference: Of ``predictions.monitoring.features``, or as that.
        window: As it, oldest first.
        newest: Rows of a second look, where the window has at least twice as many.
        ignored: Columns that are no data, as ``input.seed``; those of a vector by its name.
    """
    cuts = [window]
    if len(window) >= 2 * newest:
        cuts.append(window.slice(len(window) - newest))
    looks = [(cut, series.requests(cut)) for cut in cuts]
    asked = series.requests(reference)
    both = dict.fromkeys((*series.names(reference), *series.names(window)))
    kept = [name for name in both if not series.is_of(name, ignored)]
    return tuple(_pair(reference, name, asked, looks) for name in kept)


def _pair(
    reference: "pa.Table",
    name: str,
    asked: Codes | None,
    looks: "Sequence[tuple[pa.Table, Codes | None]]",
) -> Pair:
    role = series.role(name)
    assert role is not None  # noqa: S101  series.names gave it
    kind = series.kind_of(reference, name) if name in reference.column_names else None
    if kind is None:
        nothing = Series.gone(name, role, len(reference), asked)
        return Pair(name, role, None, _new(name, looks), nothing)
    whole = series.is_whole(reference, name)
    then = series.read(reference, name, kind, asked, whole=whole)
    if name not in looks[0][0].column_names:
        gone = Series.gone(name, role, len(looks[0][0]), looks[0][1])
        return Pair(name, role, then, (gone,), missing=True)
    now: list[Series] = []
    for cut, groups in looks:
        try:
            now.append(series.read(cut, name, kind, groups, whole=whole))
        except TextsError as error:
            texts = Series(name, role, kind, np.empty(0), ~error.bad, groups)
            return Pair(name, role, then, (), fault=str(error), texts=texts)
    return Pair(name, role, then, tuple(now))


def _new(name: str, looks: "Sequence[tuple[pa.Table, Codes | None]]") -> tuple[Series, ...]:
    cut, groups = looks[0]
    kind = series.kind_of(cut, name) if name in cut.column_names else None
    return () if kind is None else (series.read(cut, name, kind, groups),)

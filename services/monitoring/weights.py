"""How much a column weighs among those that moved: its importance × how far it moved. Pure.

A rule of thumb, out of one verdict: it orders columns and proves no cause. Pages, causes, alerts,
verdicts and the command line all ask here, so that they name the same column first, with the same
share.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from services.monitoring.models import ColumnVerdict, is_moved

FAR = 10.0
"""Thresholds that a lost column counts as, and beyond which a moved one counts no more."""
LOST = frozenset({"missing", "empty", "constant", "new", "failed"})
"""States of a column of which no distance can be told."""


class Weighed(Protocol):
    """What is known of a column."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def state(self) -> str:
        """Return steady, drifted, missing and the like."""

    @property
    def effect(self) -> float | None:
        """Return how far it moved, in the unit of its measure."""

    @property
    def threshold(self) -> float | None:
        """Return from which effect on it counts."""

    @property
    def importance(self) -> float | None:
        """Return its share of the model's answer: 0 to 1."""


T = TypeVar("T", bound=Weighed)


def usual(columns: Sequence[Weighed]) -> float:
    """Return the importance of a column of which none is known: as much as the others on average.

    Where none of them is known all are alike.
    """
    known = [one.importance for one in columns if one.importance is not None]
    return sum(known) / len(known) if sum(known) > 0 else 1.0 / max(1, len(columns))


def weight(column: Weighed, otherwise: float) -> float:
    """Return importance × how far it moved in thresholds, ``FAR`` at most.

    Args:
        column: The column.
        otherwise: Stands for an importance that is not known: ``usual`` of all columns.
    """
    importance = otherwise if column.importance is None else column.importance
    if column.state in LOST:
        return FAR * importance
    if column.effect is None or column.state == "too few":
        return 0.0
    return min(FAR, column.effect / (column.threshold or 1.0)) * importance


def ordered(columns: Sequence[T]) -> tuple[T, ...]:
    """Return columns by need: those that moved first, then by weight, then by name."""
    otherwise = usual(columns)
    return tuple(
        sorted(
            columns,
            key=lambda one: (not is_moved(one.state), -weight(one, otherwise), one.name),
        )
    )


def shares(columns: Sequence[Weighed]) -> Mapping[str, float]:
    """Return what each column that moved weighs of all that moved, by name, in order of need.

    They sum to 1; there are none where nothing moved, or nothing that matters.
    """
    otherwise = usual(columns)
    moved = {one.name: weight(one, otherwise) for one in ordered(columns) if is_moved(one.state)}
    whole = sum(moved.values())
    return {name: each / whole for name, each in moved.items()} if whole > 0 else {}


def inputs(
    data: Iterable[ColumnVerdict], quality: Iterable[ColumnVerdict]
) -> tuple[ColumnVerdict, ...]:
    """Return the inputs of one check, each by the verdict that says most of it.

    Args:
        data: The columns of its verdict on inputs.
        quality: Of that on quality: it alone tells whether a column is lost, or empty by chance.
    """
    found = {one.name: one for one in data if one.role == "input"}
    for one in quality:
        before = found.get(one.name)
        lost = before is not None and before.state in LOST
        more = before is None or weight(one, 1.0) >= weight(before, 1.0)
        if one.role == "input" and (lost or (more and is_moved(one.state))):
            found[one.name] = one
    return tuple(found.values())

"""Which columns matter most: pure, from one verdict.

A column's weight is its importance (the correlation ratio η² of the answer with it in the baseline)
times how far it moved, in thresholds. It orders columns; it proves no cause.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.monitoring.models import ColumnVerdict, is_moved


@dataclass(frozen=True, slots=True)
class Driver:
    """A column that moved, and its share of all that moved."""

    column: ColumnVerdict
    share: float
    """Of the weights of all inputs that moved: 0 to 1."""


def ordered(columns: Sequence[ColumnVerdict]) -> tuple[ColumnVerdict, ...]:
    """Return columns by need: those that moved first, then by weight, then by name."""
    usual = _usual(columns)
    return tuple(
        sorted(
            columns,
            key=lambda one: (not is_moved(one.state), -weight(one, usual), one.name),
        )
    )


def drivers(columns: Sequence[ColumnVerdict]) -> tuple[Driver, ...]:
    """Return the inputs that moved with their shares, the largest first; none without importance.

    Where no importance is known nothing says which of them goes with the answer.
    """
    moved = [one for one in columns if one.role == "input" and one.state == "drifted"]
    weights = [(one, weight(one, 0.0)) for one in moved if one.importance is not None]
    whole = sum(found for _, found in weights)
    if whole <= 0:
        return ()
    made = [Driver(one, found / whole) for one, found in weights if found > 0]
    return tuple(sorted(made, key=lambda one: (-one.share, one.column.name)))


def weight(column: ColumnVerdict, usual: float) -> float:
    """Return importance times effect; ``usual`` stands where no importance is known."""
    importance = usual if column.importance is None else column.importance
    return importance * (column.effect or 0.0) / (column.threshold or 1.0)


def _usual(columns: Sequence[ColumnVerdict]) -> float:
    known = [one.importance for one in columns if one.importance is not None]
    return sum(known) / len(known) if known else 1.0

"""Logs with numbered lines: how far one was told."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Column, Row, Select

from services.lineage.openlineage import Event
from services.lineage.told.points import AT_ONCE, Point

Ask = Callable[[Select[Any]], Sequence[Row[Any]]]


def lines(
    ask: Ask,
    query: Select[Any],
    number: Column[Any],
    mark: Column[Any],
    after: Point,
    tell: Callable[[Sequence[Row[Any]]], Iterator[Event]],
) -> Iterator[tuple[Point, list[Event]]]:
    """Yield the events of the lines after a point, some at a time, with the point reached then.

    A log that was put back from a backup, or made anew, counts its lines again from an earlier
    number. It is seen by its line that was told last, and told from its beginning.

    Args:
        ask: Asks the database of the log.
        query: Selects its lines; number and mark among their columns.
        number: Grows with each line.
        mark: Tells a line from another one of the same number.
        after: Point that was reached.
        tell: Makes events of lines.

    Raises:
        MlopsError: The log cannot be read.
    """
    last = int(after.get("line", 0))
    if last:
        there = ask(query.where(number == last))
        if not there or getattr(there[0], mark.name) != after.get("mark"):
            last = 0
    while True:
        rows = ask(query.where(number > last).order_by(number).limit(AT_ONCE))
        if not rows:
            return
        last = int(getattr(rows[-1], number.name))
        yield {"line": last, "mark": getattr(rows[-1], mark.name)}, list(tell(rows))

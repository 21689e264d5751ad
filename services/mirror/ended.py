"""Which runs have ended, found by what changed: the cost does not grow with the number of runs."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from services.mirror import schema

_ENDED = ("finished", "failed", "killed")


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended."""

    run_id: str
    project: str
    change: int


def ended_since(
    connection: Connection, change: int, ended_after: datetime, limit: int = 500
) -> tuple[tuple[Ended, ...], int]:
    """Return the runs that changed after ``change`` and ended after a time, oldest change first.

    Returns:
        The runs, at most ``limit``; and the change to ask from the next time.
    """
    table = schema.runs
    newest = connection.execute(select(func.max(table.c.change))).scalar() or change
    rows = connection.execute(
        select(table.c.run_id, table.c.project, table.c.change)
        .where(
            table.c.change > change,
            table.c.ended_ms >= int(ended_after.timestamp() * 1000),
            table.c.status.in_(_ENDED),
        )
        .order_by(table.c.change)
        .limit(limit)
    ).all()
    found = tuple(Ended(row.run_id, row.project, row.change) for row in rows)
    return found, found[-1].change if len(found) == limit else newest

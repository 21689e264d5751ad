"""The change feed, line by line."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from services.mirror import schema
from services.mirror.models import Change


def change_lines(
    connection: Connection,
    wanted: tuple[str, ...] | None,
    since: datetime | None,
    kinds: Sequence[str],
    before: int | None,
    limit: int,
) -> tuple[Change, ...]:
    """Return lines of the feed, newest first, of some projects (None: all) and of none."""
    table = schema.changes
    query = select(table).order_by(table.c.number.desc()).limit(limit)
    if wanted is not None:
        query = query.where(table.c.project.in_(wanted) | table.c.project.is_(None))
    if since is not None:
        query = query.where(table.c.at_ms >= since.timestamp() * 1000)
    if kinds:
        query = query.where(table.c.kind.in_(kinds))
    if before is not None:
        query = query.where(table.c.number < before)
    return tuple(
        Change(
            row.number,
            datetime.fromtimestamp(row.at_ms / 1000, UTC),
            row.kind,
            row.project,
            row.subject,
            row.title,
            row.before,
            row.after,
        )
        for row in connection.execute(query)
    )

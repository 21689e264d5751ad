"""Statements that all writers of the mirror share; SQLite and Postgres alike."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from services.mirror.events import Event
from services.mirror.metadata import metadata


def count_on(connection: Connection, key: str = "change") -> int:
    """Count on in one statement: two that read the old number first would both write the same."""
    counted = text(
        "INSERT INTO meta (key, value) VALUES (:key, '1') ON CONFLICT (key) DO UPDATE "
        "SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT) RETURNING value"
    )
    return int(connection.execute(counted, {"key": key}).scalar_one())


def append_events(connection: Connection, events: Sequence[Event]) -> None:
    """Put lines into the change feed; whoever does counts the change on."""
    insert(
        connection,
        "changes",
        [
            {
                "at_ms": event.at_ms,
                "kind": event.kind,
                "project": event.project,
                "subject": event.subject,
                "title": event.title,
                "before": event.before,
                "after": event.after,
            }
            for event in events
        ],
    )


def insert(connection: Connection, table: str, rows: list[dict[str, object]]) -> None:
    """Insert rows; none is fine."""
    if rows:
        connection.execute(metadata.tables[table].insert(), rows)


def upsert(
    connection: Connection, table: str, keys: tuple[str, ...], rows: list[dict[str, object]]
) -> None:
    """Insert or replace rows by their key; SQLite and Postgres share this form."""
    if not rows:
        return
    quoted = {name: f'"{name}"' for name in rows[0]}
    rest = ", ".join(f"{quoted[n]} = excluded.{quoted[n]}" for n in rows[0] if n not in keys)
    statement = (
        f"INSERT INTO {table} ({', '.join(quoted.values())}) "  # noqa: S608 - names of our own schema
        f"VALUES ({', '.join(':' + name for name in rows[0])}) "
        f"ON CONFLICT ({', '.join(quoted[name] for name in keys)}) DO UPDATE SET {rest}"
    )
    connection.execute(text(statement), rows)

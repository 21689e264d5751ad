"""The journal's rows from Postgres into a SQLite file, and back: a backup is the same file always.

Copied by us and not by ``pg_dump``: that has to be installed, and to be no older than the server;
and its file could be read by nothing but Postgres.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Table, delete, func, select, text
from sqlalchemy.exc import DatabaseError

from services.actions import database, schema
from services.actions.journal import Journal
from services.errors import ConflictError

_AT_ONCE = 1_000
_LOCKED_BY_OTHERS = "55P03"


def to_file(journal: Journal, path: Path) -> None:
    """Fill an empty file with the rows of one moment, whatever others write meanwhile.

    Raises:
        sqlite3.Error: The file could not be written.
        JournalError: The journal could not be read.
    """
    with journal.read() as source, _file(path) as target:
        schema.metadata.create_all(target)
        _copy(source.execution_options(isolation_level="REPEATABLE READ"), target)


def from_file(path: Path, journal: Journal) -> None:
    """Put the rows of a file in the place of the journal's, all or none.

    Raises:
        ConflictError: Another process is using the journal.
        JournalError: It could not be written; nothing was changed.
    """
    tables = schema.metadata.sorted_tables
    with journal.write() as target, _file(path) as source:
        _lock(target, tables)
        for table in tables:
            target.execute(delete(table))
        _copy(source, target)
        for table in tables:
            _count_on(target, table)


def is_used(journal: Journal) -> bool:
    """Return whether the journal holds anything a person would miss."""
    with journal.read() as connection:
        kept = (select(func.count()).select_from(table) for table in (schema.audit, schema.users))
        return any(connection.execute(query).scalar() for query in kept)


@contextlib.contextmanager
def _file(path: Path) -> Iterator[Connection]:
    engine = database.connect(f"sqlite:///{path}")
    try:
        with engine.begin() as connection:
            yield connection
    except DatabaseError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise error.orig from error
        raise
    finally:
        engine.dispose()


def _copy(source: Connection, target: Connection) -> None:
    for table in schema.metadata.sorted_tables:
        rows = source.execution_options(yield_per=_AT_ONCE).execute(select(table))
        for part in rows.mappings().partitions():
            target.execute(table.insert(), [dict(row) for row in part])


def _lock(target: Connection, tables: list[Table]) -> None:
    names = ", ".join(f'"{table.name}"' for table in tables)
    try:
        target.execute(text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE NOWAIT"))
    except DatabaseError as error:
        if getattr(error.orig, "sqlstate", "") != _LOCKED_BY_OTHERS:
            raise
        raise ConflictError(
            "Another process is using the journal.", "Run `mlops down` first, on every machine."
        ) from error


def _count_on(target: Connection, table: Table) -> None:
    """Let the numbers of new rows follow those of the rows put in."""
    column = table.autoincrement_column
    if column is None:
        return
    highest = select(func.max(column)).scalar_subquery()
    sequence = func.pg_get_serial_sequence(table.name, column.name)
    target.execute(select(func.setval(sequence, func.coalesce(highest, 1), highest.is_not(None))))

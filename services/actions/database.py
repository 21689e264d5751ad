"""The database under the journal: opened with care, migrated forward, never made anew over another.

A SQLite journal is made beside its place and linked into it whole, so a file that is there and
empty or foreign is damage, and is refused.
"""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from services import postgres
from services.actions import retraining_tables as _retraining  # noqa: F401 - tables of the journal
from services.actions import schema
from services.errors import JournalError, PlatformError

_BUSY_S = 10.0
_MIGRATION_LOCK = 0x6D6C6F7073  # any number, the same in every process
RESTORE = (
    "It holds users and who did what, so it is never replaced by itself. Put a backup in its place "
    "with `mlops restore FILE` (`mlops backup` makes them), or move it away to begin a new one."
)
_READING = "mlops_reading"


def sqlite_path(url: str) -> Path | None:
    """Return the file of a SQLite URL, None for another database."""
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def reading(engine: Engine) -> Engine:
    """Return the same engine for reads: its transactions take no write lock."""
    return engine.execution_options(**{_READING: True})


def open_engine(url: str) -> Engine:
    """Open a journal's database, made when there is none, migrated when it is older.

    Raises:
        PlatformError: It is no journal, damaged, newer than this platform, or out of reach.
    """
    path = sqlite_path(url)
    try:
        if path is not None:
            _find_or_make(path)
        engine = connect(url)
        try:
            _prepare(engine, path)
        except BaseException:  # an interrupt, too, must leave no connection behind; raised again
            engine.dispose()
            raise
    except DatabaseError as error:
        if path is None:
            raise failed(error) from error
        raise _unusable(path, error) from error
    except OSError as error:
        raise PlatformError(
            f"The journal {path} cannot be opened ({error.strerror or error}).",
            "See that the folder belongs to you, can be written, and the disk is not full.",
        ) from error
    return engine


def connect(url: str) -> Engine:
    """Return an engine with our pragmas; opens nothing yet."""
    if sqlite_path(url) is None:
        engine = postgres.open_engine(url, max_overflow=20)
        event.listen(engine, "begin", _begin_on_postgres)
        return engine
    engine = create_engine(
        url,
        connect_args={"timeout": _BUSY_S, "isolation_level": None},
        pool_size=8,
        max_overflow=32,
    )
    event.listen(engine, "connect", _tune)
    event.listen(engine, "begin", _begin)
    return engine


def lock(connection: Connection, table: str) -> None:
    """Keep other writers off a table until the transaction ends.

    SQLite has one writer anyway, from the first statement of a transaction on.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f'LOCK TABLE "{table}" IN SHARE ROW EXCLUSIVE MODE'))


def _tune(connection: sqlite3.Connection, _record: object) -> None:
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA journal_mode=DELETE")
        cursor.execute("PRAGMA synchronous=FULL")
        # macOS: fsync alone leaves the data in the drive's cache.
        cursor.execute("PRAGMA fullfsync=1")


def _begin(connection: Connection) -> None:
    # Writers queue at the door; a lock taken halfway through a transaction could not be waited for.
    if not connection.get_execution_options().get(_READING):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_on_postgres(connection: Connection) -> None:
    if not connection.get_execution_options().get(_READING):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_BUSY_S:.0f}s'")


# The file


def _find_or_make(path: Path) -> None:
    if path.exists():
        if path.stat().st_size == 0:
            raise PlatformError(f"The journal {path} is empty: its content was lost.", RESTORE)
        return
    left = path.with_name(f"{path.name}-journal")
    if left.exists():
        raise PlatformError(
            f"The journal {path} is gone, and {left.name} is left of it.",
            f"Put a backup in its place with `mlops restore FILE`, or move {left} away as well.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with fresh_file(path) as new:
        engine = connect(f"sqlite:///{new}")
        with engine.begin() as connection:
            _make(connection)
        engine.dispose()
        with contextlib.suppress(FileExistsError):  # another process was faster; its own is good
            os.link(new, path)
    sync_folder(path.parent)


@contextlib.contextmanager
def fresh_file(path: Path) -> Iterator[Path]:
    """Yield a new private file beside ``path``, gone afterwards if it was not renamed."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield new
    finally:
        new.unlink(missing_ok=True)
        new.with_name(f"{new.name}-journal").unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# The schema


def _prepare(engine: Engine, path: Path | None) -> None:
    if path is not None:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        _check(engine, path)
    found = _version(engine)
    if found is None and path is not None:
        raise PlatformError(f"{path} is a database, but no journal.", RESTORE)
    if found is None:
        _see_it_is_free(engine)
    if found is not None and found > schema.VERSION:
        raise PlatformError(
            f"The journal was written by a newer version of this platform ({found}).",
            "Update this checkout, or restore an older backup.",
        )
    if found != schema.VERSION:
        _migrate(engine)


def _see_it_is_free(engine: Engine) -> None:
    """Refuse a Postgres database in which somebody else has tables of our names."""
    with reading(engine).connect() as connection:
        present = set(inspect(connection).get_table_names())
        if schema.meta.name in present:
            return  # another process makes it, or made it a moment ago
        foreign = sorted(present & set(schema.metadata.tables))
    if foreign:
        raise PlatformError(
            f"The database {engine.url.render_as_string()} is no journal, and holds tables of "
            f"something else ({', '.join(foreign)}).",
            "Give the journal a database of its own (MLOPS_JOURNAL_URL); nothing was changed.",
        )


def _check(engine: Engine, path: Path) -> None:
    with reading(engine).connect() as connection:
        verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if verdict != "ok":
        raise PlatformError(f"The journal {path} is damaged ({verdict}).", RESTORE)


def _version(engine: Engine) -> int | None:
    with reading(engine).connect() as connection:
        if not inspect(connection).has_table(schema.meta.name):
            return None
        return _stored_version(connection)


def _stored_version(connection: Connection) -> int | None:
    query = select(schema.meta.c.value).where(schema.meta.c.key == "version")
    value = connection.execute(query).scalar()
    return None if value is None else int(value)


def _make(connection: Connection) -> None:
    schema.metadata.create_all(connection)
    if _stored_version(connection) is None:
        row = schema.meta.insert().values(key="version", value=str(schema.VERSION))
        connection.execute(row)


def _migrate(engine: Engine) -> None:
    """Bring an older journal forward, all or nothing."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        _make(connection)
        found = _stored_version(connection) or schema.VERSION
        for version in range(found + 1, schema.VERSION + 1):
            for statement in schema.MIGRATIONS[version]:
                connection.exec_driver_sql(statement)
        mine = schema.meta.c.key == "version"
        connection.execute(schema.meta.update().where(mine).values(value=str(schema.VERSION)))


def failed(error: DatabaseError | PoolTimeoutError) -> JournalError:
    """Return what Postgres said as a sentence."""
    return JournalError(
        f"The journal could not be used ({postgres.said(error)}).", postgres.hint(error)
    )


def _unusable(what: object, error: DatabaseError) -> PlatformError:
    said = str(error.orig)
    if "readonly" in said or "unable to open" in said:
        return PlatformError(
            f"The journal {what} cannot be written ({said}).",
            "See that the file and its folder belong to you and can be written.",
        )
    if "locked" in said:
        return PlatformError(
            f"The journal {what} was held by another process for {_BUSY_S:.0f} s.", "Try again."
        )
    if "full" in said or "I/O" in said:
        return PlatformError(
            f"The journal {what} cannot be opened ({said}).", "Free space on its disk."
        )
    return PlatformError(f"The journal {what} cannot be used ({said}).", RESTORE)

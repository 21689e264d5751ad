"""The index of verdicts: two tables in a SQLite file, made anew when it is damaged."""

import logging
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    select,
)
from sqlalchemy.exc import DatabaseError

from services.errors import PlatformError

logger = logging.getLogger(__name__)

_OPTIONS = {"timeout": 10.0, "isolation_level": None}
READING = "mlops_reading"
"""The execution option of connections that take no write lock."""
_meta = MetaData()
verdicts = Table(
    "verdicts",
    _meta,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("project", String, nullable=False),
    Column("model", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("computed_at", Float, nullable=False),
    Column("baseline", String, nullable=False),
    Column("since", Float),
    Column("until", Float),
    Column("rows", Integer, nullable=False),
    Column("share", Float),
    Column("severity", String, nullable=False),
    Column("state", String, nullable=False),
    Column("said", String, nullable=False),
    Column("report", String),
    Column("file", String, nullable=False, index=True),
    sqlite_autoincrement=True,
)
Index("verdicts_of", verdicts.c.project, verdicts.c.model, verdicts.c.kind, verdicts.c.number)
NEWEST = Index(
    "verdicts_newest",
    verdicts.c.project, verdicts.c.model, verdicts.c.version, verdicts.c.kind, verdicts.c.number,
)  # fmt: skip
OVER_TIME = Index(  # holds all that strips over time ask: the sentences are not read for them
    "verdicts_over_time",
    verdicts.c.computed_at, verdicts.c.project, verdicts.c.model, verdicts.c.version,
    verdicts.c.kind, verdicts.c.state, verdicts.c.severity,
)  # fmt: skip
columns = Table(
    "columns",
    _meta,
    Column("verdict", Integer, nullable=False, primary_key=True),
    Column("name", String, nullable=False, primary_key=True),
    Column("state", String, nullable=False),
    Column("effect", Float),
    Column("p_value", Float),
    sqlite_with_rowid=False,
)


def opened(path: Path) -> Engine:
    """Return the index of a file, empty where it was missing or damaged.

    Raises:
        PlatformError: It cannot be opened.
    """
    for attempt in (0, 1):
        engine = create_engine(f"sqlite:///{path}", connect_args=_OPTIONS)
        event.listen(engine, "connect", _tune)
        event.listen(engine, "begin", _begin)
        try:
            _meta.create_all(engine)
            for index in (NEWEST, OVER_TIME):  # an index of before has them not
                index.create(engine, checkfirst=True)
            with engine.execution_options(**{READING: True}).connect() as connection:
                connection.execute(select(verdicts).limit(1))
                connection.execute(select(columns).limit(1))
        except DatabaseError as error:
            engine.dispose()
            if attempt or not _is_damage(error):
                raise PlatformError(
                    f"The index of verdicts {path} cannot be opened ({error.orig}).",
                    "Free space on its disk, and see that the folder can be written.",
                ) from error
            logger.warning("The index of verdicts is damaged and made anew: %s", error.orig)
            for end in ("", "-wal", "-shm"):
                path.with_name(path.name + end).unlink(missing_ok=True)
        else:
            return engine
    raise AssertionError


def _is_damage(error: DatabaseError) -> bool:
    return any(word in str(error.orig) for word in ("not a database", "malformed", "no such"))


def _tune(connection: Any, _record: object) -> None:  # noqa: ANN401
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")  # the files are the truth


def _begin(connection: Connection) -> None:
    # Writers queue at the door; a lock taken halfway through a transaction cannot be waited for.
    if not connection.get_execution_options().get(READING):
        connection.exec_driver_sql("BEGIN IMMEDIATE")

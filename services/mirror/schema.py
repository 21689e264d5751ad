"""Tables of the mirror (SQLAlchemy Core; SQLite by default, Postgres by URL).

One row a run, and one row for each metric, parameter and tag in tables clustered by name: reading a
whole column (what every sort and filter does) is one sequential scan.
"""

import logging
import sqlite3
import time
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError

from services import postgres
from services.errors import PlatformError
from services.mirror import workflow_tables
from services.mirror.connection import is_damage, not_written, say_why_not_written, translated
from services.mirror.metadata import Id, metadata

logger = logging.getLogger(__name__)

VERSION = 1
"""Raised with every change of a table: a mirror of another version is rebuilt, not migrated."""

BORN = "born"
"""The key in ``meta`` of when this mirror was made; another value is another mirror."""
COUNTERS = ("change", workflow_tables.WORKFLOW_CHANGE)
"""Keys in ``meta`` of change numbers."""
_PREPARING = 0x6D6972726F72  # any number, the same in every process

meta = Table(
    "meta",
    metadata,
    Column("key", String(80), primary_key=True),
    Column("value", Text, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("key_id", Id, primary_key=True),
    Column("kind", String(1), nullable=False),  # m metric, p parameter, t tag
    Column("name", Text, nullable=False),
    UniqueConstraint("kind", "name"),
)

runs = Table(
    "runs",
    metadata,
    Column("rid", Id, primary_key=True),
    Column("run_id", String(64), nullable=False, unique=True),
    Column("project", String(64), nullable=False),
    Column("experiment_id", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("status", String(12), nullable=False),
    Column("status_reason", Text, nullable=False, default=""),
    Column("technique", Text),
    Column("baseline", Boolean, nullable=False),
    Column("started_ms", BigInteger),
    Column("ended_ms", BigInteger),
    Column("user", Text),
    Column("host", Text),
    Column("archived", Boolean, nullable=False),
    Column("artifact_uri", Text),
    Column("heartbeat_ms", BigInteger),
    Column("sign_ms", BigInteger),  # last sign of life: newest metric, heartbeat or start
    Column("change", BigInteger, nullable=False),
    Index("runs_change", "change"),
    Index("runs_status", "status"),
)


def _values(name: str, *columns: Column[object]) -> Table:
    return Table(
        name,
        metadata,
        Column("key_id", Integer, primary_key=True),
        Column("rid", Integer, primary_key=True),
        *columns,
        Index(f"{name}_rid", "rid"),
        sqlite_with_rowid=False,
    )


metrics = _values(
    "metrics",
    # NULL is a NaN: SQLite stores no NaN, and "not logged" is the absence of the row.
    Column("value", Float),
    Column("step", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)
params = _values("params", Column("value", Text, nullable=False))
tags = _values("tags", Column("value", Text, nullable=False))

curves = Table(
    "curves",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("points_total", Integer, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("steps", LargeBinary, nullable=False),  # int64, little-endian
    Column("values", LargeBinary, nullable=False),  # float64
    Column("times", LargeBinary, nullable=False),  # int64 milliseconds
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("fetched_ms", BigInteger, nullable=False),
    Column("listing", LargeBinary, nullable=False),  # JSON [[path, is_folder, size_bytes], …]
)

models = Table(
    "models",
    metadata,
    Column("project", String(64), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("description", Text, nullable=False),
    Column("aliases", LargeBinary, nullable=False),  # JSON {alias: version}
    Column("tags", LargeBinary, nullable=False),
)

versions = Table(
    "versions",
    metadata,
    Column("project", String(64), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("run_id", String(64)),
    Column("created_ms", BigInteger, nullable=False),
    Column("status", String(40), nullable=False),
    Column("description", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("tags", LargeBinary, nullable=False),
)

projects = Table(
    "projects",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("seen_ms", BigInteger, nullable=False),
    Column("state", String(12), nullable=False),
    Column("document", LargeBinary, nullable=False),  # JSON of the contract, reasons and checks
)

engines = Table(
    "engines",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("title", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("last_sync_ms", BigInteger),
    Column("reason", Text, nullable=False),
    Column("hint", Text, nullable=False),
)

changes = Table(
    "changes",
    metadata,
    Column("number", Id, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("project", String(64)),
    Column("subject", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Index("changes_project", "project", "number"),
)


def open_engine(url: str) -> Engine:
    """Return an engine on the mirror's URL, tuned when it is SQLite."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return postgres.open_engine(url)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": 10.0})
    event.listen(engine, "connect", _tune)
    return engine


def _tune(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # The mirror can be read again from the engines: losing its last second costs nothing.
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.execute("PRAGMA cache_size=-16000")
    cursor.close()


def prepare(url: str) -> tuple[Engine, str]:
    """Open the mirror for its one writer; return it and a sentence when it had to be replaced.

    A SQLite file that is not a database, is damaged, or has another version is moved aside
    (quarantined) and a new one begun: everything in it can be read again from the engines. On
    Postgres the tables of another version are dropped, those of somebody else never.

    Raises:
        PlatformError: The disk is full, or the file is held or cannot be written: it is left
            alone. Or Postgres cannot be reached, refuses us, or the database is not ours.
    """
    try:
        engine = open_engine(url)
    except OSError as error:
        raise _no_folder(url, error) from error
    if engine.dialect.name != "sqlite":
        try:
            with translated():
                return engine, _prepare_tables(engine)
        except BaseException:  # an interrupt, too, must leave no connection behind; raised again
            engine.dispose()
            raise
    try:
        fault = _fault(engine)
    except DatabaseError as error:
        if not is_damage(error):
            engine.dispose()
            raise not_written(error) from error
        fault = f"is not a readable database ({error.orig})"
    if not fault:
        say_why_not_written(engine)
        return engine, ""
    engine.dispose()
    path = Path(make_url(url).database or "")
    sentence = (
        f"The mirror {path} {fault}. It was moved to {_quarantine(path)} and is being rebuilt from "
        "the engines."
    )
    logger.warning("%s", sentence)
    engine = open_engine(url)
    say_why_not_written(engine)
    _fault(engine)
    return engine, sentence


def _no_folder(url: str, error: OSError) -> PlatformError:
    folder = Path(make_url(url).database or "").parent
    return PlatformError(
        f"The folder of the mirror, {folder}, cannot be used ({error.strerror or error}).",
        "See that it belongs to you, and that its disk is not full.",
    )


def _fault(engine: Engine) -> str:
    """Create what is missing; return what is wrong with the file, empty when it is sound."""
    with engine.begin() as connection:
        verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if verdict != "ok":
            return f"is damaged ({verdict})"
        return _create(connection)


def _prepare_tables(engine: Engine) -> str:
    """Create what is missing, drop what is outdated; return a sentence when something was."""
    shown = engine.url.render_as_string()
    with engine.begin() as connection:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_PREPARING})"))
        present = set(inspect(connection).get_table_names()) & set(metadata.tables)
        if present and not _is_ours(connection, present):
            raise PlatformError(
                f"The database {shown} holds tables of something else ({', '.join(present)}).",
                "Give the mirror a database of its own (MLOPS_MIRROR_URL); nothing was changed.",
            )
        fault = _create(connection)
        if not fault:
            return ""
        metadata.drop_all(connection)
        _create(connection)
    sentence = f"The mirror {shown} {fault}. Its tables are being rebuilt from the engines."
    logger.warning("%s", sentence)
    return sentence


def _is_ours(connection: Connection, present: set[str]) -> bool:
    return meta.name in present and _version(connection) is not None


def _version(connection: Connection) -> str | None:
    return connection.execute(select(meta.c.value).where(meta.c.key == "version")).scalar()


def _create(connection: Connection) -> str:
    """Create what is missing; return what is wrong with what was there."""
    metadata.create_all(connection)
    found = _version(connection)
    if found is None:
        _begin(connection)
    elif found != str(VERSION):
        return f"was written by another version of this platform ({found})"
    return ""


def _begin(connection: Connection) -> None:
    # Changes are counted on from the time of day: a mirror made anew repeats no number of the one
    # before it, under which readers may still hold answers.
    born = str(time.time_ns() // 1_000_000)
    values = {"version": str(VERSION), BORN: born} | dict.fromkeys(COUNTERS, born)
    rows = [{"key": key, "value": value} for key, value in values.items()]
    connection.execute(meta.insert(), rows)


def _quarantine(path: Path) -> Path:
    folder = path.parent / "quarantine"
    folder.mkdir(exist_ok=True)
    target = folder / f"{path.name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(target.with_name(target.name + suffix))
    return target

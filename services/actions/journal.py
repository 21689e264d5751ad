"""The journal: what was asked for, by whom, how far it got. Durable before anything is done."""

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, delete, event, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from services.actions import schema
from services.errors import InputError, NotFoundError, PlatformError

if TYPE_CHECKING:
    from services.settings import Settings

_WANTS_AT_ONCE = 200


def now_ms() -> int:
    """Return milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class Journal:
    """One journal; dashboard, command line and controller write to it at the same time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._path = _sqlite_path(url)
        self.engine = self._open()

    @classmethod
    def open(cls, settings: "Settings") -> "Journal":
        """Open an installation's journal, made when it is missing.

        Raises:
            PlatformError: The file is no journal, damaged, or cannot be written. It is left alone:
                the journal is the one thing that cannot be made again.
        """
        return cls(settings.journal_url)

    def _open(self) -> Engine:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(self._url, **_options(self._url))
        if self._path is not None:
            event.listen(engine, "connect", _tune)
            event.listen(engine, "begin", _begin)
        try:
            self._prepare(engine)
        except DatabaseError as error:
            raise self._unusable(error) from error
        return engine

    def _prepare(self, engine: Engine) -> None:
        with engine.begin() as connection:
            if self._path is not None:
                verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
                if verdict != "ok":
                    raise PlatformError(
                        f"The journal {self._path} is damaged ({verdict}).", _RESTORE
                    )
            schema.metadata.create_all(connection)
            found = connection.execute(select(schema.meta.c.value)).scalar()
            if found is None:
                row = schema.meta.insert().values(key="version", value=str(schema.VERSION))
                connection.execute(row)
            elif int(found) > schema.VERSION:
                raise PlatformError(
                    f"The journal was written by a newer version of this platform ({found}).",
                    "Update this checkout, or restore an older backup.",
                )
        if self._path is not None:
            self._path.chmod(0o600)

    def _unusable(self, error: DatabaseError) -> PlatformError:
        return PlatformError(
            f"The journal {self._path or self._url} cannot be used ({error.orig}).", _RESTORE
        )

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, durable when the block ends; nothing of it otherwise.

        Raises:
            PlatformError: The disk is full, or the database is locked or damaged.
        """
        try:
            with self.engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except (OperationalError, DatabaseError) as error:
            raise self._failed(error) from error

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that takes no write lock."""
        try:
            with self.engine.connect() as connection:
                yield connection.execution_options(isolation_level="AUTOCOMMIT")
        except (OperationalError, DatabaseError) as error:
            raise self._failed(error) from error

    def _failed(self, error: DatabaseError) -> PlatformError:
        said = str(error.orig)
        hint = "Nothing was changed. See `mlops doctor`."
        if "full" in said or "I/O" in said:
            hint = "The disk is full or failing: free space, then try again. Nothing was changed."
        elif "locked" in said:
            hint = "Another process held it for ten seconds: try again."
        return PlatformError(f"The journal could not be used ({said}).", hint)

    # What pages ask of the controller

    def want(self, kind: str, subject: str) -> None:
        """Ask the controller to fetch something; asking twice is asking once."""
        with contextlib.suppress(IntegrityError), self.write() as connection:
            connection.execute(
                schema.wants.insert().values(kind=kind, subject=subject, at_ms=now_ms())
            )

    def wanted(self) -> tuple[tuple[int, str, str], ...]:
        """Return (id, kind, subject) of what was asked for, oldest first."""
        table = schema.wants
        with self.read() as connection:
            rows = connection.execute(select(table).order_by(table.c.id).limit(_WANTS_AT_ONCE))
            return tuple((row.id, row.kind, row.subject) for row in rows)

    def fulfilled(self, ids: Sequence[int]) -> None:
        """Forget what was fetched."""
        if ids:
            with self.write() as connection:
                connection.execute(delete(schema.wants).where(schema.wants.c.id.in_(ids)))

    # Registered projects

    def project_paths(self) -> tuple[Path, ...]:
        """Return the folders registered by hand."""
        with self.read() as connection:
            return tuple(Path(row.path) for row in connection.execute(select(schema.projects)))

    # Backup

    def backup(self, target: Path) -> None:
        """Copy the journal, consistent while others write, to a new file.

        Raises:
            InputError: It is not SQLite, or the target exists.
        """
        if self._path is None:
            raise InputError("This journal is not SQLite.", "Back it up with the database's tools.")
        if target.exists():
            raise InputError(f"{target} exists already.", "Choose another name.")
        with sqlite3.connect(self._path) as source, sqlite3.connect(target) as copy:
            source.backup(copy)
        target.chmod(0o600)


_RESTORE = (
    "It holds users and who did what, so it is never replaced by itself: put a backup "
    "in its place (`mlops backup` makes them), or move it away to begin a new one."
)


def _sqlite_path(url: str) -> Path | None:
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def _options(url: str) -> dict[str, object]:
    if not url.startswith("sqlite"):
        return {"pool_pre_ping": True}
    return {"connect_args": {"timeout": 10.0, "isolation_level": None}}


def _tune(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=DELETE")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _begin(connection: Connection) -> None:
    # Writers queue at the door; a lock taken halfway through a transaction could not be waited for.
    if connection.get_isolation_level() != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


# Saved views


def save_view(
    journal: Journal, owner: str, page: str, name: str, query: str, *, shared: bool
) -> None:
    """Keep a view under its owner's name; saving again replaces it.

    Raises:
        InputError: The name is empty or too long.
    """
    name = name.strip()
    if not 0 < len(name) <= 120:
        raise InputError("A view's name has 1 to 120 characters.")
    table = schema.views
    with journal.write() as connection:
        mine = (table.c.owner == owner) & (table.c.page == page) & (table.c.name == name)
        connection.execute(delete(table).where(mine))
        connection.execute(
            table.insert().values(
                owner=owner, page=page, name=name, query=query, shared=shared, updated_ms=now_ms()
            )
        )


def list_views(journal: Journal, owner: str, page: str) -> tuple[tuple[str, str, str, bool], ...]:
    """Return (owner, name, query, shared) of one's own views and the shared ones, by name."""
    table = schema.views
    query = select(table).where(table.c.page == page, (table.c.owner == owner) | table.c.shared)
    with journal.read() as connection:
        rows = connection.execute(query.order_by(table.c.name, table.c.owner))
        return tuple((row.owner, row.name, row.query, row.shared) for row in rows)


def delete_view(journal: Journal, owner: str, page: str, name: str) -> None:
    """Delete one's own view.

    Raises:
        NotFoundError: One has no such view.
    """
    table = schema.views
    with journal.write() as connection:
        mine = (table.c.owner == owner) & (table.c.page == page) & (table.c.name == name)
        if connection.execute(delete(table).where(mine)).rowcount == 0:
            raise NotFoundError(f"You have no view {name[:80]!r} on this page.")


def canonical(value: object) -> str:
    """Return JSON in the one form that is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

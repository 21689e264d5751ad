"""The journal: what was asked for, by whom, how far it got. Durable before anything is done."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from services import postgres
from services.actions import database, schema
from services.errors import InputError, JournalError

if TYPE_CHECKING:
    from services.settings import Settings

_WANTS_AT_ONCE = 200
_WANTS_AT_MOST = 10_000
_SUBJECT_LIMIT = 600  # Postgres indexes no more than 2,704 bytes
_OURS = (IntegrityError, ProgrammingError, DataError)  # said by the database, about our own doing


def now_ms() -> int:
    """Return milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class Journal:
    """One journal; dashboard, command line and controller write to it at the same time."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.path = database.sqlite_path(url)
        self._opening = threading.Lock()
        self._engine = database.open_engine(url)
        self._reader = database.reading(self._engine)
        self._inode = self._found_inode()

    @classmethod
    def open(cls, settings: "Settings") -> "Journal":
        """Open an installation's journal, made when it is missing.

        Raises:
            PlatformError: The file is no journal, damaged, or cannot be written. It is left alone:
                the journal is the one thing that cannot be made again.
        """
        return cls(settings.journal_url)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def _found_inode(self) -> int | None:
        try:
            return self.path.stat().st_ino if self.path else 0
        except OSError:
            return None

    def _follow(self) -> None:
        """Notice that the file was replaced: what we hold open is not the journal any more."""
        found = self._found_inode()
        if found == self._inode:
            return
        if found is None:
            raise JournalError(
                f"The journal {self.path} was taken away while it was in use.",
                "Put it back, or `mlops restore FILE`, or restart the platform to begin a new one.",
            )
        with self._opening:
            if self._found_inode() != self._inode:
                self._engine.dispose()
                self._engine = database.open_engine(self.url)
                self._reader = database.reading(self._engine)
                self._inode = self._found_inode()

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, durable when the block ends; nothing of it otherwise.

        Raises:
            JournalError: The disk is full, or the database is locked or damaged.
        """
        self._follow()
        try:
            with self._engine.begin() as connection:
                yield connection
        except _OURS:
            raise
        except (DatabaseError, PoolTimeoutError) as error:
            raise self._failed(error) from error

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that takes no write lock.

        Raises:
            JournalError: The database is locked or damaged.
        """
        self._follow()
        try:
            with self._reader.connect() as connection:
                yield connection
        except _OURS:
            raise
        except (DatabaseError, PoolTimeoutError) as error:
            raise self._failed(error) from error

    def _failed(self, error: DatabaseError | PoolTimeoutError) -> JournalError:
        if self.path is None:
            return database.failed(error)
        said = str(error.orig) if isinstance(error, DatabaseError) else "all connections are in use"
        hint = "Nothing was changed. See `mlops doctor`."
        if "malformed" in said or "not a database" in said:
            hint = database.RESTORE
        elif "full" in said or "I/O" in said:
            hint = "The disk is full or failing: free space, then try again. Nothing was changed."
        elif "locked" in said:
            hint = "Another process held it for ten seconds: try again. Nothing was changed."
        return JournalError(f"The journal could not be used ({said}).", hint)

    # What pages ask of the controller

    def want(self, kind: str, *subjects: str) -> None:
        """Ask the controller to fetch something; asking twice is asking once.

        Raises:
            InputError: A subject is absurdly long.
        """
        for subject in subjects:
            if len(subject) > _SUBJECT_LIMIT:
                raise InputError(f"{subject[:60]!r}… is too long to ask for.")
        # As they come back: compared with what was asked for before.
        subjects = tuple(postgres.storable(subject) for subject in subjects)
        with self.read() as connection:  # pages ask again at every rerun: a read is cheap
            if not _new_wants(connection, kind, subjects):
                return
        table = schema.wants
        with self.write() as connection:
            database.lock(connection, table.name)
            new = _new_wants(connection, kind, subjects)
            newest = connection.execute(select(func.max(table.c.id))).scalar() or 0
            connection.execute(delete(table).where(table.c.id <= newest - _WANTS_AT_MOST))
            if new:
                rows = [{"kind": kind, "subject": each, "at_ms": now_ms()} for each in new]
                connection.execute(table.insert(), rows)

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


def _new_wants(connection: Connection, kind: str, subjects: Sequence[str]) -> list[str]:
    """Return what nobody asked for yet, each once."""
    table = schema.wants
    mine = (table.c.kind == kind) & table.c.subject.in_(subjects)
    known = set(connection.execute(select(table.c.subject).where(mine)).scalars())
    return [subject for subject in dict.fromkeys(subjects) if subject not in known]


def canonical(value: object) -> str:
    """Return JSON in the one form that is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

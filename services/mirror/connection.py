"""Connections to the mirror whose database errors are sentences."""

import contextlib
from collections.abc import Iterator

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from services import postgres
from services.errors import PlatformError


class Reading:
    """A connection whose database errors are sentences."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Connection:
        try:
            self._connection = self._engine.connect()
        except (DatabaseError, PoolTimeoutError) as error:
            raise _unreadable(self._engine, error) from error
        return self._connection

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._connection.close()
        if isinstance(error, DatabaseError):
            raise _unreadable(self._engine, error) from error


def _unreadable(engine: Engine, error: DatabaseError | PoolTimeoutError) -> PlatformError:
    if engine.dialect.name == "sqlite" or not postgres.is_trouble(error):
        said = error.orig if isinstance(error, DatabaseError) else "all connections are in use"
        return PlatformError(
            f"The mirror cannot be read ({said}).",
            "The controller makes it when it starts, and replaces a damaged one: "
            "see `mlops status`.",
        )
    return PlatformError(
        f"The mirror cannot be read ({postgres.said(error)}).", postgres.hint(error)
    )


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction of the mirror's writer.

    On SQLite an error of the database is a damaged file: it ends the controller, and the next one
    replaces the file. A Postgres server that is away comes back: a sentence, and another attempt.

    Raises:
        PlatformError: Postgres is away or refuses us; nothing was written.
    """
    if engine.dialect.name == "sqlite":
        with engine.begin() as connection:
            yield connection
        return
    with translated(), engine.begin() as connection:
        yield connection


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise trouble with Postgres as a sentence; an error of ours stays what it is.

    Raises:
        PlatformError: Postgres is away or refuses us.
    """
    try:
        yield
    except (DatabaseError, PoolTimeoutError) as error:
        if not postgres.is_trouble(error):
            raise
        raise PlatformError(
            f"The mirror's database cannot be used ({postgres.said(error)}).", postgres.hint(error)
        ) from error

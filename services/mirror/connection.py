"""Connections to the mirror whose database errors are sentences."""

import contextlib
from collections.abc import Iterator

from sqlalchemy import Connection, Engine, ExceptionContext, event
from sqlalchemy.exc import DatabaseError, OperationalError
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


def say_why_not_written(engine: Engine) -> None:
    """Have this engine raise a sentence when its disk is full or failing, or its database away."""
    event.listen(engine, "handle_error", _unwritable, retval=True)


def _unwritable(context: ExceptionContext) -> PlatformError | None:
    error = context.sqlalchemy_exception
    if not isinstance(error, OperationalError) or "no such" in str(error.orig):
        return None  # our own mistake, or damage: not for waiting
    return not_written(error)


def not_written(error: DatabaseError) -> PlatformError:
    """Return the sentence for a mirror that could not be written just now."""
    said = str(error.orig).strip()
    hint = "It is tried again by itself; what was missed is read again from the engines."
    if "full" in said or "I/O" in said or "unable to open" in said:
        hint = f"Free space on its disk, and see that its folder can be written. {hint}"
    return PlatformError(f"The mirror cannot be written ({said}).", hint)


def is_damage(error: DatabaseError) -> bool:
    """Return whether the file itself is no sound database, which waiting does not mend."""
    said = str(error.orig)
    return any(word in said for word in ("not a database", "malformed", "no such"))


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction of the mirror's writer.

    A full disk or a Postgres server that is away is a sentence, and another attempt. A damaged
    SQLite file is neither: it ends the controller, and the next one replaces the file.

    Raises:
        PlatformError: It cannot be written just now; nothing was.
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

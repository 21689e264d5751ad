"""Connections whose database errors are sentences."""

from sqlalchemy import Connection, Engine, ExceptionContext, event
from sqlalchemy.exc import DatabaseError, OperationalError

from services.errors import PlatformError


class Reading:
    """A connection whose database errors are sentences."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Connection:
        try:
            self._connection = self._engine.connect()
        except DatabaseError as error:
            raise _unreadable(error) from error
        return self._connection

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._connection.close()
        if isinstance(error, DatabaseError):
            raise _unreadable(error) from error


def _unreadable(error: DatabaseError) -> PlatformError:
    return PlatformError(
        f"The mirror cannot be read ({error.orig}).",
        "The controller makes it when it starts and replaces a damaged one: see `mlops status`.",
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

"""A connection for reading whose database errors are sentences."""

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError

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

"""What mirror and journal share on Postgres: the driver, the pool, and its errors as sentences."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.exc import TimeoutError as PoolTimeoutError

DRIVER = "postgresql+psycopg"
_NAMES = ("postgres", "postgresql", DRIVER)
_LIVENESS: "Mapping[str, int]" = {
    # A server that is gone without a word is noticed in about half a minute, not in two hours.
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}


def with_driver(url: str) -> str:
    """Return a Postgres URL under the driver we install; any other URL as it is."""
    name, colon, rest = url.partition("://")
    return f"{DRIVER}://{rest}" if colon and name in _NAMES else url


def shown(url: str) -> str:
    """Return a URL without its password."""
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)


def open_engine(url: str, **options: Any) -> "Engine":  # noqa: ANN401 - create_engine's own
    """Return an engine on a Postgres URL; connects when it is first used."""
    from sqlalchemy import create_engine, event
    from sqlalchemy.engine import make_url

    given = make_url(url).query
    liveness = {name: value for name, value in _LIVENESS.items() if name not in given}
    engine = create_engine(
        with_driver(url),
        pool_pre_ping=True,
        connect_args={"application_name": "mlops", **liveness},
        **options,
    )
    event.listen(engine, "before_cursor_execute", _storable_parameters, retval=True)
    return engine


def storable(text: str) -> str:
    """Return text Postgres can hold: it knows no NUL, and no half of a character."""
    return text.replace("\0", "�").encode("utf-8", "replace").decode()


def _storable_parameters(
    _connection: "Connection",
    _cursor: object,
    statement: str,
    parameters: Any,  # noqa: ANN401 - what the driver takes: a mapping, or many
    _context: object,
    many: bool,  # noqa: FBT001 - SQLAlchemy's signature
) -> tuple[str, Any]:
    if many:
        return statement, [_storable(one) for one in parameters]
    return statement, _storable(parameters)


def _storable(parameters: Any) -> Any:  # noqa: ANN401 - as above
    if isinstance(parameters, dict):
        return {name: _clean(value) for name, value in parameters.items()}
    return tuple(_clean(value) for value in parameters)


def _clean(value: object) -> object:
    # Nearly all text is fit: what ASCII says of itself is quicker than to make it anew.
    if not isinstance(value, str) or (value.isascii() and "\0" not in value):
        return value
    return storable(value)


def is_trouble(error: "DBAPIError | PoolTimeoutError") -> bool:
    """Return whether the server, the way to it, or our rights are the matter: not our statement."""
    from sqlalchemy.exc import InterfaceError, OperationalError
    from sqlalchemy.exc import TimeoutError as PoolTimeoutError

    code = getattr(getattr(error, "orig", None), "sqlstate", None)
    return (
        isinstance(error, InterfaceError | OperationalError | PoolTimeoutError) or code in _RIGHTS
    )


_RIGHTS = frozenset({"42501", "25006"})  # no privilege; a standby


def said(error: "DBAPIError | PoolTimeoutError") -> str:
    """Return what the server or the driver said, in one line."""
    orig = getattr(error, "orig", None)
    if orig is None:
        return "all connections are in use"
    first = str(orig).strip().partition("\n")[0]
    return first.partition("connection failed: ")[2] or first


_HINTS: "Mapping[str, str]" = {
    "password authentication failed": "See user and password in its URL.",
    "no password supplied": "Its URL names no password: postgresql://USER:PASSWORD@HOST/DATABASE.",
    "no pg_hba.conf entry": "The server lets nobody in from here: see its pg_hba.conf.",
    "permission denied": "Its user must own the database, or may create in its schema.",
    "No space left": "The disk of the Postgres server is full. Nothing was changed.",
    "too many": "The server has no connection left: raise its max_connections.",
    "remaining connection slots": "The server has no connection left: raise its max_connections.",
    "read-only transaction": "This server is a standby: name the primary in its URL.",
    "lock timeout": "Another process held it for ten seconds: try again. Nothing was changed.",
    "deadlock": "Two processes waited for each other: try again. Nothing was changed.",
}


def hint(error: "DBAPIError | PoolTimeoutError") -> str:
    """Return what a person can do about it."""
    words = str(getattr(error, "orig", error))
    for part, mend in _HINTS.items():
        if part in words:
            return mend
    if "database" in words and "does not exist" in words:
        return "Make the database: createdb --owner USER NAME."
    return (
        "See that Postgres runs and can be reached; it is tried again by itself. `mlops doctor` "
        "looks at it."
    )

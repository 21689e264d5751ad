"""Too many failed sign-ins lock a name and an address, in the database: a restart forgives nothing.

An attempt is counted before the password is looked at and struck out when it was right, so that
many at once get no more guesses than one after another.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from services.access.store import failure_subject
from services.actions import database, schema
from services.actions.journal import Journal, now_ms
from services.errors import DeniedError

_WINDOW_S = 900
_FAILURES_A_NAME = 10
_FAILURES_AN_ADDRESS = 30
_FIRST_PAUSE_S = 30


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt under way: what was counted for it."""

    counted: tuple[int, ...]


def begin(journal: Journal, name: str, address: str) -> Attempt:
    """Count an attempt.

    Raises:
        DeniedError: The name or the address is locked; the message says for how long.
    """
    table = schema.failures
    at = now_ms()
    subjects = _subjects(name, address)
    with journal.write() as connection:
        database.lock(connection, table.name)
        wait_s = max(_locked_s(connection, subject, limit, at) for subject, limit in subjects)
        if wait_s > 0:
            raise DeniedError(
                f"Too many failed sign-ins; try again {_in_words(wait_s)}.",
                "An admin, or `mlops users reset-password` on the machine, takes the lock off.",
            )
        connection.execute(delete(table).where(table.c.at_ms < at - _WINDOW_S * 1000))
        counted = []
        for subject, _ in subjects:
            made = connection.execute(
                table.insert().values(subject=subject, at_ms=at).returning(table.c.id)
            )
            counted.append(int(made.scalar_one()))
    return Attempt(tuple(counted))


def forgive(connection: Connection, attempt: Attempt, name: str) -> None:
    """Strike out an attempt that was right, and the earlier failures of its name."""
    table = schema.failures
    connection.execute(delete(table).where(table.c.id.in_(attempt.counted)))
    connection.execute(delete(table).where(table.c.subject == failure_subject(name)))


def _locked_s(connection: Connection, subject: str, limit: int, at_ms: int) -> float:
    """Return for how long a subject is locked; 0 when it is not."""
    table = schema.failures
    since = at_ms - _WINDOW_S * 1000
    query = select(table.c.at_ms).where(table.c.subject == subject, table.c.at_ms > since)
    times = sorted(connection.execute(query).scalars())
    beyond = len(times) - limit
    if beyond < 0:
        return 0.0
    # Doubles with each failure beyond the limit, from half a minute to the whole window.
    pause_s: int = min(_WINDOW_S, _FIRST_PAUSE_S * 2 ** min(beyond, 10))
    return max(0.0, float(times[-1] - at_ms) / 1000 + pause_s)


def _in_words(wait_s: float) -> str:
    if wait_s <= 90:
        return f"in {max(1, round(wait_s))} seconds"
    return f"in {round(wait_s / 60)} minutes"


def _subjects(name: str, address: str) -> tuple[tuple[str, int], ...]:
    by_name = (failure_subject(name), _FAILURES_A_NAME)
    if not address:
        return (by_name,)
    return by_name, (f"address:{address[:80]}", _FAILURES_AN_ADDRESS)

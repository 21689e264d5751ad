"""The history of endpoints over the years: what was live before, and which lines are let go."""

from sqlalchemy import delete, func, or_, select

from services.actions import schema
from services.actions.journal import Journal
from services.serving import store
from services.serving.models import EventKind

EVERYDAY: tuple[EventKind, ...] = ("restarted", "scaled", "evicted", "woken", "idle")
"""What the engine does by itself all day; other kinds, and what a person did, are never deleted."""
KEPT_S = 90 * 86_400.0
NEWEST, MOST = 100, 1_000
"""Of one kind and endpoint: so many stay however old they are, and never more than that."""
_AT_ONCE = 500
_EVENTS = schema.serving_events


def earlier_live(journal: Journal, name: str, now: int | None) -> tuple[int, ...]:
    """Return the versions that were live before the present one, the last one first.

    Raises:
        JournalError: The journal cannot be read.
    """
    seen = [one.version for one in store.events(journal, name, 500, ("live",))]
    return tuple(dict.fromkeys(v for v in seen if v is not None and v != now))


def named_since(journal: Journal, since: float) -> frozenset[tuple[str, int]]:
    """Return of which versions there are lines since a moment (s since 1970), with endpoints.

    Raises:
        JournalError: The journal cannot be read.
    """
    query = (
        select(_EVENTS.c.name, _EVENTS.c.version)
        .where(_EVENTS.c.at_ms >= round(since * 1000), _EVENTS.c.version.is_not(None))
        .distinct()
    )
    with journal.read() as connection:
        return frozenset((row.name, row.version) for row in connection.execute(query))


def prune(journal: Journal, now: float) -> int:
    """Delete old lines of what the engine does by itself; return how many.

    A model server that ends every minute writes 1,440 a day. What was live when, who deployed,
    rolled back or scaled, and how it ended, stays for ever.

    Raises:
        JournalError: The journal cannot be written.
    """
    place = func.row_number().over(
        partition_by=(_EVENTS.c.name, _EVENTS.c.kind), order_by=_EVENTS.c.id.desc()
    )
    ranked = (
        select(_EVENTS.c.id, _EVENTS.c.at_ms, place.label("place"))
        .where(_EVENTS.c.kind.in_(EVERYDAY), _EVENTS.c.action_id.is_(None))
        .subquery()
    )
    old = (ranked.c.place > NEWEST) & (ranked.c.at_ms < round((now - KEPT_S) * 1000))
    query = select(ranked.c.id).where(or_(ranked.c.place > MOST, old))
    with journal.read() as connection:
        gone = list(connection.execute(query).scalars())
    for first in range(0, len(gone), _AT_ONCE):
        some = gone[first : first + _AT_ONCE]  # others write between
        with journal.write() as connection:
            connection.execute(delete(_EVENTS).where(_EVENTS.c.id.in_(some)))
    return len(gone)

"""Who did what: an append-only chain, each entry sealed with the hash of the one before."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select, update

from services.actions import database, schema
from services.actions.journal import Journal, canonical, now_ms

_FIRST = "0" * 64
_HEAD = "audit_head"
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the audit."""

    number: int
    at: datetime
    actor: str
    what: str
    project: str | None
    subject: str
    detail: dict[str, object]
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the chain holds; ``broken_at`` is the first entry that does not."""

    entries: int
    broken_at: int | None
    reason: str
    head: str = ""
    """The newest seal. Written down elsewhere, it proves later that nothing before it changed."""


def append(
    connection: Connection,
    actor: str,
    what: str,
    subject: str,
    *,
    project: str | None = None,
    detail: dict[str, object] | None = None,
) -> None:
    """Add an entry inside the caller's transaction: the deed and its record land together."""
    table = schema.audit
    database.lock(connection, table.name)
    last = connection.execute(
        select(table.c.number, table.c.hash).order_by(table.c.number.desc()).limit(1)
    ).first()
    row: dict[str, object] = {
        "number": last.number + 1 if last else 1,
        "at_ms": now_ms(),
        "actor": clean(actor, 120),
        "what": what,
        "project": project,
        "subject": clean(subject, 1_000),
        "detail": clean(canonical(detail or {})),
        "previous": last.hash if last else _FIRST,
    }
    sealed = seal(row)
    connection.execute(table.insert().values(**row, hash=sealed))
    _set_head(connection, f"{row['number']}:{sealed}")


def clean(value: str, limit: int | None = None) -> str:
    """Return text every database can hold: no NUL, no halves of characters."""
    return value[:limit].replace("\0", "�").encode("utf-8", "replace").decode()


def _set_head(connection: Connection, value: str) -> None:
    """Keep the newest seal apart: entries cut off the end would leave a chain that holds."""
    table = schema.meta
    if connection.execute(update(table).where(table.c.key == _HEAD).values(value=value)).rowcount:
        return
    connection.execute(insert(table).values(key=_HEAD, value=value))


def seal(row: dict[str, object]) -> str:
    """Return the SHA-256 of an entry's canonical JSON, the previous hash included."""
    return hashlib.sha256(canonical(row).encode()).hexdigest()


def verify(journal: Journal, known: Verdict | None = None) -> Verdict:
    """Walk the whole chain, a piece at a time: who writes meanwhile need not wait for the end.

    With a verdict that held, walk on from its newest entry if that still stands there; what was
    altered before it is found by the whole walk alone.
    """
    table = schema.audit
    with journal.read() as connection:
        kept = connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == _HEAD))
        head = kept.scalar() or ""
    previous, number = _begin(journal, known, head)
    seals_to = int(head.partition(":")[0] or 0)
    while True:
        query = select(table).where(table.c.number > number).order_by(table.c.number)
        with journal.read() as connection:
            rows = connection.execute(query.limit(_AT_ONCE)).all()
        for row in rows:
            content = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
            found = content.pop("hash")
            if row.number != number + 1:
                return Verdict(number, number + 1, f"Entry {number + 1} is missing.")
            if row.previous != previous or seal(content) != found:
                return Verdict(number, row.number, f"Entry {row.number} was altered.")
            previous, number = found, row.number
            if number == seals_to and head != f"{number}:{found}":
                return Verdict(number - 1, number, f"Entry {number} was sealed again.")
        if len(rows) < _AT_ONCE:
            break
    if number < seals_to:
        return Verdict(number, number + 1, f"Entries {number + 1} to {seals_to} were cut off.")
    return Verdict(number, None, "", previous if number else "")


def _begin(journal: Journal, known: Verdict | None, head: str) -> tuple[str, int]:
    """Return seal and number to walk on from: of an earlier walk's newest entry, if it stands."""
    first = _FIRST, 0
    if known is None or known.broken_at is not None or not known.entries:
        return first
    if head.startswith(f"{known.entries}:") and head != f"{known.entries}:{known.head}":
        return first
    query = select(schema.audit).where(schema.audit.c.number == known.entries)
    with journal.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        return first
    content = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    stands = content.pop("hash") == known.head and seal(content) == known.head
    return (known.head, known.entries) if stands else first


def entries(
    journal: Journal,
    *,
    project: str | None = None,
    projects: tuple[str, ...] | None = None,
    actor: str | None = None,
    what: str | None = None,
    since: datetime | None = None,
    before: int | None = None,
    limit: int = 50,
) -> tuple[Entry, ...]:
    """Return entries, newest first; ``before`` pages on by number.

    With ``projects``, those of the projects alone: what concerns the whole platform (people, their
    sign-ins) is for who sees all of it.
    """
    table = schema.audit
    query = select(table).order_by(table.c.number.desc()).limit(limit)
    if project is not None:
        query = query.where(table.c.project == project)
    if projects is not None:
        query = query.where(table.c.project.in_(projects))
    if actor:
        query = query.where(table.c.actor == actor)
    if what:
        query = query.where(table.c.what.startswith(what, autoescape=True))
    if since is not None:
        query = query.where(table.c.at_ms >= since.timestamp() * 1000)
    if before is not None:
        query = query.where(table.c.number < before)
    with journal.read() as connection:
        return tuple(
            Entry(
                row.number,
                datetime.fromtimestamp(row.at_ms / 1000, UTC),
                row.actor,
                row.what,
                row.project,
                row.subject,
                json.loads(row.detail),
                row.hash,
            )
            for row in connection.execute(query)
        )

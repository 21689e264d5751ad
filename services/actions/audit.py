"""Who did what: an append-only chain, each entry sealed with the hash of the one before."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, select, text

from services.actions import schema
from services.actions.journal import Journal, canonical, now_ms

_FIRST = "0" * 64


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
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE audit IN EXCLUSIVE MODE"))
    last = connection.execute(
        select(table.c.number, table.c.hash).order_by(table.c.number.desc()).limit(1)
    ).first()
    row: dict[str, object] = {
        "number": last.number + 1 if last else 1,
        "at_ms": now_ms(),
        "actor": actor,
        "what": what,
        "project": project,
        "subject": subject,
        "detail": canonical(detail or {}),
        "previous": last.hash if last else _FIRST,
    }
    connection.execute(table.insert().values(**row, hash=seal(row)))


def seal(row: dict[str, object]) -> str:
    """Return the SHA-256 of an entry's canonical JSON, the previous hash included."""
    return hashlib.sha256(canonical(row).encode()).hexdigest()


def verify(journal: Journal) -> Verdict:
    """Walk the whole chain."""
    previous, expected = _FIRST, 1
    with journal.read() as connection:
        for row in connection.execute(select(schema.audit).order_by(schema.audit.c.number)):
            content = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
            found = content.pop("hash")
            if row.number != expected:
                return Verdict(expected - 1, expected, f"Entry {expected} is missing.")
            if row.previous != previous or seal(content) != found:
                return Verdict(expected - 1, row.number, f"Entry {row.number} was altered.")
            previous, expected = found, expected + 1
    return Verdict(expected - 1, None, "")


def entries(
    journal: Journal,
    *,
    project: str | None = None,
    projects: tuple[str, ...] | None = None,
    actor: str | None = None,
    what: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> tuple[Entry, ...]:
    """Return entries, newest first; ``before`` pages on by number."""
    table = schema.audit
    query = select(table).order_by(table.c.number.desc()).limit(limit)
    if project is not None:
        query = query.where(table.c.project == project)
    if projects is not None:
        query = query.where(table.c.project.in_(projects) | table.c.project.is_(None))
    if actor:
        query = query.where(table.c.actor == actor)
    if what:
        query = query.where(table.c.what.startswith(what))
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

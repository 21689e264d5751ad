"""Which version carried an alias when, and who made it so. Kept in the journal, not the mirror.

Two things write here: an action that moved an alias, and the sync, which sees every move a little
later, also those made by other means. A move of ours that the sync reports is marked as seen, not
written twice, however late the report comes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, Row, select, update

from services.actions import database, schema
from services.actions.journal import Journal, now_ms

OBSERVED = "outside this platform"
_REPORT_REACHES = 20
"""Moves of ours that the sync may not have reported yet."""


@dataclass(frozen=True, slots=True)
class AliasEvent:
    """An alias that moved; ``version`` None: it was removed."""

    project: str
    model: str
    alias: str
    version: int | None
    actor: str
    action_id: int | None
    """None: the sync saw it in the registry."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AliasSpan:
    """A time during which a version carried an alias; ``until`` None: it still does."""

    version: int | None
    since: datetime
    until: datetime | None
    actor: str
    reason: str
    action_id: int | None


def record(journal: Journal, event: AliasEvent, *, fresh: bool = False) -> None:
    """Write an event, once: a move has one entry, whoever reports it first and how often.

    ``fresh``: it was read this moment, by the only one who moves the alias now. A report of the
    sync may be late, and tell of an earlier move.
    """
    table = schema.registry_events
    with journal.write() as connection:
        database.lock(connection, table.name)
        newest = connection.execute(
            select(table)
            .where(*_same_alias(event.project, event.model, event.alias))
            .order_by(table.c.id.desc())
            .limit(_REPORT_REACHES)
        ).all()
        if event.action_id is None:
            _report(connection, event, newest[:1] if fresh else newest)
        else:
            _claim(connection, event, newest)


def _report(connection: Connection, event: AliasEvent, newest: Sequence[Row]) -> None:  # type: ignore[type-arg]  # of registry_events
    """Write what the sync saw, unless it is a move of ours, or what was known already."""
    table = schema.registry_events
    if event.version is None and not newest:
        return
    for row in newest:
        if row.version == event.version:
            older = table.c.id <= row.id
            mine = _same_alias(event.project, event.model, event.alias)
            connection.execute(update(table).where(*mine, older).values(seen=True))
            return
        if row.seen:
            break
    _insert(connection, event, seen=True)


def _claim(connection: Connection, event: AliasEvent, newest: Sequence[Row]) -> None:  # type: ignore[type-arg]  # of registry_events
    """Write a move of ours, or sign what the sync saw of it."""
    table = schema.registry_events
    if any(r.action_id == event.action_id and r.version == event.version for r in newest):
        return
    last = newest[0] if newest else None
    if last is None or last.version != event.version:
        _insert(connection, event, seen=False)
    elif last.action_id is None:
        signed = {"actor": event.actor, "action_id": event.action_id, "reason": event.reason}
        connection.execute(update(table).where(table.c.id == last.id).values(**signed))


def _insert(connection: Connection, event: AliasEvent, *, seen: bool) -> None:
    connection.execute(
        schema.registry_events.insert().values(
            at_ms=now_ms(),
            project=event.project,
            model=event.model,
            alias=event.alias,
            version=event.version,
            actor=event.actor,
            action_id=event.action_id,
            reason=event.reason,
            seen=seen,
        )
    )


def alias_spans(journal: Journal, project: str, model: str, alias: str) -> tuple[AliasSpan, ...]:
    """Return the spans of an alias, the present one first; a span without version is a gap."""
    table = schema.registry_events
    query = select(table).where(*_same_alias(project, model, alias)).order_by(table.c.id.desc())
    spans: list[AliasSpan] = []
    until: datetime | None = None
    with journal.read() as connection:
        for row in connection.execute(query):
            since = datetime.fromtimestamp(row.at_ms / 1000, UTC)
            spans.append(AliasSpan(row.version, since, until, row.actor, row.reason, row.action_id))
            until = since
    return tuple(spans)


def champion_at(
    journal: Journal, project: str, model: str, alias: str, at: datetime
) -> AliasSpan | None:
    """Return the span that held at a moment; None before the alias was first seen."""
    return next(
        (span for span in alias_spans(journal, project, model, alias) if span.since <= at), None
    )


def earlier_versions(journal: Journal, project: str, model: str, alias: str) -> tuple[int, ...]:
    """Return the versions to roll back to, the nearest first.

    A roll-back takes what it left off the list: rolling back twice goes back two versions, and
    never forth again to the one that was left.
    """
    events, actions = schema.registry_events, schema.actions
    query = (
        select(events.c.version, actions.c.kind)
        .join_from(events, actions, events.c.action_id == actions.c.id, isouter=True)
        .where(*_same_alias(project, model, alias))
        .order_by(events.c.id)
    )
    stack: list[int] = []
    with journal.read() as connection:
        for version, kind in connection.execute(query):
            if version is None:
                continue
            if kind == "rollback" and version in stack:
                while stack[-1] != version:
                    stack.pop()
            elif not stack or stack[-1] != version:
                stack.append(version)
    present = stack[-1] if stack else None
    return tuple(dict.fromkeys(v for v in reversed(stack) if v != present))


def _same_alias(project: str, model: str, alias: str) -> tuple[ColumnElement[bool], ...]:
    table = schema.registry_events
    return (table.c.project == project, table.c.model == model, table.c.alias == alias)

"""Which version carried an alias when, and who made it so. Kept in the journal, not the mirror."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select, update

from services.actions import schema
from services.actions.journal import Journal, now_ms

OBSERVED = "outside this platform"


@dataclass(frozen=True, slots=True)
class AliasEvent:
    """An alias that moved; ``version`` None: it was removed."""

    project: str
    model: str
    alias: str
    version: int | None
    actor: str
    action_id: int | None
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


def record(journal: Journal, event: AliasEvent) -> None:
    """Write an event once: an action's own record replaces what the sync saw of it."""
    table = schema.registry_events
    where = (
        (table.c.project == event.project)
        & (table.c.model == event.model)
        & (table.c.alias == event.alias)
    )
    with journal.write() as connection:
        last = connection.execute(
            select(table).where(where).order_by(table.c.id.desc()).limit(1)
        ).first()
        if last is not None and last.version == event.version:
            if last.action_id is None and event.action_id is not None:
                values = {
                    "actor": event.actor,
                    "action_id": event.action_id,
                    "reason": event.reason,
                }
                connection.execute(update(table).where(table.c.id == last.id).values(**values))
            return
        connection.execute(
            table.insert().values(
                at_ms=now_ms(),
                project=event.project,
                model=event.model,
                alias=event.alias,
                version=event.version,
                actor=event.actor,
                action_id=event.action_id,
                reason=event.reason,
            )
        )


def alias_spans(journal: Journal, project: str, model: str, alias: str) -> tuple[AliasSpan, ...]:
    """Return the spans of an alias, the present one first; a span without version is a gap."""
    table = schema.registry_events
    query = (
        select(table)
        .where(table.c.project == project, table.c.model == model, table.c.alias == alias)
        .order_by(table.c.id.desc())
    )
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

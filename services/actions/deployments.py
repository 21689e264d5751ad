"""What was promoted, deployed and checked out in a stretch of time: what charts are marked with."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from services.actions import schema
from services.actions.journal import Journal

KINDS = (
    "promote", "rollback", "deploy", "deploy-rollback", "rollout", "scale", "undeploy",
    "data-checkout",
)  # fmt: skip
"""Actions that change what runs or what it runs on."""

_MOST = 200


@dataclass(frozen=True, slots=True)
class Deployment:
    """One such action, done."""

    action_id: int
    at: datetime
    """When it was done."""
    kind: str
    title: str
    project: str | None
    actor: str


def deployments(
    journal: Journal, start: datetime, end: datetime, projects: tuple[str, ...] | None = None
) -> tuple[Deployment, ...]:
    """Return what was done in ``[start, end)``, oldest first; of many the newest.

    ``projects`` are those the person sees, None for all.

    Raises:
        JournalError: The journal cannot be read.
    """
    table = schema.actions
    query = (
        select(table.c.id, table.c.finished_ms, table.c.kind, table.c.title, table.c.project,
               table.c.actor)
        .where(
            table.c.state == "done",
            table.c.kind.in_(KINDS),
            table.c.finished_ms >= start.timestamp() * 1000,
            table.c.finished_ms < end.timestamp() * 1000,
        )
        .order_by(table.c.finished_ms.desc(), table.c.id.desc())
        .limit(_MOST)
    )  # fmt: skip
    if projects is not None:
        query = query.where(table.c.project.in_(projects))
    with journal.read() as connection:
        rows = connection.execute(query).all()
    return tuple(
        Deployment(
            row.id,
            datetime.fromtimestamp(row.finished_ms / 1000, UTC),
            row.kind,
            row.title,
            row.project,
            row.actor,
        )
        for row in reversed(rows)
    )

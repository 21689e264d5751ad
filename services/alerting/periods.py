"""Alerts of a stretch of time, with when somebody first looked after each."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select

from services.actions import schema
from services.actions.journal import Journal
from services.alerting.models import Alert
from services.alerting.store import alert_of

_ALERTS, _NOTES = schema.alerts, schema.alert_notes


@dataclass(frozen=True, slots=True)
class Lived:
    """One alert, and who first looked after it. Times: seconds since 1970."""

    alert: Alert
    looked_at: float | None
    """When somebody first did; None: nobody has."""
    looked_by: str

    def lasted_s(self, until: float) -> float:
        """Return how long it lasted, up to a moment if it still does."""
        end = self.alert.resolved_at
        return max(0.0, (until if end is None else end) - self.alert.since)


def active(
    journal: Journal, since: float, until: float, projects: Sequence[str], *, platform: bool
) -> tuple[Lived, ...]:
    """Return the alerts that were open at some time of ``[since, until)``, newest first.

    Args:
        journal: Where they lie.
        since: Seconds since 1970.
        until: The same.
        projects: Alerts of these.
        platform: Those of the platform itself, too.

    Raises:
        JournalError: The journal cannot be read.
    """
    mine: ColumnElement[bool] = _ALERTS.c.project.in_(projects)
    if platform:
        mine = mine | _ALERTS.c.project.is_(None)
    lasting = _ALERTS.c.resolved_ms.is_(None) | (_ALERTS.c.resolved_ms >= round(since * 1000))
    wanted = (mine, _ALERTS.c.since_ms < round(until * 1000), lasting)
    first = (
        select(func.min(_NOTES.c.id))
        .join(_ALERTS, _ALERTS.c.id == _NOTES.c.alert_id)
        .where(*wanted, _NOTES.c.what == "acknowledged")
        .group_by(_NOTES.c.alert_id)
    )
    with journal.read() as connection:
        rows = connection.execute(select(_ALERTS).where(*wanted).order_by(_ALERTS.c.id.desc()))
        found = [alert_of(row) for row in rows]
        notes = connection.execute(select(_NOTES).where(_NOTES.c.id.in_(first))).all()
    looked = {row.alert_id: (row.at_ms / 1000, str(row.actor)) for row in notes}
    return tuple(Lived(one, *looked.get(one.id, (None, ""))) for one in found)

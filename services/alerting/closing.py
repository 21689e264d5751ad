"""Closing an alert of which nobody can tell any more whether it lasts.

An alert ends on evidence; where there will be none (its engine is gone for good, its workflow was
deleted), a person says that it is over. What is seen later begins a new alert.
"""

from dataclasses import replace

from services.actions.journal import Journal
from services.alerting import store
from services.alerting.models import Alert
from services.errors import ConflictError


def refuse(alert: Alert) -> None:
    """Let an alert pass of which nobody can tell now.

    Raises:
        ConflictError: It has ended, or evidence says that it fires.
    """
    if not alert.open:
        raise ConflictError(f"Alert {alert.id} has ended: {alert.resolution}")
    if alert.condition != "unknown":
        raise ConflictError(
            f"Alert {alert.id} fires: it ends on evidence that it is over.",
            "Acknowledge it, or silence it for a time.",
        )


def close(journal: Journal, alert_id: int, who: str, reason: str, now: float) -> Alert:
    """End an alert that nobody can see; closed by the same at the same time, it is once.

    Raises:
        ConflictError: See ``refuse``.
        NotFoundError: There is none of this id.
        JournalError: The journal cannot be written.
    """

    def how(found: Alert) -> Alert:
        if not found.open and found.resolved_at == now:
            return found
        refuse(found)
        return replace(
            found, condition="ok", resolved_at=now, resolution=f"{who} closed it: {reason}",
            # What was seen before, and is said again, brings it back no more.
            last_at=max(found.last_at, now),
            silence=None, inhibited_by=None, unknown_because="",
        )  # fmt: skip

    return store.change(journal, alert_id, how, "closed", reason, who, now)

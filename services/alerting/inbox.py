"""What needs a person, the most urgent first.

What nobody looks after comes first: alerts, what waits for a decision, and what failed that the
person asked for; then what nobody can see now, then what somebody looks after. Of those the worst
comes first, then the newest: what came of it is kept quiet by what explains it, whatever its age.

Others that know of things that wait for somebody (an approval, a rollout) add them as ``Item``.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from services.actions import records
from services.actions.journal import Journal
from services.actions.roles import Actor, at_least
from services.alerting import asking
from services.alerting.asking import Place
from services.alerting.models import Alert, Severity, rank
from services.alerting.rules import retraining

Kind = Literal["alert", "approval", "action"]
_ALERTS = 1000
_FAILED_ACTIONS = 20
_LATELY = timedelta(days=1)
NEEDS: Mapping[str, int] = {"firing": 0, "unknown": 1, "acknowledged": 2}
"""States of alerts that need somebody, in this order; the others are kept quiet, or have ended."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that waits for somebody."""

    kind: Kind
    id: int
    """Of the alert or the action."""
    severity: Severity
    state: str
    project: str | None
    title: str
    said: str
    at: float
    """Since when, in seconds since 1970."""
    act: str
    """What the person can do about it now, a few words; empty: only look."""
    link: str
    """The page that shows it, from the dashboard's root on."""


def inbox(
    journal: Journal, actor: Actor, others: Iterable[Item] = (), now: float | None = None
) -> tuple[Item, ...]:
    """Return what needs a person, the most urgent first.

    Args:
        journal: Where alerts and actions lie.
        actor: Who asks: they get what their role and scope let them see and do.
        others: What else waits for them, as others know it.
        now: Seconds since 1970; None: this moment.

    Raises:
        JournalError: The journal cannot be read.
    """
    moment = time.time() if now is None else now
    first = foremost(asking.places(journal, actor.projects))[:_ALERTS]
    read = asking.by_id(journal, [place.id for place in first])
    # What was looked at a moment ago may be quiet by now.
    found = [_of_alert(one, actor) for one in read.values() if one.state in NEEDS]
    found += others
    found += _failed(journal, actor, moment)
    return tuple(sorted(found, key=_urgency))


def counts(items: Sequence[Item]) -> dict[Severity, int]:
    """Return how many things of each severity wait."""
    found: dict[Severity, int] = {}
    for one in items:
        found[one.severity] = found.get(one.severity, 0) + 1
    return found


def foremost(places: Iterable[Place]) -> list[Place]:
    """Return the alerts that need somebody, the most urgent first."""
    needed = (one for one in places if one.state in NEEDS)
    return sorted(needed, key=lambda one: urgency(one.state, one.severity, one.since, one.id))


def urgency(state: str, severity: Severity, at: float, number: int) -> tuple[int, int, float, int]:
    """Return where in the order something stands: what nobody looks after, the worst, the newest.

    Args:
        state: Of an alert; of anything else ``firing``, for nobody looks after it.
        severity: How bad it is.
        at: Since when, in seconds since 1970.
        number: Tells what came at one moment apart.
    """
    return NEEDS.get(state, 0), -rank(severity), -at, -number


def _urgency(item: Item) -> tuple[int, int, float, int]:
    return urgency(item.state, item.severity, item.at, item.id)


def _of_alert(alert: Alert, actor: Actor) -> Item:
    said = alert.said
    if alert.state == "unknown":
        said = f"{alert.unknown_because} Before: {alert.said}"
    if alert.state == "acknowledged":
        said = f"{alert.owner} looks after it. {alert.said}"
    act = "Acknowledge" if alert.state == "firing" and at_least(actor, "operator") else ""
    if at_least(actor, "approver") and retraining.waits_for(alert, actor.name):
        act = "Decide"
    return Item(
        "alert", alert.id, alert.severity, alert.state, alert.project, alert.title or alert.key,
        said, alert.since, act, alert.link,
    )  # fmt: skip


def _failed(journal: Journal, actor: Actor, now: float) -> list[Item]:
    """Return the actions of the person that failed lately and that nobody did again since."""
    since = datetime.fromtimestamp(now, UTC) - _LATELY
    found, done = [], set()
    for one in records.history(journal, actor=actor.name, since=since, limit=200):  # newest first
        what = (one.kind, one.title)
        if one.state in {"failed", "compensated"} and what not in done:
            found.append(
                Item(
                    "action", one.id, "warning", "firing", one.project, one.title,
                    f"{one.error} {one.hint}".strip(), one.submitted_at.timestamp(), "",
                    f"/activity?action={one.id}",
                )
            )  # fmt: skip
        done.add(what)
    return found[:_FAILED_ACTIONS]

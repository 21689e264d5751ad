"""What events make of alerts. Pure: the same events and times give the same alerts.

An alert is what its newest evidence says, in whatever order the evidence came; of one moment
``firing`` counts more than ``ok``. ``unknown`` is no evidence: it ends nothing, and is over when
what was known before is said again. An alert ends on ``ok`` alone. What comes back soon after its
end is the same alert.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.alerting.inhibiting import inhibited
from services.alerting.models import (
    ACKNOWLEDGED_S,
    CAUSE,
    Alert,
    Event,
    Note,
    NoteKind,
    Policy,
    Silence,
    rank,
    thread_of,
)

_FIGURE = re.compile(r"(?<!\S)(?<!Version )\S*\d\S*")
"""Not the number of a version: another version is another thing."""
_AHEAD_S = 60.0
"""Who acknowledged so much later than now did it by a clock that was set back since."""


@dataclass(frozen=True, slots=True)
class Book:
    """The newest alert of each key, as far as it has not ended long ago; and what happened."""

    alerts: Mapping[str, Alert] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


def apply(
    book: Book, events: Iterable[Event], silences: Sequence[Silence], now: float, policy: Policy
) -> Book:
    """Return the alerts after some events, with what keeps each of them quiet now.

    Args:
        book: The alerts before; its notes are left behind.
        events: In any order, each any number of times.
        silences: All that may count now.
        now: Seconds since 1970. Evidence of a later time (a clock that jumped) is of now.
        policy: How soon something is the same alert again.
    """
    alerts, notes = dict(book.alerts), []
    for event in events:
        before = alerts.get(event.key)
        after, what = _step(before, event, now, policy)
        if after is not None:
            alerts[event.key] = after
        if what is not None:
            notes.append(Note(event.key, now, what, event.said))
    for key, alert in tuple(alerts.items()):
        if alert.open and alert.owner is not None and _lapsed(alert, now):
            alerts[key] = left(alert, now)
            notes.append(Note(key, now, "lapsed", f"{alert.owner} looked after it."))
    return Book(quieted(alerts, silences, now), tuple(notes))


def quieted(
    alerts: Mapping[str, Alert], silences: Sequence[Silence], now: float
) -> dict[str, Alert]:
    """Return the alerts with what keeps each of them quiet now: a silence, another alert."""
    counting = [one for one in silences if one.lasts(now)]
    explained = inhibited(alerts.values())
    found = {}
    for key, alert in alerts.items():
        silence = by = None
        if alert.open:
            covering = (one.id for one in counting if one.covers(key, alert.project))
            silence, by = next(covering, None), explained.get(key)
        if (silence, by) != (alert.silence, alert.inhibited_by):
            alert = replace(alert, silence=silence, inhibited_by=by)
        found[key] = alert
    return found


def acknowledged(
    alert: Alert, owner: str, note: str, now: float, for_s: float | None = None
) -> Alert:
    """Return an alert that somebody looks after for a time; None: as long as its severity has it.

    It is over then, unless they say so again: who forgot it, or went away, keeps nothing quiet.
    """
    length_s = ACKNOWLEDGED_S[alert.severity] if for_s is None else for_s
    return replace(
        alert, owner=owner, note=note, acknowledged_at=now, acknowledged_until=now + length_s,
        left_by=None, left_at=None,
    )  # fmt: skip


def left(alert: Alert, now: float) -> Alert:
    """Return an alert that nobody looks after any more: whoever was told of it hears that."""
    again = {name: replace(one, level=-1) for name, one in alert.told.items()}
    return replace(
        alert, owner=None, note="", acknowledged_at=None, acknowledged_until=None,
        left_by=alert.owner, left_at=now, told=again,
    )  # fmt: skip


def _lapsed(alert: Alert, now: float) -> bool:
    at, until = alert.acknowledged_at or 0.0, alert.acknowledged_until
    if until is None:
        until = at + ACKNOWLEDGED_S[alert.severity]
    return not at - _AHEAD_S <= now < until


def _step(
    alert: Alert | None, event: Event, now: float, policy: Policy
) -> tuple[Alert | None, NoteKind | None]:
    at = min(event.at, now)
    if event.state == "unknown":
        return _unseen(alert, event, at, now)
    if alert is not None and (at, *_weight(event)) <= _known(alert, now):
        if alert.condition == "unknown" and event.state == "firing" and at >= alert.last_at:
            return replace(alert, condition="firing", unknown_because=""), "seen"
        return alert, None
    if alert is not None and alert.open:
        return _ended(alert, event, at, now) if event.state == "ok" else _firing(alert, event, at)
    if event.state == "ok":  # it is well still: what fired before that changes nothing any more
        return (None if alert is None else replace(alert, last_at=at)), None
    if alert is None or now - (alert.resolved_at or 0.0) >= policy.reopen_s:
        return _begun(event, at), "fired"
    untold = {name: told for name, told in alert.told.items() if not told.resolved}
    again = replace(alert, resolved_at=None, resolution="", told=untold)
    return _firing(again, event, at)[0], "again"


def _weight(event: Event) -> tuple[int, int]:
    return int(event.state == "firing"), rank(event.severity)


def _known(alert: Alert, now: float) -> tuple[float, int, int]:
    """Return the order of the newest evidence: it is what decided whether the alert is open.

    Evidence of a time to come is of a clock that was set back since: all that is said now is newer.
    """
    if alert.last_at > now:
        return -math.inf, 0, 0
    return alert.last_at, int(alert.open), rank(alert.severity)


def _unseen(
    alert: Alert | None, event: Event, at: float, now: float
) -> tuple[Alert | None, NoteKind | None]:
    if alert is None or not alert.open or at < min(alert.last_at, now):
        return alert, None
    if alert.condition == "unknown" and same_words(alert.unknown_because, event.said):
        return alert, None
    return replace(alert, condition="unknown", unknown_because=event.said), "unknown"


def same_words(one: str, other: str) -> bool:
    """Return whether two sentences say the same, whatever their figures: these change each look."""
    return _FIGURE.sub("#", one) == _FIGURE.sub("#", other)


def _ended(alert: Alert, event: Event, at: float, now: float) -> tuple[Alert, NoteKind]:
    ended = replace(
        alert, condition="ok", last_at=at, resolved_at=now, resolution=event.said, silence=None,
        inhibited_by=None, unknown_because="",
    )  # fmt: skip
    return ended, "resolved"


def _firing(alert: Alert, event: Event, at: float) -> tuple[Alert, NoteKind | None]:
    change = rank(event.severity) - rank(alert.severity)
    what: NoteKind | None = "seen" if alert.condition == "unknown" else None
    found = event.labels.get(CAUSE) != alert.labels.get(CAUSE)  # its cause: no other sighting
    if change:
        what = "worse" if change > 0 else "milder"
    after = replace(
        alert,
        condition="firing",
        severity=event.severity,
        project=event.project,
        title=event.title,
        said=event.said,
        cause=event.cause,
        suggestion=event.suggestion,
        link=event.link,
        explains=event.explains,
        labels=dict(event.labels),
        evidence=event.evidence,
        since=min(alert.since, at),  # later: of a clock that was set back
        last_at=at,
        count=alert.count + (not found),
        unknown_because="",
    )
    if change > 0:  # whoever looked after it did not know that
        after = replace(
            after, owner=None, acknowledged_at=None, acknowledged_until=None, note=""
        )  # fmt: skip
    return after, what


def _begun(event: Event, at: float) -> Alert:
    return Alert(
        id=0,
        key=event.key,
        thread=event.labels.get("thread") or thread_of(event.key, at),
        condition="firing",
        severity=event.severity,
        project=event.project,
        title=event.title,
        said=event.said,
        cause=event.cause,
        suggestion=event.suggestion,
        link=event.link,
        explains=event.explains,
        labels=dict(event.labels),
        evidence=event.evidence,
        since=at,
        last_at=at,
    )

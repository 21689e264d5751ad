"""Alerts, silences and what happened to them, in the journal.

Whoever decides about alerts does it in one transaction: what came in, what became of it and the
messages about it are written together, or not at all.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, get_args

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from services import postgres
from services.actions import database, schema
from services.actions.journal import Journal
from services.alerting import engine, telling
from services.alerting.models import (
    Alert,
    Condition,
    Event,
    Note,
    NoteKind,
    Policy,
    Severity,
    Silence,
    Told,
    valid_key,
)
from services.errors import ConflictError, InputError, NotFoundError

_EVENTS, _ALERTS = schema.alert_events, schema.alerts
_NOTES, _SILENCES = schema.alert_notes, schema.alert_silences
_PROJECT_LIMIT = 64
_AT_ONCE = 500
"""Rows a statement."""


# Events


def post(journal: Journal, events: Sequence[Event]) -> None:
    """Hand events over; when this returns they are durable, and none is missed.

    Raises:
        InputError: A key is empty, too long, or holds what cannot be seen.
        JournalError: The journal cannot be written; none was taken.
    """
    with journal.write() as connection:
        put(connection, events)


def put(connection: Connection, events: Sequence[Event]) -> None:
    """Hand events over within a transaction.

    Raises:
        InputError: See ``post``.
    """
    for event in events:
        _check(event)
    rows = [{"body": json.dumps(asdict(event))} for event in events]
    if rows:
        connection.execute(insert(_EVENTS), rows)


def _check(event: Event) -> None:
    """Refuse what could not be written later: it would be in the way of all other events."""
    if not valid_key(event.key):
        raise InputError(f"{event.key[:60]!r} is no key of an alert.")
    if event.state not in get_args(Condition) or event.severity not in get_args(Severity):
        raise InputError(f"{event.key} is neither {event.state!r} nor {event.severity!r}.")
    if not math.isfinite(event.at):
        raise InputError(f"{event.key} was seen at no time: {event.at}.")
    project = event.project
    if project is not None and (not project.isprintable() or len(project) > _PROJECT_LIMIT):
        raise InputError(f"{project[:60]!r} is no project of an alert.")


def waiting_events(connection: Connection, limit: int) -> tuple[tuple[int, Event], ...]:
    """Return (id, event) of those handed over and not read yet, oldest first."""
    rows = connection.execute(select(_EVENTS).order_by(_EVENTS.c.id).limit(limit))
    return tuple((row.id, _event(json.loads(row.body))) for row in rows)


def drop_events(connection: Connection, ids: Sequence[int]) -> None:
    """Forget events that were read: these alone, for one between them may just have come."""
    for begin in range(0, len(ids), _AT_ONCE):
        mine = _EVENTS.c.id.in_(ids[begin : begin + _AT_ONCE])
        connection.execute(delete(_EVENTS).where(mine))


def _event(body: dict[str, Any]) -> Event:
    lists = {name: tuple(body[name]) for name in ("explains", "evidence")}
    return Event(**{**body, **lists})


# Alerts


def book(connection: Connection) -> dict[str, Alert]:
    """Return by key what has not ended, or not long ago."""
    query = select(_ALERTS).where(_ALERTS.c.settled.is_(False)).order_by(_ALERTS.c.id)
    return {row.key: alert_of(row) for row in connection.execute(query)}


def lock(connection: Connection) -> None:
    """Keep others from deciding about alerts until the transaction ends."""
    database.lock(connection, _ALERTS.name)


def save(
    connection: Connection,
    before: Mapping[str, Alert],
    after: Mapping[str, Alert],
    notes: Iterable[Note],
    *,
    channels: frozenset[str],
    now: float,
    policy: Policy,
) -> dict[str, Alert]:
    """Write what changed; return all alerts with their ids."""
    done = dict(after)
    changed = []
    for key, alert in after.items():
        old = before.get(key)
        over = telling.settled(alert, channels, now, policy)
        if alert is old and not over:
            continue
        values = _values(alert, settled=over)
        if alert.id:
            changed.append({"its_id": alert.id, **values})
            continue
        if old is not None:  # it ended, and the key fires again later: another alert
            finish = update(_ALERTS).where(_ALERTS.c.id == old.id)
            connection.execute(finish.values(settled=True, open_key=None))
        new = connection.execute(insert(_ALERTS).values(**values)).inserted_primary_key
        done[key] = replace(alert, id=int(new[0]) if new else 0)
    for begin in range(0, len(changed), _AT_ONCE):
        statement = update(_ALERTS).where(_ALERTS.c.id == bindparam("its_id"))
        connection.execute(statement, changed[begin : begin + _AT_ONCE])
    _write_notes(connection, [(done[note.key].id, note) for note in notes])
    return done


def _write_notes(connection: Connection, notes: Sequence[tuple[int, Note]]) -> None:
    rows = [
        {
            "alert_id": alert_id, "at_ms": _ms(note.at), "what": note.what,
            "said": postgres.storable(note.said),
            "actor": note.actor,
        }
        for alert_id, note in notes
    ]  # fmt: skip
    if rows:
        connection.execute(insert(_NOTES), rows)


def _values(alert: Alert, *, settled: bool) -> dict[str, Any]:
    body = asdict(alert)
    del body["id"]
    return {
        "key": alert.key,
        "open_key": alert.key if alert.open else None,
        "state": alert.state,
        "severity": alert.severity,
        "project": alert.project,
        "since_ms": _ms(alert.since),
        "resolved_ms": None if alert.resolved_at is None else _ms(alert.resolved_at),
        "settled": settled,
        "body": json.dumps(body),
    }


def alert_of(row: Row[Any]) -> Alert:
    """Return an alert from its row."""
    body = json.loads(row.body)
    lists = {name: tuple(body[name]) for name in ("explains", "evidence")}
    told = {name: Told(**one) for name, one in body["told"].items()}
    return Alert(id=row.id, **{**body, **lists, "told": told})


def alerts(
    journal: Journal,
    projects: Sequence[str] | None = None,
    *,
    ended: bool = False,
    key: str | None = None,
    kind: str | None = None,
    before: int | None = None,
    limit: int = 200,
) -> tuple[Alert, ...]:
    """Return alerts, newest first.

    Args:
        journal: Where they lie.
        projects: Of these alone; None: of all, and of the platform itself.
        ended: Those that ended, too.
        key: Of this key alone.
        kind: Of this kind alone.
        before: Only those older than the alert of this id: the next page.
        limit: The most of them.

    Raises:
        JournalError: The journal cannot be read.
    """
    query = select(_ALERTS).order_by(_ALERTS.c.id.desc()).limit(limit)
    if projects is not None:
        query = query.where(_ALERTS.c.project.in_(projects))
    if not ended:
        query = query.where(_ALERTS.c.open_key.is_not(None))
    if key is not None:
        query = query.where(_ALERTS.c.key == key)
    if kind is not None:
        query = query.where(_ALERTS.c.key.startswith(f"{kind}/", autoescape=True))
    if before is not None:
        query = query.where(_ALERTS.c.id < before)
    with journal.read() as connection:
        return tuple(alert_of(row) for row in connection.execute(query))


def alert(journal: Journal, alert_id: int) -> Alert:
    """Return one alert.

    Raises:
        NotFoundError: There is none of this id.
        JournalError: The journal cannot be read.
    """
    with journal.read() as connection:
        return _one(connection, alert_id)


def _one(connection: Connection, alert_id: int) -> Alert:
    row = connection.execute(select(_ALERTS).where(_ALERTS.c.id == alert_id)).first()
    if row is None:
        raise NotFoundError(f"There is no alert {alert_id}.", "`mlops alerts list` lists them.")
    return alert_of(row)


def notes(journal: Journal, alert_id: int) -> tuple[Note, ...]:
    """Return what happened to an alert, oldest first.

    Raises:
        JournalError: The journal cannot be read.
    """
    query = (
        select(_NOTES, _ALERTS.c.key)
        .join(_ALERTS, _ALERTS.c.id == _NOTES.c.alert_id)
        .where(_NOTES.c.alert_id == alert_id)
        .order_by(_NOTES.c.id)
    )
    with journal.read() as connection:
        rows = connection.execute(query).all()
    return tuple(Note(r.key, r.at_ms / 1000, r.what, r.said, r.actor) for r in rows)


def acknowledge(
    journal: Journal, alert_id: int, owner: str, note: str, now: float, for_s: float | None = None
) -> Alert:
    """Note who looks after an alert, and how long; the same one twice is once.

    Raises:
        ConflictError: It has ended.
        NotFoundError: There is none of this id.
        JournalError: The journal cannot be written.
    """

    def how(found: Alert) -> Alert:
        if not found.open:
            raise ConflictError(f"Alert {alert_id} has ended: {found.resolution}")
        after = engine.acknowledged(found, owner, note, now, for_s)
        return found if after == found else after

    return change(journal, alert_id, how, "acknowledged", note, owner, now)


def take_back(journal: Journal, alert_id: int, owner: str, now: float) -> Alert:
    """Note that nobody looks after an alert any more; who was told of it hears that.

    Raises:
        NotFoundError: There is none of this id.
        JournalError: The journal cannot be written.
    """

    def how(found: Alert) -> Alert:
        return found if found.owner is None else engine.left(found, now)

    return change(journal, alert_id, how, "taken-back", "", owner, now)


def change(
    journal: Journal, alert_id: int, how: Callable[[Alert], Alert], what: NoteKind, said: str,
    actor: str, now: float,
) -> Alert:  # fmt: skip
    """Change an alert as a person wishes, and note it; what returns it as it is changes nothing."""
    with journal.write() as connection:
        lock(connection)
        before = _one(connection, alert_id)
        after = how(before)
        if after is not before:
            values = _values(after, settled=False)
            del values["settled"]  # whether it is, the loop alone decides
            connection.execute(update(_ALERTS).where(_ALERTS.c.id == alert_id).values(**values))
            _write_notes(connection, [(alert_id, Note(after.key, now, what, said, actor))])
    return after


# Silences


def add_silence(journal: Journal, silence: Silence, action_id: int) -> int:
    """Keep a silence; the same action twice is one. Return its id.

    Raises:
        JournalError: The journal cannot be written.
    """
    mine = select(_SILENCES.c.id).where(_SILENCES.c.action_id == action_id)
    row = {
        "pattern": silence.pattern, "project": silence.project, "owner": silence.owner,
        "reason": silence.reason, "created_ms": _ms(silence.created_at),
        "expires_ms": _ms(silence.expires_at), "action_id": action_id,
    }  # fmt: skip
    with journal.write() as connection:
        known = connection.execute(mine).scalar()
        if known is None:
            connection.execute(insert(_SILENCES).values(**row))
            known = connection.execute(mine).scalar()
    return int(known or 0)


def end_silence(journal: Journal, silence_id: int, now: float) -> bool:
    """End a silence before its time; return whether it counted until now.

    Raises:
        JournalError: The journal cannot be written.
    """
    where = (
        _SILENCES.c.id == silence_id, _SILENCES.c.ended_ms.is_(None),
        _SILENCES.c.expires_ms > _ms(now),
    )  # fmt: skip
    with journal.write() as connection:
        done = connection.execute(update(_SILENCES).where(*where).values(ended_ms=_ms(now)))
    return bool(done.rowcount)


def silences(journal: Journal, now: float | None = None) -> tuple[Silence, ...]:
    """Return silences, newest first; with ``now`` those that count then alone.

    Raises:
        JournalError: The journal cannot be read.
    """
    with journal.read() as connection:
        return silences_in(connection, now)


def silences_in(connection: Connection, now: float | None = None) -> tuple[Silence, ...]:
    """Return the same within a transaction."""
    query = select(_SILENCES).order_by(_SILENCES.c.id.desc())
    if now is not None:
        counting = _SILENCES.c.ended_ms.is_(None) & (_SILENCES.c.expires_ms > _ms(now))
        query = query.where(counting)
    return tuple(
        Silence(
            row.id, row.pattern, row.project, row.owner, row.reason, row.created_ms / 1000,
            row.expires_ms / 1000, None if row.ended_ms is None else row.ended_ms / 1000,
        )
        for row in connection.execute(query)
    )  # fmt: skip


def prune(journal: Journal, before: float) -> None:
    """Forget what ended before a time, with what happened to it, and messages older than that.

    Raises:
        JournalError: The journal cannot be written.
    """
    old = (_ALERTS.c.settled.is_(True)) & (_ALERTS.c.resolved_ms < _ms(before))
    messages = schema.alert_messages
    with journal.write() as connection:
        ids = select(_ALERTS.c.id).where(old)
        connection.execute(delete(_NOTES).where(_NOTES.c.alert_id.in_(ids)))
        connection.execute(delete(_ALERTS).where(old))
        connection.execute(delete(messages).where(messages.c.created_ms < _ms(before)))
        connection.execute(delete(_SILENCES).where(_SILENCES.c.expires_ms < _ms(before)))


def _ms(at: float) -> int:
    return round(at * 1000)

"""The outbox: notifications between the transaction that wrote them and their arrival.

A message is sent at least once. Who sends marks it ``sending`` before and ``sent`` afterwards, and
sends one at a time: whoever is killed meanwhile leaves at most one message of which nobody knows
whether it arrived. That one is sent again, and says so. One process sends for an installation.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, or_, select, update

from services.actions import schema
from services.actions.journal import Journal
from services.alerting import hours, store, words
from services.alerting.channels import channel_of
from services.alerting.models import Channel, Event, Message, Policy, Severity, What
from services.alerting.telling import Draft

_MESSAGES, _CHANNELS = schema.alert_messages, schema.alert_channels
_FIRST_PAUSE_S = 10.0
_LONGEST_PAUSE_S = 900.0
_GIVEN_UP_S = 86_400.0
_GIVEN_UP_AFTER = 12
"""Tries that are made at least: a clock that jumps a day ahead is no day of trying."""
_TROUBLE_AFTER = 3
"""Failures in a row after which a channel is an alert of its own."""
_OPEN = ("waiting", "sending")
_ERROR_LIMIT = 400


def write(
    connection: Connection, drafts: Sequence[Draft], now: float, base: str, policy: Policy
) -> None:
    """Write messages within the transaction that writes their alerts; those have their ids."""
    rows = [
        {
            "channel": draft.channel, "what": draft.what,
            "severity": _lane(draft),
            "group": draft.group[:300], "title": words.title(draft),
            "body": words.body(draft, base, policy.listed),
            "alerts": json.dumps([one.id for one in draft.alerts]),
            "created_ms": round(now * 1000), "state": "waiting", "attempts": 0,
            "not_before_ms": 0, "error": "",
        }
        for draft in drafts
    ]  # fmt: skip
    if rows:
        connection.execute(insert(_MESSAGES), rows)


def announce(
    connection: Connection,
    names: Sequence[str],
    title: str,
    body: str,
    now: float,
    *,
    group: str,
    what: What = "report",
) -> int:
    """Write a message that is about no alert to some channels, within a transaction.

    A channel that is there no more is left out. In its quiet hours it waits for their end.

    Args:
        connection: Of the transaction.
        names: Of the channels.
        title: One line.
        body: The text.
        now: Seconds since 1970.
        group: What it is about, for the list of messages.
        what: What kind of message it is.

    Returns:
        How many messages were written.
    """
    rows = [
        {
            "channel": one.name, "what": what, "severity": "info", "group": group[:300],
            "title": title, "body": body, "alerts": "[]", "created_ms": round(now * 1000),
            "state": "waiting", "attempts": 0, "error": "",
            "not_before_ms": round(hours.over(one.quiet, now) * 1000),
        }
        for one in channels_of(connection)
        if one.name in names
    ]  # fmt: skip
    if rows:
        connection.execute(insert(_MESSAGES), rows)
    return len(rows)


def _lane(draft: Draft) -> Severity:
    """Return the severity under which a message counts: the end of something critical is not."""
    worst = draft.alerts[0].severity
    return worst if draft.critical or worst != "critical" else "warning"


def recent(connection: Connection, since: float) -> tuple[Message, ...]:
    """Return the messages written since a time, without their texts and alerts: it is asked often.

    A storm's messages name thousands of alerts each.
    """
    of = _MESSAGES.c
    query = select(of.id, of.channel, of.what, of.severity, of.created_ms, of.group)
    rows = connection.execute(query.where(of.created_ms >= round(since * 1000)))
    return tuple(
        Message(
            row.id, row.channel, row.what, row.severity, "", "", (), row.created_ms / 1000,
            row.group,
        )
        for row in rows
    )  # fmt: skip


def messages(
    journal: Journal, *, alert: int | None = None, limit: int = 100
) -> tuple[Message, ...]:
    """Return messages, newest first; of one alert or of all.

    Raises:
        JournalError: The journal cannot be read.
    """
    query = select(_MESSAGES).order_by(_MESSAGES.c.id.desc())
    with journal.read() as connection:
        if alert is None:
            return tuple(message_of(row) for row in connection.execute(query.limit(limit)))
        found = []
        # A number within another (5 in 15) is sorted out below.
        for row in connection.execute(query.where(_MESSAGES.c.alerts.contains(str(alert)))):
            if alert in json.loads(row.alerts):
                found.append(message_of(row))
            if len(found) == limit:
                break
    return tuple(found)


def claim(journal: Journal, now: float) -> tuple[Message, bool] | None:
    """Take the next message to send, and whether it may have arrived already; None: none is due.

    Channels that worked last come first: one that hangs keeps the others waiting once at most.

    Raises:
        JournalError: The journal cannot be written.
    """
    waits = _MESSAGES.c.not_before_ms
    # A pause that is longer than any began by a clock that was set back since.
    jumped = and_(_MESSAGES.c.attempts > 0, waits > (now + _LONGEST_PAUSE_S) * 1000)
    due = (
        select(_MESSAGES)
        .outerjoin(_CHANNELS, _CHANNELS.c.name == _MESSAGES.c.channel)
        .where(_MESSAGES.c.state.in_(_OPEN), or_(waits <= now * 1000, jumped))
        .order_by(_CHANNELS.c.failures, _MESSAGES.c.attempts, _MESSAGES.c.id)
        .limit(1)
    )
    with journal.read() as connection:  # asked each second: a read takes no lock
        if connection.execute(due).first() is None:
            return None
    with journal.write() as connection:
        row = connection.execute(due).first()
        if row is None:
            return None
        mine = _MESSAGES.c.id == row.id
        values = {"state": "sending", "attempts": row.attempts + 1}
        connection.execute(update(_MESSAGES).where(mine).values(**values))
    return replace(message_of(row), attempts=row.attempts + 1), row.state == "sending"


def sent(journal: Journal, message: Message, now: float) -> None:
    """Note that a message arrived, and that its channel works.

    Raises:
        JournalError: The journal cannot be written; the message is sent again then.
    """
    values = {"state": "sent", "sent_ms": round(now * 1000), "error": ""}
    with journal.write() as connection:
        connection.execute(update(_MESSAGES).where(_MESSAGES.c.id == message.id).values(**values))
        well(connection, message.channel, now)


def failed(
    journal: Journal, message: Message, why: str, now: float, *, final: bool = False,
    pause_s: float | None = None,
) -> None:  # fmt: skip
    """Note why a message did not arrive; it is tried again after a pause, for a day.

    Args:
        journal: Where it lies.
        message: As it was claimed.
        why: A sentence.
        now: Seconds since 1970.
        final: It cannot arrive: it is not tried again.
        pause_s: Until the next try; None: longer and longer.

    Raises:
        JournalError: The journal cannot be written.
    """
    tried = message.attempts >= _GIVEN_UP_AFTER and now - message.created_at > _GIVEN_UP_S
    over = final or tried
    if pause_s is None:
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(message.attempts - 1, 16))
    values = {
        "state": "failed" if over else "waiting", "error": why[:_ERROR_LIMIT],
        "not_before_ms": round((now + pause_s) * 1000),
    }  # fmt: skip
    with journal.write() as connection:
        connection.execute(update(_MESSAGES).where(_MESSAGES.c.id == message.id).values(**values))
        unwell(connection, message.channel, why, now)


def record(journal: Journal, message: Message) -> None:
    """Keep a message that was sent without the outbox: a test.

    Raises:
        JournalError: The journal cannot be written.
    """
    row = {
        "channel": message.channel, "what": message.what, "severity": message.severity,
        "group": message.group, "title": message.title, "body": message.body, "alerts": "[]",
        "created_ms": round(message.created_at * 1000), "state": message.state,
        "attempts": 1, "not_before_ms": 0, "error": message.error[:_ERROR_LIMIT],
        "sent_ms": None if message.sent_at is None else round(message.sent_at * 1000),
    }  # fmt: skip
    with journal.write() as connection:
        connection.execute(insert(_MESSAGES).values(**row))
        if message.sent_at is not None:
            well(connection, message.channel, message.sent_at)


def well(connection: Connection, channel: str, now: float) -> None:
    """Note within a transaction that a channel works."""
    mine = _CHANNELS.c.name == channel
    failures = connection.execute(select(_CHANNELS.c.failures).where(mine)).scalar()
    if failures:
        connection.execute(update(_CHANNELS).where(mine).values(failures=0, trouble=""))
        store.put(connection, [Event(f"channel/{channel}", now, "ok", said="A message arrived.")])


def unwell(connection: Connection, channel: str, why: str, now: float) -> None:
    """Note within a transaction that a channel did not take a message."""
    mine = _CHANNELS.c.name == channel
    failures = connection.execute(select(_CHANNELS.c.failures).where(mine)).scalar()
    if failures is None:  # it was removed
        return
    values = {"failures": failures + 1, "trouble": why[:_ERROR_LIMIT]}
    connection.execute(update(_CHANNELS).where(mine).values(**values))
    if failures + 1 == _TROUBLE_AFTER:
        store.put(connection, [trouble(channel, why, now)])


def trouble(channel: str, why: str, now: float) -> Event:
    """Return the event of a channel that takes no messages."""
    return Event(
        f"channel/{channel}",
        now,
        "firing",
        title=f"Notifications to {channel} do not arrive",
        said=f"{_TROUBLE_AFTER} messages in a row did not arrive at {channel}. The last: {why}",
        cause="Its address is wrong or revoked, or its service is away.",
        suggestion=f"`mlops alerts test {channel}`; then add it again with a good address.",
        link="/alerts?view=channels",
        labels={"channel": channel},
    )


def message_of(row: Row[Any]) -> Message:
    """Return a message from its row."""
    return Message(
        row.id, row.channel, row.what, row.severity, row.title, row.body,
        tuple(json.loads(row.alerts)), row.created_ms / 1000, row.group, row.state, row.attempts,
        row.not_before_ms / 1000, None if row.sent_ms is None else row.sent_ms / 1000, row.error,
    )  # fmt: skip


def channels_of(connection: Connection) -> tuple[Channel, ...]:
    """Return the channels within a transaction, by name."""
    return tuple(
        channel_of(row) for row in connection.execute(select(_CHANNELS).order_by(_CHANNELS.c.name))
    )

"""``mlops alerts``: what fires, who looks after it, what is kept quiet, and who is told."""

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from services.commands.alert_channels import channels, try_channel
from services.commands.output import (
    json_option,
    moment,
    print_json,
    print_table,
    say,
    sentences,
)

if TYPE_CHECKING:
    from services.alerting.models import Alert, Message, Note, Silence

_LENGTH = re.compile(r"(\d{1,6})(m|h|d)")
_UNIT_S = {"m": 60.0, "h": 3600.0, "d": 86_400.0}


@click.group()
def alerts() -> None:
    """Alerts: list, show, ack, close, silence, silences, unsilence, channels, test."""


alerts.add_command(channels)
alerts.add_command(try_channel)


@alerts.command("list")
@click.option("--project", help="One project's.")
@click.option("--all", "ended", is_flag=True, help="Those that ended, too.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True)
@json_option
@sentences
def list_alerts(*, project: str | None, ended: bool, limit: int, as_json: bool) -> None:
    """List the alerts that have not ended, newest first."""
    from services.alerting import store
    from services.commands.acting import context

    here = context()
    if project is not None:
        here.mirror.project(project)
    found = store.alerts(
        here.journal, None if project is None else [project], ended=ended, limit=limit
    )
    if as_json:
        print_json([shape(one) for one in found])
        return
    rows = [
        [
            str(one.id),
            one.severity,
            one.state,
            one.project or "platform",
            one.title or one.key,
            moment(_at(one.since)),
            f"{one.count:,}",
            one.owner or "–",
            one.key,
        ]
        for one in found
    ]
    columns = ["id", "severity", "state", "project", "what", "since", "seen", "owner", "key"]
    print_table(columns, rows, "No alert is open." if not ended else "There was no alert yet.")


@alerts.command()
@click.argument("alert_id", metavar="ID", type=int)
@json_option
@sentences
def show(*, alert_id: int, as_json: bool) -> None:
    """Show one alert: what, since when, the likely cause, what to do, and what became of it."""
    from services.alerting import outbox, store
    from services.commands.acting import context

    journal = context().journal
    found = store.alert(journal, alert_id)
    happened, sent = store.notes(journal, alert_id), outbox.messages(journal, alert=alert_id)
    if as_json:
        document = {
            **shape(found), "timeline": [_note_shape(one) for one in happened],
            "messages": [message_shape(one) for one in sent],
        }  # fmt: skip
        print_json(document)
        return
    _told(found)
    rows = [[moment(_at(one.at)), one.what, one.actor, one.said] for one in happened]
    print_table(["when", "what", "who", "said"], rows, "Nothing happened to it yet.")
    for one in sent:
        why = f": {one.error}" if one.error else ""
        say(f"Message {one.id} to {one.channel} is {one.state}{why}.")


def _told(alert: "Alert") -> None:
    where = alert.project or "the whole platform"
    say(f"{alert.title or alert.key} ({alert.severity}, {alert.state})")
    for line in (
        alert.said,
        f"Where: {where}. Since {moment(_at(alert.since))}, seen {alert.count:,} times.",
        f"Likely cause: {alert.cause}" if alert.cause else "",
        f"What to do: {alert.suggestion}" if alert.suggestion and alert.open else "",
        f"Not known now: {alert.unknown_because}" if alert.unknown_because else "",
        f"Explained by {alert.inhibited_by}." if alert.inhibited_by else "",
        f"Kept quiet by silence {alert.silence}." if alert.silence else "",
        f"{alert.owner} looks after it. {alert.note}" if alert.owner else "",
        f"Ended {moment(_at(alert.resolved_at))}: {alert.resolution}" if alert.resolved_at else "",
        *(f"· {one}" for one in alert.evidence),
    ):
        if line:
            say(line)


@alerts.command()
@click.argument("alert_id", metavar="ID", type=int)
@click.option("--note", default="", help="What you do about it.")
@sentences
def ack(*, alert_id: int, note: str) -> None:
    """Say that you look after an alert: it is not told again unless it gets worse."""
    from services.actions.alerts import AcknowledgeAlert
    from services.alerting import store
    from services.commands.acting import act, context

    found = store.alert(context().journal, alert_id)
    act(AcknowledgeAlert(alert_id, found.project, note))


@alerts.command()
@click.argument("alert_id", metavar="ID", type=int)
@click.option("--reason", required=True, help="How you know; others see it.")
@sentences
def close(*, alert_id: int, reason: str) -> None:
    """Say that an alert is over of which nobody can tell (state unknown)."""
    from services.actions.alerts import CloseAlert
    from services.alerting import store
    from services.commands.acting import act, context

    found = store.alert(context().journal, alert_id)
    act(CloseAlert(alert_id, found.project, reason))


@alerts.command()
@click.argument("pattern", metavar="ID|KEY")
@click.option("--for", "length", required=True, metavar="LENGTH", help="30m, 2h, 7d; up to 30d.")
@click.option("--reason", required=True, help="Why; others see it.")
@click.option("--project", help="Alerts of this project alone.")
@sentences
def silence(*, pattern: str, length: str, reason: str, project: str | None) -> None:
    """Keep alerts quiet for a time: one by its number, or all of a KEY, * for any characters."""
    from services.actions.alerts import SilenceAlerts
    from services.alerting import store
    from services.commands.acting import act, context

    until = time.time() + seconds(length)
    if pattern.isdecimal():
        found = store.alert(context().journal, int(pattern))
        pattern, project = found.key, project or found.project
    act(SilenceAlerts(pattern, reason, until, project))


@alerts.command()
@click.option("--all", "ended", is_flag=True, help="Those that ended, too.")
@json_option
@sentences
def silences(*, ended: bool, as_json: bool) -> None:
    """List the silences: what is kept quiet, by whom, why and until when."""
    from services.alerting import store
    from services.commands.acting import context

    now = time.time()
    found = store.silences(context().journal, None if ended else now)
    if as_json:
        print_json([silence_shape(one, now) for one in found])
        return
    rows = [
        [
            str(one.id),
            one.pattern,
            one.project or "all projects",
            one.owner,
            moment(_at(one.ended_at or one.expires_at)),
            one.reason,
        ]
        for one in found
    ]
    columns = ["id", "what", "project", "who", "until", "why"]
    print_table(columns, rows, "Nothing is kept quiet.")


@alerts.command()
@click.argument("silence_id", metavar="ID", type=int)
@sentences
def unsilence(*, silence_id: int) -> None:
    """End a silence before its time."""
    from services.actions.alerts import EndSilence
    from services.alerting import store
    from services.commands.acting import act, context
    from services.errors import NotFoundError

    for one in store.silences(context().journal):
        if one.id == silence_id:
            act(EndSilence(one.id, one.project))
            return
    raise NotFoundError(f"There is no silence {silence_id}.", "`mlops alerts silences`")


def seconds(text: str) -> float:
    """Return a length as people write it: ``30m``, ``2h``, ``7d``.

    Raises:
        InputError: It is none.
    """
    from services.errors import InputError

    found = _LENGTH.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{text[:20]!r} is no length of time.", "Write 30m, 2h or 7d.")
    return int(found[1]) * _UNIT_S[found[2]]


def shape(one: "Alert") -> dict[str, object]:
    """Return an alert in the documented JSON shape."""
    return {
        "id": one.id,
        "severity": one.severity,
        "project": one.project,
        "title": one.title,
        "state": one.state,
        "since": _at(one.since),
        "count": one.count,
        "cause": one.cause,
        "suggestion": one.suggestion,
        "key": one.key,
        "said": one.said,
        "link": one.link,
        "labels": dict(one.labels),
        "evidence": one.evidence,
        "last_at": _at(one.last_at),
        "owner": one.owner,
        "note": one.note,
        "acknowledged_at": _at(one.acknowledged_at),
        "silence": one.silence,
        "inhibited_by": one.inhibited_by,
        "unknown_because": one.unknown_because,
        "notified_at": _at(one.notified_at),
        "resolved_at": _at(one.resolved_at),
        "resolution": one.resolution,
        "thread": one.thread,
    }


def silence_shape(one: "Silence", now: float) -> dict[str, object]:
    """Return a silence in the documented JSON shape."""
    return {
        "id": one.id,
        "pattern": one.pattern,
        "project": one.project,
        "owner": one.owner,
        "reason": one.reason,
        "created_at": _at(one.created_at),
        "expires_at": _at(one.expires_at),
        "ended_at": _at(one.ended_at),
        "counts": one.lasts(now),
    }


def message_shape(one: "Message") -> dict[str, object]:
    """Return a message in the documented JSON shape."""
    return {
        "id": one.id,
        "channel": one.channel,
        "what": one.what,
        "severity": one.severity,
        "title": one.title,
        "state": one.state,
        "attempts": one.attempts,
        "created_at": _at(one.created_at),
        "sent_at": _at(one.sent_at),
        "error": one.error,
        "alerts": len(one.alerts),
    }


def _note_shape(one: "Note") -> dict[str, object]:
    return {"at": _at(one.at), "what": one.what, "said": one.said, "actor": one.actor}


def _at(value: float | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value, UTC)

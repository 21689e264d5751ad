"""``mlops alerts``: what fires, who looks after it, what is kept quiet, and who is told."""

import re
import time
from typing import TYPE_CHECKING

import click

from services.commands.alert_channels import channels, try_channel
from services.commands.alert_list import list_alerts
from services.commands.alert_shapes import (
    action_shape,
    at,
    message_shape,
    note_shape,
    retraining_shape,
    shape,
    silence_shape,
)
from services.commands.output import (
    json_option,
    moment,
    print_json,
    print_table,
    say,
    sentences,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.actions.action import Action
    from services.alerting.models import Alert
    from services.retraining.outcomes import Outcome

_LENGTH = re.compile(r"(\d{1,6})(m|h|d)")
_UNIT_S = {"m": 60.0, "h": 3600.0, "d": 86_400.0}


@click.group()
def alerts() -> None:
    """Alerts: list, show, ack, release, close, silence, silences, unsilence, channels, test."""


alerts.add_command(list_alerts)
alerts.add_command(channels)
alerts.add_command(try_channel)


@alerts.command()
@click.argument("alert_id", metavar="ID", type=int)
@json_option
@sentences
def show(*, alert_id: int, as_json: bool) -> None:
    """Show one alert: what, since when, the likely cause, what to do, and what became of it."""
    from services.alerting import outbox, store
    from services.commands.acting import context
    from services.retraining import outcomes

    journal = context().journal
    found = store.alert(journal, alert_id)
    happened, sent = store.notes(journal, alert_id), outbox.messages(journal, alert=alert_id)
    led_to = outcomes.of_alerts(journal, [found])[alert_id]
    if as_json:
        document = {
            **shape(found), "timeline": [note_shape(one) for one in happened],
            "messages": [message_shape(one) for one in sent],
            "retrainings": [retraining_shape(one) for one in led_to.retrainings],
            "actions": [action_shape(one) for one in led_to.deeds],
        }  # fmt: skip
        print_json(document)
        return
    by = found.inhibited_by
    above = store.alerts(journal, key=by, limit=1) if by is not None else ()
    _told(found, next((one.title for one in above), by or ""))
    _led_to(led_to)
    rows = [[moment(at(one.at)), one.what, one.actor, one.said] for one in happened]
    print_table(["when", "what", "who", "said"], rows, "Nothing happened to it yet.")
    for one in sent:
        why = f": {one.error}" if one.error else ""
        say(f"Message {one.id} to {one.channel} is {one.state}{why}.")


def _told(alert: "Alert", explained: str) -> None:
    from services.alerting.words import cause

    where = alert.project or "the whole platform"
    say(f"{alert.title or alert.key} ({alert.severity}, {alert.state})")
    for line in (
        alert.said,
        f"Where: {where}. Since {moment(at(alert.since))}, seen {alert.count:,} times.",
        f"Likely cause: {cause(alert)}" if alert.open or alert.cause else "",
        f"What to do: {alert.suggestion}" if alert.suggestion and alert.open else "",
        f"Not known now: {alert.unknown_because}" if alert.unknown_because else "",
        f"Explained by: {explained}" if explained else "",
        f"Kept quiet by silence {alert.silence}." if alert.silence else "",
        _looked_after(alert),
        f"Ended {moment(at(alert.resolved_at))}: {alert.resolution}" if alert.resolved_at else "",
        *(f"· {one}" for one in alert.evidence),
    ):
        if line:
            say(line)


def _looked_after(alert: "Alert") -> str:
    if alert.owner is not None:
        ends = alert.acknowledged_until
        until = f" until {moment(at(ends))}" if ends is not None else ""
        return f"{alert.owner} looks after it{until}. {alert.note}"
    if alert.open and alert.left_by is not None:
        return f"Acknowledged by {alert.left_by} until {moment(at(alert.left_at))}, still open."
    return ""


def _led_to(found: "Outcome") -> None:
    for one in found.retrainings:
        said = f": {one.said}" if one.said else "."
        say(f"It led to retraining {one.id} of {one.model}, which is {one.state}{said}")
    for deed in found.others:
        said = deed.error or deed.result
        say(
            f"{moment(deed.submitted_at)} {deed.actor}: {deed.title}, {deed.state}"
            f"{f': {said}' if said else '.'}"
        )


@alerts.command()
@click.argument("alert_ids", metavar="ID…", type=int, nargs=-1, required=True)
@click.option("--note", default="", help="What you do about it.")
@click.option(
    "--for", "length", metavar="LENGTH",
    help="30m, 4h, 7d; after which it fires again. Else a day, of critical ones 4 hours.",
)  # fmt: skip
@sentences
def ack(*, alert_ids: tuple[int, ...], note: str, length: str | None) -> None:
    """Say that you look after alerts: for that time they are told only if they get worse."""
    from services.actions.alerts import AcknowledgeAlert

    for_s = None if length is None else seconds(length)
    _each(alert_ids, lambda one: AcknowledgeAlert(one.id, one.project, note, for_s), "acknowledged")


@alerts.command()
@click.argument("alert_ids", metavar="ID…", type=int, nargs=-1, required=True)
@sentences
def release(*, alert_ids: tuple[int, ...]) -> None:
    """Give alerts back that somebody looks after: they fire again at once."""
    from services.actions.alerts import ReleaseAlert

    _each(alert_ids, lambda one: ReleaseAlert(one.id, one.project), "given back")


def _each(alert_ids: tuple[int, ...], asked: "Callable[[Alert], Action]", what: str) -> None:
    """Do something to each of some alerts; one that ended meanwhile keeps no other waiting."""
    from services.alerting import store
    from services.commands.acting import act, context
    from services.errors import JournalError, MlopsError

    journal = context().journal
    # A wrong number is said before anything is done.
    found = [store.alert(journal, one) for one in dict.fromkeys(alert_ids)]
    refused: list[MlopsError] = []
    for one in found:
        try:
            act(asked(one))
        except JournalError:
            raise
        except MlopsError as error:
            if len(found) == 1:
                raise
            say(f"Alert {one.id}: {error.message}", err=True)
            refused.append(error)
    if refused:
        raise MlopsError(
            f"{len(refused)} of {len(found)} alerts could not be {what}.", refused[0].hint
        )


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
            moment(at(one.ended_at or one.expires_at)),
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

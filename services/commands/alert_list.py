"""``mlops alerts list``: what lasts, what has been, and what needs somebody, in order."""

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from services.commands.alert_shapes import at, item_shape, shape
from services.commands.output import json_option, moment, print_json, print_table, sentences

if TYPE_CHECKING:
    from services.actions.action import Context
    from services.alerting.inbox import Item
    from services.alerting.models import Alert, Severity, State

_STATES = ("firing", "acknowledged", "silenced", "inhibited", "unknown", "resolved")
_LENGTH = re.compile(r"\d{1,6}[mhd]")


@click.command("list")
@click.option("--project", help="One project's.")
@click.option(
    "--severity", "severities", multiple=True, type=click.Choice(["info", "warning", "critical"]),
    help="Only these.",
)  # fmt: skip
@click.option("--kind", "kinds", multiple=True, help="Only these: drift, run, engine, …")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="Only these.")
@click.option("--find", "words", default="", help="Only those that hold this text anywhere.")
@click.option("--since", metavar="LENGTH|TIME", help="Only later ones: 2h, 7d, 2026-05-01T08:30.")
@click.option("--all", "ended", is_flag=True, help="Those that ended, too.")
@click.option(
    "--inbox", is_flag=True, help="All that needs you, decisions too, in the page's order."
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True)
@json_option
@sentences
def list_alerts(
    *, project: str | None, severities: tuple["Severity", ...], kinds: tuple[str, ...],
    states: tuple["State", ...], words: str, since: str | None, ended: bool, inbox: bool,
    limit: int, as_json: bool,
) -> None:  # fmt: skip
    """List the alerts that have not ended, newest first; or what needs you, in order."""
    from services.alerting import asking
    from services.commands.acting import context

    if inbox and (kinds or states or words or since or ended):
        raise click.UsageError("--inbox goes with --project, --severity, --limit and --json alone.")
    here = context()
    if project is not None:
        here.mirror.project(project)
    if inbox:
        _inbox(_needing(here, project, severities)[:limit], as_json=as_json)
        return
    found = asking.history(
        here.journal, None if project is None else [project], words=words.strip(),
        since=0.0 if since is None else since_of(since), limit=limit,
        severities=severities, kinds=kinds, states=states,
        ended=ended or "resolved" in states,
    )  # fmt: skip
    _listed(found, as_json=as_json, narrow=bool(severities or kinds or states or words or since),
            ended=ended)  # fmt: skip


def _listed(found: Sequence["Alert"], *, as_json: bool, narrow: bool, ended: bool) -> None:
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
            moment(at(one.since)),
            f"{one.count:,}",
            one.owner or "–",
            one.key,
        ]
        for one in found
    ]
    empty = "No alert is open." if not ended else "There was no alert yet."
    columns = ["id", "severity", "state", "project", "what", "since", "seen", "owner", "key"]
    print_table(columns, rows, "No alert has what is looked for." if narrow else empty)


def _needing(
    here: "Context", project: str | None, severities: Sequence["Severity"]
) -> tuple["Item", ...]:
    from services.alerting import inbox
    from services.commands.acting import actor
    from services.retraining import waiting

    who = actor()
    if project is not None:
        who = replace(who, projects=(project,))
    found = inbox.inbox(here.journal, who, waiting.items(here.journal, who))
    mine = [one for one in found if project is None or one.project == project]
    return tuple(one for one in mine if not severities or one.severity in severities)


def _inbox(found: Sequence["Item"], *, as_json: bool) -> None:
    if as_json:
        print_json([item_shape(one) for one in found])
        return
    rows = [
        [
            one.kind,
            str(one.id),
            one.severity,
            one.state,
            one.project or "platform",
            one.title,
            moment(at(one.at)),
            one.act or "Look",
            one.said,
        ]
        for one in found
    ]
    columns = ["kind", "id", "severity", "state", "project", "what", "since", "do", "said"]
    print_table(columns, rows, "Nothing needs you.")


def since_of(text: str) -> float:
    """Return the moment from which on is meant: a length before now, or a time, else UTC.

    Raises:
        InputError: It is neither.
    """
    from services.commands.alerts import seconds
    from services.commands.drift import at as moment_of
    from services.errors import InputError

    if _LENGTH.fullmatch(text.strip()):
        return time.time() - seconds(text)
    try:
        return moment_of(text.strip()) or 0.0
    except InputError as error:
        raise InputError(
            error.message, "A length (2h, 7d) or a time (2026-05-01T08:30)."
        ) from error

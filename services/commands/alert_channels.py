"""``mlops alerts channels`` and ``test``: who is told of alerts."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from services.commands.output import json_option, print_json, print_table, say, sentences

if TYPE_CHECKING:
    from services.alerting.models import Channel


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
@sentences
def channels(ctx: click.Context, *, as_json: bool) -> None:
    """Channels: list them, add, set, remove."""
    if ctx.invoked_subcommand is not None:
        return
    from services.alerting import channels as known
    from services.commands.acting import context

    found = known.channels(context().journal)
    if as_json:
        print_json([shape(one) for one in found])
        return
    rows = [
        [
            one.name,
            one.service,
            f"{one.severity} and worse"
            + ("" if one.kinds is None else f": {', '.join(one.kinds)}"),
            "all" if one.projects is None else ", ".join(one.projects),
            _quiet(one) or "–",
            "what nobody acknowledged" if one.escalation else "all that is new",
            one.trouble or "well",
        ]
        for one in found
    ]
    columns = ["name", "service", "told", "projects", "quiet", "of", "state"]
    empty = "Nobody is told of alerts: `mlops alerts channels add NAME` adds a channel."
    print_table(columns, rows, empty)


@channels.command()
@click.argument("name")
@click.option(
    "--severity", type=click.Choice(["info", "warning", "critical"]), default="warning",
    show_default=True, help="The least it is told.",
)  # fmt: skip
@click.option("--project", "projects", multiple=True, help="Only of this one; may be repeated.")
@click.option(
    "--kind", "kinds", multiple=True, help="Only of this kind (drift, disk, …); may be repeated."
)
@click.option("--quiet", default="", metavar="HH:MM-HH:MM", help="Then only what is critical.")
@click.option(
    "--days", default="", metavar="mon-fri", help="On which --quiet begins; else on each."
)
@click.option("--zone", default="UTC", show_default=True, help="Time zone of --quiet.")
@click.option("--private", is_flag=True, help="Its address may be one of a private network.")
@click.option("--escalation", is_flag=True, help="Told only what nobody acknowledged in time.")
@sentences
def add(
    *,
    name: str,
    severity: str,
    projects: tuple[str, ...],
    kinds: tuple[str, ...],
    quiet: str,
    days: str,
    zone: str,
    private: bool,
    escalation: bool,
) -> None:
    """Have alerts sent somewhere. The address is asked for, or read from a pipe.

    It is one as Apprise writes it (slack://…, mailtos://USER:PASSWORD@HOST, tgram://…), or the
    https:// address of a webhook. It is kept among the secrets and never shown again. What a
    webhook is sent is signed with a secret, which is printed this once.
    """
    from services.actions.alert_channels import AddChannel
    from services.alerting import channels as known
    from services.alerting.delivery import WEBHOOK, service_of
    from services.commands.acting import act, actor
    from services.errors import MlopsError
    from services.home import Home

    actor()  # nobody else puts a file among the secrets
    known.check_name(name)
    address = click.prompt("Address", hide_input=True) if sys.stdin.isatty() else sys.stdin.read()
    service = service_of(address.strip())
    home = Home.locate()
    secret = known.new_secret() if service == WEBHOOK else ""
    reference = known.keep_address(home, address, secret)
    try:
        act(
            AddChannel(
                name, service, reference, severity, projects or None, quiet, zone,  # type: ignore[arg-type]  # click let one of them pass
                private, escalation, kinds or None, days,
            )
        )  # fmt: skip
    except MlopsError:
        known.forget_address(home, reference)
        raise
    if secret:
        say("What it is sent is signed with this secret, which is shown this once:", err=True)
        click.echo(secret)
    say(f"`mlops alerts test {name}` tries it.", err=True)


@channels.command("set")
@click.argument("name")
@click.option("--severity", type=click.Choice(["info", "warning", "critical"]))
@click.option(
    "--project", "projects", multiple=True, help="Only of this one; may be repeated; `all`."
)
@click.option("--kind", "kinds", multiple=True, help="Only of this kind; may be repeated; `all`.")
@click.option("--quiet", metavar="HH:MM-HH:MM", help="Then only what is critical; `none`.")
@click.option("--days", metavar="mon-fri", help="On which the quiet hours begin; `all`.")
@click.option("--zone", help="Time zone of the quiet hours.")
@click.option("--private/--no-private", default=None, help="May it be of a private network?")
@click.option(
    "--escalation/--no-escalation", default=None, help="Only what nobody acknowledged in time?"
)
@sentences
def change(
    *,
    name: str,
    severity: str | None,
    projects: tuple[str, ...],
    kinds: tuple[str, ...],
    quiet: str | None,
    days: str | None,
    zone: str | None,
    private: bool | None,
    escalation: bool | None,
) -> None:
    """Change what a channel is told; what is not named stays, and so does its address."""
    from services.actions.alert_channels import SetChannel
    from services.alerting import channels as known
    from services.commands.acting import act, context

    one = known.channel(context().journal, name)
    span, begin, where = _quiet_parts(one)
    if quiet is None:
        quiet = span
    elif quiet == "none":
        quiet = ""
    if days is None:
        days = begin if quiet else ""
    elif days == "all":
        days = ""
    act(
        SetChannel(
            name,
            one.severity if severity is None else severity,  # type: ignore[arg-type]  # click let one of them pass
            _named(projects, one.projects),
            quiet,
            where if zone is None else zone,
            one.private if private is None else private,
            one.escalation if escalation is None else escalation,
            _named(kinds, one.kinds),
            days,
        )
    )


def _named(said: tuple[str, ...], before: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return what is meant: None for all."""
    if said == ("all",):
        return None
    return said or before


@channels.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@sentences
def remove(*, name: str, yes: bool) -> None:
    """Send nothing to a channel any more, and forget its address."""
    from services.actions.alert_channels import RemoveChannel
    from services.commands.acting import act

    act(RemoveChannel(name), yes=yes)


@click.command("test")
@click.argument("name")
@sentences
def try_channel(*, name: str) -> None:
    """Send a message to a channel, to see that it arrives."""
    from services.actions.alert_channels import TryChannel
    from services.commands.acting import perform

    record = perform(TryChannel(name))
    said = record.steps[-1].detail if record.steps else ""
    say(f"{record.title}: {said or record.state}.")


def shape(one: "Channel") -> dict[str, object]:
    """Return a channel in the documented JSON shape; nothing of it is secret."""
    return {
        "name": one.name,
        "service": one.service,
        "severity": one.severity,
        "projects": one.projects,
        "kinds": one.kinds,
        "quiet": _quiet(one) or None,
        "private": one.private,
        "escalation": one.escalation,
        "created_at": datetime.fromtimestamp(one.created_at, UTC),
        "created_by": one.created_by,
        "failures": one.failures,
        "trouble": one.trouble,
    }


def _quiet_parts(one: "Channel") -> tuple[str, str, str]:
    """Return its quiet hours as options have them: hours, days, zone."""
    from services.alerting import hours

    if one.quiet is None:
        return "", "", "UTC"
    return hours.span(one.quiet), hours.written_days(one.quiet), one.quiet.zone


def _quiet(one: "Channel") -> str:
    from services.alerting import hours

    return hours.written(one.quiet) if one.quiet else ""

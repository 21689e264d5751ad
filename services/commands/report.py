"""``mlops report``: what a project, or the toolkit, did in a stretch of time, as one file."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.commands.output import (
    json_option,
    moment,
    print_json,
    print_table,
    say,
    sentences,
)
from services.errors import InputError, PlatformError
from services.home import Home

if TYPE_CHECKING:
    from services.reports.kept import Kept
    from services.reports.models import Report, Window
    from services.reports.schedules import Schedule

_EVERY = click.Choice(["day", "week", "month"])


@click.group(invoke_without_command=True)
@click.option("--project", help="One project's id; without it the whole toolkit.")
@click.option("--out", type=click.Path(path_type=Path), help="The HTML file.")
@click.option("--period", default="7d", show_default=True, help="24h, 7d, 4w …, before the end.")
@click.option("--since", default="", help="2026-09-01 or 2026-09-01T06:00, instead of a period.")
@click.option("--until", default="", help="The same; that moment is not in it. Default: now.")
@click.option("--zone", default="UTC", show_default=True, help="In which these are meant.")
@click.pass_context
@sentences
def report(
    ctx: click.Context,
    *,
    project: str | None,
    out: Path | None,
    period: str,
    since: str,
    until: str,
    zone: str,
) -> None:
    """Write one HTML file: figures, charts, and a comparison with the period before.

    Without --out, what is kept: list; made by the calendar: schedule, unschedule, schedules.
    """
    if ctx.invoked_subcommand is not None:
        return
    if out is None:
        raise InputError(
            "Nothing says where the report goes.",
            "`mlops report --out FILE` makes one now; `mlops report list` lists those kept.",
        )
    from services.reports.period import between

    _write(out, project, between(period, since, until, zone, datetime.now(UTC)))


def _write(out: Path, project: str | None, window: "Window") -> None:
    from services.reports.html import page

    made = _collected(project, window)
    text = page(made).encode()
    part = out.with_name(f".{out.name}.new")
    try:
        part.write_bytes(text)
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise PlatformError(
            f"{out} cannot be written: {error.strerror or error}.", "See that its folder is there."
        ) from error
    say(f"{out}: {len(made.sections)} sections, {len(text) / 1e6:.2f} MB.")
    for one in made.sections:
        if one.missing:
            say(f"{one.title} could not be read: {one.missing}", err=True)


def _collected(project: str | None, window: "Window") -> "Report":
    from services.reports.collecting import collect
    from services.reports.making import asked

    return collect(asked(Home.locate(), window), project)


@report.command("list")
@click.option("--project", help="One project's.")
@json_option
@sentences
def list_reports(*, project: str | None, as_json: bool) -> None:
    """List the reports that are kept, newest first."""
    from services.reports import kept

    home = Home.locate()
    found = kept.kept(home, None if project is None else (project,))
    if as_json:
        print_json([_shape(home, one) for one in found])
        return
    rows = [
        [
            one.name, one.project or "the toolkit", moment(_at(one.since)), moment(_at(one.until)),
            f"{one.bytes / 1e6:.2f} MB", one.schedule or one.by,
            str(kept.base(home) / f"{one.name}.html"),
        ]
        for one in found
    ]  # fmt: skip
    columns = ["name", "of", "from", "to", "size", "made by", "file"]
    print_table(columns, rows, "No report is kept.")


@report.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@sentences
def check(*, file: Path, as_json: bool) -> None:
    """Say whether a report's file is as it was made, and whether this platform made it."""
    from services.commands.acting import context
    from services.reports.checking import check as checked

    found = checked(Home.locate(), context().journal, file)
    if as_json:
        print_json({"whole": found.whole, "sha256": found.sha256, "known": found.known or None})
    else:
        say(found.said)
    if not found.whole:
        raise SystemExit(1)


@report.command()
@click.option("--project", help="One project's id; without it the whole toolkit.")
@click.option("--every", type=_EVERY, required=True, help="A Monday, or the first of a month.")
@click.option("--hour", type=click.IntRange(0, 23), default=7, show_default=True)
@click.option("--zone", default="UTC", show_default=True, help="For example Europe/Berlin.")
@click.option("--channel", "channels", multiple=True, help="Is told with a link; several times.")
@sentences
def schedule(
    *, project: str | None, every: str, hour: int, zone: str, channels: tuple[str, ...]
) -> None:
    """Have a report made each day, week or month, and kept; told to channels of alerts."""
    from services.actions.report_schedule import SetReportSchedule
    from services.commands.acting import act, context

    action = SetReportSchedule(project, every, hour, zone, channels)  # type: ignore[arg-type]  # click chose it
    told = action.consequences(context())
    act(action)
    for sentence in told:
        say(sentence)


@report.command()
@click.option("--project", help="One project's id; without it the whole toolkit.")
@click.option("--every", type=_EVERY, required=True)
@sentences
def unschedule(*, project: str | None, every: str) -> None:
    """Make a report by the calendar no more; those that were made stay."""
    from services.actions.report_schedule import RemoveReportSchedule
    from services.commands.acting import act

    act(RemoveReportSchedule(project, every))  # type: ignore[arg-type]  # click chose it


@report.command("schedules")
@json_option
@sentences
def list_schedules(*, as_json: bool) -> None:
    """List the reports that are made by the calendar, with how the last try went."""
    from services.commands.acting import context
    from services.reports import schedules

    found, now = schedules.schedules(context().journal), time.time()
    if as_json:
        print_json([_schedule_shape(one, now) for one in found])
        return
    rows = [
        [
            one.project or "the toolkit", one.every, f"{one.hour:02}:00 {one.zone}",
            ", ".join(one.channels) or "nobody", moment(_at(one.next(now))), one.report or "none",
            one.trouble or "well",
        ]
        for one in found
    ]  # fmt: skip
    columns = ["of", "every", "at", "told", "next", "last report", "last try"]
    print_table(columns, rows, "No report is made by the calendar.")


def _shape(home: Home, one: "Kept") -> dict[str, object]:
    from services.reports import kept

    return {
        "name": one.name, "project": one.project, "since": _at(one.since), "until": _at(one.until),
        "made_at": _at(one.made_at), "by": one.by, "schedule": one.schedule or None,
        "bytes": one.bytes, "missing": list(one.missing), "link": one.link,
        "file": str(kept.base(home) / f"{one.name}.html"),
    }  # fmt: skip


def _schedule_shape(one: "Schedule", now: float) -> dict[str, object]:
    return {
        "name": one.name, "project": one.project, "every": one.every, "hour": one.hour,
        "zone": one.zone, "channels": list(one.channels), "next": _at(one.next(now)),
        "report": one.report or None, "trouble": one.trouble or None,
    }  # fmt: skip


def _at(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)

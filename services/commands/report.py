"""``mlops report``: what a project, or the toolkit, did in a stretch of time, as one file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.commands.output import say, sentences
from services.errors import PlatformError

if TYPE_CHECKING:
    from services.reports.models import Report


@click.command()
@click.option("--project", help="One project's id; without it the whole toolkit.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The HTML file.")
@click.option("--period", default="7d", show_default=True, help="24h, 7d, 4w …, up to now.")
@sentences
def report(*, project: str | None, out: Path, period: str) -> None:
    """Write one HTML file: figures, charts, and a comparison with the period before."""
    from services.reports.html import page

    made = _collected(project, period)
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


def _collected(project: str | None, period: str) -> "Report":
    from services.commands.acting import context
    from services.home import Home
    from services.reports.collecting import collect
    from services.reports.models import Asked
    from services.reports.period import window_of
    from services.telemetry.store import Store

    here, home = context(), Home.locate()
    window = window_of(period, datetime.now(UTC))
    projects = tuple(one.id for one in here.mirror.projects())
    asked = Asked(
        home, here.mirror, here.journal, here.data, Store(home.telemetry), window, projects
    )
    return collect(asked, project)

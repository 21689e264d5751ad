"""Where a followed run is drawn: a bar below its log on a terminal, plain lines in a pipe."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


class Screen(Protocol):
    """What following a run draws on."""

    def line(self, text: str, /) -> None:
        """Draw a line of a log."""

    def tasks(self, ended: int, total: int, running: str, /) -> None:
        """Draw how far the run is."""

    def waits(self, why: str, /) -> None:
        """Say why nothing runs; empty: something does."""


class Silent:
    """Draws nothing."""

    def line(self, text: str, /) -> None:
        """Draw nothing."""

    def tasks(self, ended: int, total: int, running: str, /) -> None:
        """Draw nothing."""

    def waits(self, why: str, /) -> None:
        """Draw nothing."""


class Plain:
    """Lines alone: the log, and what changed of the run."""

    def __init__(self) -> None:
        self._told = ""
        self._why = ""

    def line(self, text: str, /) -> None:
        """Print a line of a log."""
        click.echo(clean(text))

    def tasks(self, ended: int, total: int, running: str, /) -> None:
        """Print how far the run is, when that changed."""
        said = f"{ended} of {total} tasks ended" + (f"; running: {running}" if running else "")
        if total and said != self._told:
            self._told = said
            click.echo(clean(said), err=True)

    def waits(self, why: str, /) -> None:
        """Print why it waits, when that changed."""
        if why and why != self._why:
            click.echo(clean(f"It waits: {why}"), err=True)
        self._why = why


class Drawn:
    """A bar of tasks that stays below the log."""

    def __init__(self, progress: "Progress", bar: "TaskID") -> None:
        self._progress = progress
        self._bar = bar
        self._why = ""

    def line(self, text: str, /) -> None:
        """Print a line of a log above the bar."""
        self._progress.console.print(clean(text), markup=False, highlight=False)

    def tasks(self, ended: int, total: int, running: str, /) -> None:
        """Draw how far the run is."""
        what = running or ("waiting" if ended < total or not total else "ending")
        self._progress.update(
            self._bar, completed=ended, total=total or None, description=_escaped(what)
        )

    def waits(self, why: str, /) -> None:
        """Print why it waits, when that changed."""
        if why and why != self._why:
            said = clean(f"It waits: {why}")
            self._progress.console.print(said, style="yellow", markup=False, highlight=False)
        self._why = why


@contextmanager
def shown(*, silent: bool = False) -> Iterator[Screen]:
    """Give where to draw."""
    if silent:
        yield Silent()
        return
    if not sys.stdout.isatty():
        yield Plain()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("tasks"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, transient=True) as progress:
        yield Drawn(progress, progress.add_task("queued", total=None))


def clean(text: str) -> str:
    """Return a line of what others said without what steers a terminal."""
    return _CONTROL.sub(" ", text)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(clean(text))

"""A report: sections of figures, charts and tables, each with where it is from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from services.actions.journal import Journal
    from services.data.service import DataService
    from services.home import Home
    from services.mirror.models import ProjectSummary
    from services.mirror.queries import Mirror
    from services.telemetry.models import Telemetry

Unit = Literal["", "ratio", "s", "ms", "J", "W", "bytes", "level"]
Better = Literal["more", "less", ""]
"""Which change is good news; empty: neither."""


@dataclass(frozen=True, slots=True)
class Window:
    """``[since, until)``."""

    since: datetime
    until: datetime

    @property
    def before(self) -> "Window":
        """Return the stretch of the same length that ends where this begins."""
        return Window(self.since - (self.until - self.since), self.since)

    @property
    def ms(self) -> tuple[int, int]:
        """Return both ends in milliseconds since 1970."""
        return round(self.since.timestamp() * 1000), round(self.until.timestamp() * 1000)

    @property
    def days(self) -> tuple[date, ...]:
        """Return the UTC days that it touches."""
        first = self.since.astimezone(UTC).date()
        last = (self.until - timedelta(microseconds=1)).astimezone(UTC).date()
        return tuple(first + timedelta(days=n) for n in range((last - first).days + 1))

    def holds(self, at: datetime) -> bool:
        """Return whether a moment is in it."""
        return self.since <= at < self.until


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, with the one of the stretch before."""

    label: str
    value: float | None
    """None: not known, and ``reason`` says why."""
    before: float | None
    source: str
    """Where it is from."""
    unit: Unit = ""
    better: Better = ""
    reason: str = ""
    standing: bool = False
    """Whether it is how things are now, of which there is none before."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure a day."""

    title: str
    days: tuple[date, ...]
    values: tuple[float | None, ...]
    source: str
    unit: Unit = ""
    line: bool = False
    """Drawn between the least and the greatest, with gaps where a day is not known; else as bars
    from zero."""


Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Rest:
    """The rows of a table that are not shown; they are in its CSV."""

    rows: Rows = ()
    more: int = 0
    """How many more there are than are in the file."""

    @property
    def count(self) -> int:
        """Return how many are not shown."""
        return len(self.rows) + self.more


NOTHING = Rest()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of words."""

    title: str
    columns: tuple[str, ...]
    rows: Rows
    source: str
    empty: str
    """What is said when there is no row."""
    rest: Rest = NOTHING


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a report."""

    key: str
    title: str
    figures: tuple[Figure, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences to read the figures by."""
    missing: str = ""
    """Why it could not be read; empty: it could."""
    small: tuple[Chart, ...] = ()
    """Charts that stand beside each other, one a deployment or machine."""


@dataclass(frozen=True, slots=True)
class Report:
    """The whole document."""

    title: str
    project: str | None
    window: Window
    made_at: datetime
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Asked:
    """What a section asks, and of whom."""

    home: "Home"
    mirror: "Mirror"
    journal: "Journal"
    data: "DataService"
    telemetry: "Telemetry"
    window: Window
    projects: tuple[str, ...] = field(default_factory=tuple)
    """Those the report is of: the asker sees all of them."""
    whole: bool = True
    """Whether it is of the toolkit, not of one project."""
    known: tuple["ProjectSummary", ...] | None = None
    """What was read of projects already; None: nothing."""

    @cached_property
    def summaries(self) -> tuple["ProjectSummary", ...]:
        """Return the projects with their counts, champions and best results, read once.

        Raises:
            PlatformError: The mirror cannot be read.
        """
        if self.known is not None:
            return tuple(one for one in self.known if one.id in self.projects)
        return self.mirror.projects(self.projects)


_IN_FILE = 5_000
"""Rows of a table that are in the file at most."""


def first(rows: Sequence[tuple[str, ...]], most: int = 25) -> tuple[Rows, Rest]:
    """Return as many rows as a report shows, and the rest."""
    more = max(0, len(rows) - _IN_FILE)
    return tuple(rows[:most]), Rest(tuple(rows[most:_IN_FILE]), more)


def share(part: float | None, whole: float | None) -> float | None:
    """Return a share; None of nothing: 0 of 0 is not known."""
    return None if part is None or not whole else part / whole


def at_of(ms: int) -> str:
    """Return a moment as tables show it."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")

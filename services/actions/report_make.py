"""Make a report now: a process of its own makes it, and nobody waits in a thread."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from services.actions.action import Context, Deed, NotYetError, Step
from services.actions.roles import Actor, Role
from services.home import Home
from services.reports import kept, making
from services.reports.making import Wish
from services.reports.models import Window
from services.reports.period import between

_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class MakeReport:
    """Make one file of what a project, or the whole toolkit, did in a stretch of time."""

    kind: ClassVar[str] = "report-make"
    role: ClassVar[Role] = "viewer"

    of: str | None
    """The project; None: the whole toolkit, which takes somebody who sees all projects."""
    period: str = "7d"
    """As ``period.window_of`` reads it; not looked at where ``since`` says something."""
    since: str = ""
    """A day or a moment, as ``period.between`` reads it; empty: ``period`` before the end."""
    until: str = ""
    """The same; empty: now."""
    zone: str = "UTC"
    """In which days are meant."""

    @property
    def project(self) -> str | None:
        """The project."""
        return self.of

    @property
    def title(self) -> str:
        """What it does."""
        until = f" to {self.until[:25]}" if self.until else ""
        stretch = f"{self.since[:25] or self.period[:8]}{until}"
        return f"Report of {'the toolkit' if self.of is None else self.of[:64]}, {stretch}"

    @property
    def subject(self) -> str:
        """What it is of: one is made after another."""
        return f"report:{self.of or '*'}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown project, and what is no period."""
        del actor
        self._window(datetime.now(UTC))
        if self.of is not None:
            context.mirror.project(self.of)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        del context
        now = datetime.now(UTC)
        window = self._window(now)
        end = "now" if window.until == now else f"{window.until:%Y-%m-%d %H:%M} UTC"
        return (
            f"One HTML file is made of {window.since:%Y-%m-%d %H:%M} UTC until {end}, compared "
            "with the time before. It opens without a network, and prints.",
            f"It is kept for {kept.ASKED_DAYS:g} days, for those who see "
            f"{'all projects' if self.of is None else 'the project'}.",
        )

    def _window(self, now: datetime) -> Window:
        return between(self.period, self.since, self.until, self.zone, now)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        del context
        home = Home.locate()
        now = float(deed.memory.setdefault("until", time.time()))
        window = self._window(datetime.fromtimestamp(now, UTC))
        since, until = window.since.timestamp(), window.until.timestamp()
        name = str(deed.memory.setdefault("report", kept.new_name(until)))
        wish = Wish(name, self.of, since, until, deed.actor.name)

        def do() -> str:
            made = kept.find(home, name)
            if made is None:
                making.begin(home, wish)
                raise NotYetError("It is being made.", _PAUSE_S)
            making.tidy(home, name)
            lost = f"; could not be read: {', '.join(made.missing)}" if made.missing else ""
            return f"{made.bytes / 1e6:.2f} MB, {made.link}{lost}; SHA-256 {made.sha256}"

        return (Step("Read all engines and write the file", do, lambda: making.tidy(home, name)),)

    def outcome(self, context: Context, deed: Deed, said: Sequence[str]) -> str:
        """Say how it ended."""
        del context, deed
        return said[0]

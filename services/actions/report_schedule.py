"""Have reports made by the calendar, and end that."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.alerting import channels
from services.errors import InputError, NotFoundError
from services.reports import schedules
from services.reports.schedules import Every, Schedule

_MOST_CHANNELS = 20
_WORD = {"day": "daily", "week": "weekly", "month": "monthly"}


@dataclass(frozen=True, slots=True)
class SetReportSchedule:
    """Have a report made each day, week or month; the one of the same period is replaced."""

    kind: ClassVar[str] = "report-schedule-set"
    role: ClassVar[Role] = "operator"

    of: str | None
    """The project; None: the whole toolkit."""
    every: Every
    hour: int = 7
    """Of the day in ``zone``: 0 to 23."""
    zone: str = "UTC"
    channels: tuple[str, ...] = ()
    """Which channels of alerts are told that it is there."""

    @property
    def project(self) -> str | None:
        """The project."""
        return self.of

    @property
    def title(self) -> str:
        """What it does."""
        of = "the toolkit" if self.of is None else self.of[:64]
        return f"Make the {_WORD.get(self.every, self.every[:10])} report of {of}"

    @property
    def subject(self) -> str:
        """The schedule."""
        return f"report-schedule:{schedules.name_of(self.of, self.every)[:100]}"

    @property
    def _schedule(self) -> Schedule:
        return Schedule(self.of, self.every, self.hour, self.zone, tuple(self.channels))

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse what is no schedule, and channels that are not told of the project."""
        del actor
        schedules.check(self._schedule)
        if self.of is not None:
            context.mirror.project(self.of)
        if len(self.channels) > _MOST_CHANNELS:
            raise InputError(f"At most {_MOST_CHANNELS} channels are told of one report.")
        for name in self.channels:
            scope = channels.channel(context.journal, name).projects
            if scope is not None and self.of not in scope:
                raise InputError(
                    f"The channel {name} is told of {', '.join(scope)} alone.",
                    "Choose another one, or add it again for this project.",
                )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        del context
        one, now = self._schedule, time.time()
        schedules.check(one)
        at = datetime.fromtimestamp(one.next(now), UTC).astimezone(ZoneInfo(one.zone))
        told = (
            f"{', '.join(self.channels)} is told with a link" if self.channels else "Nobody is told"
        )
        return (
            f"The first is made within an hour of {at:%A %Y-%m-%d %H:%M} {one.zone}, over the "
            f"{one.every} before.",
            f"{told}; it is kept as long as MLOPS_REPORTS_DAYS says.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        at = float(deed.memory.setdefault("at", time.time()))

        def do() -> str:
            schedules.put(context.journal, self._schedule, at)
            return "it is kept"

        return (Step("Keep the schedule", do),)


@dataclass(frozen=True, slots=True)
class RemoveReportSchedule:
    """Make a report by the calendar no more; those that were made stay."""

    kind: ClassVar[str] = "report-schedule-remove"
    role: ClassVar[Role] = "operator"

    of: str | None
    every: Every

    @property
    def project(self) -> str | None:
        """The project."""
        return self.of

    @property
    def title(self) -> str:
        """What it does."""
        of = "the toolkit" if self.of is None else self.of[:64]
        return f"Make no {_WORD.get(self.every, self.every[:10])} report of {of} any more"

    @property
    def subject(self) -> str:
        """The schedule."""
        return f"report-schedule:{schedules.name_of(self.of, self.every)[:100]}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse what is not there."""
        del actor
        name = schedules.name_of(self.of, self.every)
        if name not in {one.name for one in schedules.schedules(context.journal)}:
            raise NotFoundError(
                f"There is no schedule {name[:80]!r}.", "`mlops report schedules` lists them."
            )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        del context
        return ("No more are made. Those that were made stay as long as reports are kept.",)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        del deed

        def do() -> str:
            gone = schedules.remove(context.journal, schedules.name_of(self.of, self.every))
            return "it is gone" if gone else "it was gone already"

        return (Step("Take the schedule away", do),)

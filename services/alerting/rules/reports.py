"""Reports by the calendar that cannot be made: who waits for one hears of it before missing it."""

from collections.abc import Iterable
from typing import Protocol

from services.alerting.models import Event, key_of

KIND = "report"
FEWEST = 2
"""Tries in a row that failed: one is tried again after ten minutes by itself."""


class ScheduleSeen(Protocol):
    """One report that is made again and again."""

    @property
    def name(self) -> str:
        """Return what names it: ``PROJECT/week``, ``*/day`` of the whole toolkit."""

    @property
    def project(self) -> str | None:
        """Return the project; None: the whole toolkit."""

    @property
    def failed(self) -> int:
        """Return how many tries in a row failed; 0: the last one did not."""

    @property
    def trouble(self) -> str:
        """Return why the last try failed."""


def events(
    schedules: Iterable[ScheduleSeen], now: float, open_keys: frozenset[str]
) -> tuple[Event, ...]:
    """Return what is to be said of reports by the calendar.

    Args:
        schedules: All there are.
        now: Seconds since 1970.
        open_keys: Keys of the alerts of this kind that are open.
    """
    found = {key_of(KIND, one.name): _event(one, now) for one in schedules}
    gone = sorted(open_keys - set(found))
    ended = [Event(key, now, "ok", said="It is made by the calendar no more.") for key in gone]
    told = (one for one in found.values() if one.state == "firing" or one.key in open_keys)
    return (*told, *ended)


def _event(one: ScheduleSeen, now: float) -> Event:
    key = key_of(KIND, one.name)
    if not one.failed:
        return Event(key, now, "ok", said="The last try did not fail.")
    if one.failed < FEWEST:
        return Event(key, now, "unknown", said="It failed once, and is tried again.")
    of = one.project or "the whole toolkit"
    return Event(
        key, now, "firing", "warning", one.project,
        title=f"The report of {of} could not be made",
        said=f"{one.failed} tries in a row failed; it is tried again every ten minutes, and its "
        "channels are told when it is there.",
        cause=one.trouble,
        suggestion="Mend what the cause names; `mlops report schedules` shows how the last try "
        "went.",
        link="/",
    )  # fmt: skip

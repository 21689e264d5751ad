"""Quiet hours: when a channel is told only what is critical."""

import re
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.alerting.models import EVERY_DAY, Quiet
from services.errors import InputError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([0-2][0-9]):([0-5][0-9])-([0-2][0-9]):([0-5][0-9])")
_DAY = 1440
"""Minutes."""


def parse(text: str, zone: str = "UTC", days: str = "") -> Quiet:
    """Return quiet hours as people write them.

    Args:
        text: ``22:00-07:00``; ``00:00-24:00`` are all of a day.
        zone: IANA name of the time zone.
        days: On which they begin: ``mon-fri``, ``sat,sun``; empty: on each.

    Raises:
        InputError: The hours, the days or the time zone are none.
    """
    found = _SPAN.fullmatch(text.strip())
    begin, end = (int(found[i]) * 60 + int(found[i + 1]) if found else 0 for i in (1, 3))
    if begin == end or begin >= _DAY or end > _DAY:
        raise InputError(
            f"{text[:40]!r} are no quiet hours.", "Write HH:MM-HH:MM, for example 22:00-07:00."
        )
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f"{zone[:40]!r} is no time zone.", "Name one of the IANA list, e.g. Europe/Berlin."
        ) from error
    quiet = Quiet(begin, end, zone, _days(days) if days else EVERY_DAY)
    if end - begin == _DAY and quiet.days == EVERY_DAY:
        raise InputError(
            "Quiet hours of all hours of all days have no end.",
            "Have the channel told from critical on instead.",
        )
    return quiet


def _days(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.lower().split(","):
        first, to, last = part.strip().partition("-")
        if first not in DAYS or (to and last not in DAYS):
            raise InputError(
                f"{text[:40]!r} are no days of the week.", "Write mon-fri, sat,sun or mon,wed-fri."
            )
        begin = DAYS.index(first)
        more = (DAYS.index(last) - begin) % 7 if to else 0
        found |= {(begin + step) % 7 for step in range(more + 1)}
    return tuple(sorted(found))


def written(quiet: Quiet) -> str:
    """Return quiet hours as people write them."""
    return f"{span(quiet)} {quiet.zone} {written_days(quiet)}".rstrip()


def span(quiet: Quiet) -> str:
    """Return their begin and end as people write them."""
    begin, end = (f"{m // 60:02}:{m % 60:02}" for m in (quiet.begin, quiet.end))
    return f"{begin}-{end}"


def written_days(quiet: Quiet) -> str:
    """Return the days of quiet hours as people write them, of all days nothing."""
    if quiet.days == EVERY_DAY:
        return ""
    runs = [[day] for day in quiet.days[:1]]
    for before, day in pairwise(quiet.days):
        if day == before + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join("-".join(dict.fromkeys((DAYS[run[0]], DAYS[run[-1]]))) for run in runs)


def within(quiet: Quiet | None, now: float) -> bool:
    """Return whether a moment lies in them."""
    if quiet is None:
        return False
    local = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(quiet.zone))
    minute, day = local.hour * 60 + local.minute, local.weekday()
    if quiet.begin < quiet.end:
        return quiet.begin <= minute < quiet.end and day in quiet.days
    if minute >= quiet.begin:
        return day in quiet.days
    return minute < quiet.end and (day - 1) % 7 in quiet.days  # they began the day before


def over(quiet: Quiet | None, now: float) -> float:
    """Return when they end, of a moment outside them the moment itself; to the minute."""
    at = now
    while within(quiet, at):
        at = at - at % 60.0 + 60.0
    return at

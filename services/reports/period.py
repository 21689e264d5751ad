"""A stretch of time as people write it."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.errors import InputError
from services.reports.models import Window

_PERIOD = re.compile(r"(\d{1,4})\s*(h|d|w)")
_HOURS = {"h": 1, "d": 24, "w": 168}
_LONGEST = timedelta(days=366)
_FIRST_YEAR = 1980
"""Of what was before, no computer of this platform can tell."""
_SHORTEST = timedelta(minutes=1)


def window_of(period: str, until: datetime) -> Window:
    """Return the stretch that a person wrote as ``7d``, ``24h`` or ``4w``, up to a moment.

    Raises:
        InputError: It is none, or longer than a year.
    """
    found = _PERIOD.fullmatch(period.strip().lower())
    length = timedelta(hours=int(found[1]) * _HOURS[found[2]]) if found else timedelta()
    if not timedelta() < length <= _LONGEST:
        raise InputError(f"{period[:40]!r} is no period.", "Write 24h, 7d or 4w; at most 366 days.")
    return Window(until - length, until)


def between(period: str, since: str, until: str, zone: str, now: datetime) -> Window:
    """Return the stretch that a person asked for; it never reaches beyond now.

    Args:
        period: ``7d``, ``24h`` or ``4w``: how long before ``until``; not looked at with ``since``.
        since: A day or a moment, as ``2026-09-01`` or ``2026-09-01T06:00``; empty: not said.
        until: The same, and not in it: until ``2026-10-01`` is all of September. Empty: now.
        zone: IANA name of the time zone in which they are meant, where they name none.
        now: This moment.

    Raises:
        InputError: One of them is none, the end is not after the begin, or it is longer than a
            year.
    """
    end = min(_moment(until, zone), now) if until else now
    if not since:
        return window_of(period, end)
    begin = _moment(since, zone)
    if end - begin < _SHORTEST:
        raise InputError(
            f"From {since[:40]} to {until[:40] or 'now'} is no stretch of time that has passed.",
            "The end must be after the begin, and the begin before now.",
        )
    if end - begin > _LONGEST:
        raise InputError(f"From {since[:40]} to {until[:40] or 'now'} is longer than 366 days.")
    return Window(begin, end)


def _moment(text: str, zone: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip())
        told = at if at.tzinfo is not None else at.replace(tzinfo=zone_of(zone))
        if told.year < _FIRST_YEAR:
            raise InputError(f"Nothing is known of {text[:40]}.", "Name a later day.")
        return told.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{text[:40]!r} is no day and no moment.", "Write 2026-09-01 or 2026-09-01T06:00."
        ) from error


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name.

    Raises:
        InputError: There is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f"{name[:40]!r} is no time zone.", "Name one of the IANA list, e.g. Europe/Berlin."
        ) from error


def days(since: date, until: date) -> tuple[str, str]:
    """Return the begin of the first day and the end of the last, as ``between`` reads them."""
    return since.isoformat(), (until + timedelta(days=1)).isoformat()

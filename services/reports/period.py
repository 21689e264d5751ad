"""A stretch of time as people write it."""

import re
from datetime import datetime, timedelta

from services.errors import InputError
from services.reports.models import Window

_PERIOD = re.compile(r"(\d{1,4})\s*(h|d|w)")
_HOURS = {"h": 1, "d": 24, "w": 168}
_LONGEST = timedelta(days=366)


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

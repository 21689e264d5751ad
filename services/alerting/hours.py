"""Quiet hours: when a channel is told only what is critical."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.alerting.models import Quiet
from services.errors import InputError

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def parse(text: str, zone: str = "UTC") -> Quiet:
    """Return quiet hours as people write them: ``22:00-07:00``.

    Raises:
        InputError: The hours or the time zone are none.
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None or found[1] + found[2] == found[3] + found[4]:
        raise InputError(
            f"{text[:40]!r} are no quiet hours.", "Write HH:MM-HH:MM, for example 22:00-07:00."
        )
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f"{zone[:40]!r} is no time zone.", "Name one of the IANA list, e.g. Europe/Berlin."
        ) from error
    begin, end = (int(found[i]) * 60 + int(found[i + 1]) for i in (1, 3))
    return Quiet(begin, end, zone)


def written(quiet: Quiet) -> str:
    """Return quiet hours as people write them."""
    begin, end = (f"{m // 60:02}:{m % 60:02}" for m in (quiet.begin, quiet.end))
    return f"{begin}-{end} {quiet.zone}"


def within(quiet: Quiet | None, now: float) -> bool:
    """Return whether a moment lies in them."""
    if quiet is None:
        return False
    local = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(quiet.zone))
    minute = local.hour * 60 + local.minute
    if quiet.begin < quiet.end:
        return quiet.begin <= minute < quiet.end
    return minute >= quiet.begin or minute < quiet.end


def over(quiet: Quiet | None, now: float) -> float:
    """Return when they end, of a moment outside them the moment itself; to the minute."""
    at = now
    while within(quiet, at):
        at = at - at % 60.0 + 60.0
    return at

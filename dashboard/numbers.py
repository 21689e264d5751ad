"""How figures are written: always with their unit, never a made-up value for an unknown one."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

UNKNOWN = "not reported"
"""What stands where nothing was measured."""

Goal = Literal["max", "min"]
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def number(value: float | None, digits: int = 4) -> str:
    """Return a figure with ``digits`` significant digits, e.g. ``0.8971`` or ``12,345``."""
    if value is None:
        return UNKNOWN
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == int(value) and abs(value) < 10**9:
        return _signed(f"{int(value):,}")
    size = abs(value)
    if size >= 10 ** (digits + 5) or size < 10**-4:
        return _signed(f"{value:.{digits - 1}e}")
    places = max(0, digits - 1 - math.floor(math.log10(size)))
    return _signed(f"{value:,.{places}f}")


def count(value: int | None) -> str:
    """Return a whole number with thousands separators."""
    return UNKNOWN if value is None else f"{value:,}"


def counted(value: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 run``, ``12,345 runs``."""
    return f"{value:,} {singular if value == 1 else plural or singular + 's'}"


def percent(ratio: float | None, places: int = 0) -> str:
    """Return a ratio of 0–1 as a percentage."""
    return UNKNOWN if ratio is None else f"{ratio * 100:.{places}f} %"


def size(value_bytes: float | None) -> str:
    """Return bytes in the largest fitting decimal unit."""
    if value_bytes is None:
        return UNKNOWN
    divisor, unit = size_unit(value_bytes)
    value = value_bytes / divisor
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.{_places(value)}f} {unit}"


def size_unit(largest_bytes: float) -> tuple[float, str]:
    """Return the divisor of bytes up to the largest, and the unit they then have."""
    power = 0
    while abs(largest_bytes) >= 1000 and power < len(_SIZES) - 1:
        largest_bytes /= 1000
        power += 1
    return 1000.0**power, _SIZES[power]


def duration(seconds: float | None) -> str:
    """Return a duration as people say it: ``42 ms``, ``3.2 s``, ``4 min 5 s``, ``2 d 3 h``."""
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    for unit, (big, small) in ((_HOUR, ("min", "s")), (_DAY, ("h", "min"))):
        step = _MINUTE if unit == _HOUR else _HOUR
        if whole < unit:
            return _pair(whole // step, big, whole % step * _MINUTE // step, small)
    return _pair(whole // _DAY, "d", whole % _DAY // _HOUR, "h")


def age(at: datetime | None, now: datetime | None = None) -> str:
    """Return how long ago something was: ``just now``, ``12 s ago``, ``3 d ago``, ``never``."""
    if at is None:
        return "never"
    passed = ((now or datetime.now(UTC)) - at).total_seconds()
    if passed < 0:
        return "just now" if passed > -_MINUTE else f"in {_coarse(-passed)}"
    return "just now" if passed < 1 else f"{_coarse(passed)} ago"


def moment(at: datetime | None, zone: tzinfo = UTC) -> str:
    """Return a point in time with its zone, to the second."""
    return UNKNOWN if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def zone_of(name: str | None) -> tzinfo:
    """Return the named time zone, UTC when the name is missing or unknown."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


@dataclass(frozen=True, slots=True)
class Delta:
    """A difference and what it means: ``good`` is None when it is neither."""

    text: str
    good: bool | None

    @property
    def colour(self) -> str:
        """The theme colour that says it."""
        return "gray" if self.good is None else "green" if self.good else "red"


def delta(
    value: float | None, before: float | None, goal: Goal | None = None, unit: str = ""
) -> Delta | None:
    """Return the change against an earlier value, None when there is nothing to compare."""
    if value is None or before is None or not (math.isfinite(value) and math.isfinite(before)):
        return None
    change = value - before
    suffix = f" {unit}" if unit else ""
    if change == 0:
        return Delta(f"±0{suffix}", None)
    sign = "+" if change > 0 else ""
    good = None if goal is None else (change > 0) == (goal == "max")
    return Delta(f"{sign}{number(change, 3)}{suffix}", good)


def _signed(text: str) -> str:
    return text.replace("-", "−", 1) if text.startswith("-") else text


def _places(value: float) -> int:
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2


def _pair(first: int, big: str, second: int, small: str) -> str:
    return f"{first} {big} {second} {small}" if second else f"{first} {big}"


def _coarse(seconds: float) -> str:
    for unit, step, limit in (("s", 1, _MINUTE), ("min", _MINUTE, _HOUR), ("h", _HOUR, 2 * _DAY)):
        if seconds < limit:
            return f"{int(seconds // step)} {unit}"
    return f"{int(seconds // _DAY)} d"

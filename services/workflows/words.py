"""Lengths and shares as people read them."""

_HOUR_S = 3600.0


def span(seconds: float) -> str:
    """Return a length of time in the unit that fits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return hours(seconds) if seconds < 48 * _HOUR_S else f"{seconds / (24 * _HOUR_S):.1f} days"


def hours(seconds: float) -> str:
    """Return seconds as hours."""
    return f"{seconds / _HOUR_S:.1f} h"


def jobs(count: int) -> str:
    """Return a number of jobs."""
    return "1 job" if count == 1 else f"{count} jobs"


def capital(phrase: str) -> str:
    """Return a phrase with a capital at its begin, as a sentence has it."""
    return phrase[:1].upper() + phrase[1:]

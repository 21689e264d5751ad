"""What takes a new version back by itself while it is watched. Pure."""

from dataclasses import dataclass

from services.resources.models import gib
from services.serving.drift import Found
from services.serving.figures import VersionFigures
from services.serving.models import Guards


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of a new version since it takes requests."""

    figures: VersionFigures
    """Of the last minute, and totals."""
    total_before: int = 0
    """Requests it had answered when the watch began."""
    errors_before: int = 0
    live_p95_ms: float | None = None
    """Of the live version: of the same stretch, or of before the switch; None: not known."""
    peak_bytes: int | None = None
    """The most that one of its model servers had."""
    reserved_bytes: int = 0
    thermal_level: int | None = None
    """Of the machine; None: it cannot be read."""
    thermal_before: int | None = None
    """When the watch began: heat that was there before is not of this version."""
    drift: Found | None = None
    """How its answers differ from those of the version before; None: nobody looks."""


def speak(guards: Guards, seen: Watched) -> str:
    """Return why a version must go back, as a sentence; empty when it may stay."""
    for guard in (_errors, _latency, _memory, _heat, _drift):
        if said := guard(guards, seen):
            return said
    return ""


def counted(seen: Watched) -> tuple[int, int]:
    """Return requests and errors since the watch began; a gateway that began anew counts anew."""
    total = seen.figures.total - seen.total_before
    errors = seen.figures.total_errors - seen.errors_before
    if total < 0 or errors < 0:
        return seen.figures.total, seen.figures.total_errors
    return total, errors


def _errors(guards: Guards, seen: Watched) -> str:
    most = guards.max_error_share
    total, errors = counted(seen)
    if most is None or total < max(1, guards.min_requests):
        return ""
    share = errors / total
    if share <= most:
        return ""
    return f"{errors} of {total} requests failed ({_percent(share)}); at most {_percent(most)} may."


def _latency(guards: Guards, seen: Watched) -> str:
    most, now, live = guards.max_latency_ratio, seen.figures.p95_ms, seen.live_p95_ms
    if most is None or now is None or not live or seen.figures.requests < guards.min_requests:
        return ""
    if now < guards.min_latency_ms or now <= most * live:
        return ""
    return (
        f"Its p95 is {now:.0f} ms, {now / live:.1f} times the {live:.0f} ms of the version before; "
        f"at most {most:g} times is allowed."
    )


def _memory(guards: Guards, seen: Watched) -> str:
    most, peak = guards.max_memory_ratio, seen.peak_bytes
    if most is None or peak is None or not seen.reserved_bytes:
        return ""
    if peak <= most * seen.reserved_bytes:
        return ""
    return (
        f"A model server of it took {gib(peak)} and reserved {gib(seen.reserved_bytes)}; "
        f"at most {most:g} times as much is allowed."
    )


def _heat(guards: Guards, seen: Watched) -> str:
    most, level = guards.max_thermal_level, seen.thermal_level
    if most is None or level is None or level <= most:
        return ""
    if seen.thermal_before is not None and level <= seen.thermal_before:
        return ""
    return f"The machine is at thermal level {level}; at most {most} is allowed."


def _drift(guards: Guards, seen: Watched) -> str:
    most, found = guards.max_drift, seen.drift
    if most is None or found is None or found.share is None or found.share <= most:
        return ""
    return f"{found.said} At most {_percent(most)} of the columns may."


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"

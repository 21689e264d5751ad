"""What every provider of readings owes, and how a figure becomes a reading."""

import math
from typing import Protocol

from services.engines.silicon.models import ProviderState, Quality, Reading


class Provider(Protocol):
    """One source of readings. Asked from one thread, every few seconds."""

    name: str

    def preflight(self) -> ProviderState:
        """Return whether it can be asked here, and why not."""

    def readings(self) -> tuple[Reading, ...]:
        """Return what it says now.

        Raises:
            EngineError: It could not be asked, or its answer could not be read.
        """

    def close(self) -> None:
        """Let go of processes and threads."""


def measured(
    metric: str,
    value: float | None,
    source: str,
    *,
    window_s: float | None = None,
    reason: str = "",
    quality: Quality = "measured",
) -> Reading:
    """Return a reading; without a value, or with none that is a number, an unavailable one."""
    if value is None or not math.isfinite(value):
        said = reason or f"{source} does not report it"
        return Reading(metric, None, "unavailable", source, said, window_s)
    kept = reason if quality == "estimated" else ""
    return Reading(metric, float(value), quality, source, kept, window_s)


def unavailable(metric: str, source: str, reason: str) -> Reading:
    """Return the reading of a figure that cannot be had, with the reason."""
    return Reading(metric, None, "unavailable", source, reason)

"""How readings are written: with their unit; a missing one says so and why."""

from dashboard.numbers import number, percent, size, size_unit
from services.engines.silicon.models import METRICS, CoreTier, Machine, Reading
from services.telemetry.models import HostState

MISSING = "unavailable"
_THERMAL = ("nominal", "moderate", "heavy", "trapping", "sleeping")
_PRESSURE = {1: "normal", 2: "warning", 4: "critical"}


def figure(reading: Reading | None) -> str:
    """Return a reading's value with its unit; ``≈`` marks an estimate."""
    if reading is None or reading.value is None:
        return MISSING
    told = _told(reading.metric, reading.value)
    return f"≈ {told}" if reading.quality == "estimated" else told


def _told(metric: str, value: float) -> str:
    if metric == "thermal_level":
        level = int(value)
        return f"{level} {_THERMAL[level]}" if level < len(_THERMAL) else str(level)
    if metric == "memory_pressure":
        return _PRESSURE.get(int(value), str(int(value)))
    match METRICS[metric].unit:
        case "ratio":
            return percent(value)
        case "bytes":
            return size(value)
        case "bytes/s":
            return f"{size(value)}/s"
        case "flag":
            return "yes" if value else "no"
        case "°C" | "rpm" | "MHz":
            return f"{value:,.0f} {METRICS[metric].unit}"
        case unit:
            return f"{number(value, 3)} {unit}"


def why(reading: Reading | None) -> str:
    """Return who says a figure, over how long, or why there is none."""
    if reading is None:
        return "The machine has not been asked for it."
    if reading.value is None:
        return f"{_begun(reading.reason)}."
    over = f", the mean of {reading.window_s:.1f} s" if reading.window_s else ""
    rests = f" An estimate: {reading.reason}." if reading.quality == "estimated" else ""
    return f"By {reading.source}{over}.{rests}"


def _begun(reason: str) -> str:
    return (reason[:1].upper() + reason[1:]).rstrip(".") or "Nobody says why"


def memory(state: HostState) -> str:
    """Return memory used of all there is: ``28.9 of 64.0 GB``."""
    used, total = state.reading("memory_used_bytes"), state.reading("memory_total_bytes")
    if used is None or used.value is None:
        return MISSING
    if total is None or total.value is None:
        return size(used.value)
    divisor, unit = size_unit(total.value)
    return f"{used.value / divisor:.1f} of {total.value / divisor:.1f} {unit}"


def power(state: HostState) -> str:
    """Return the system's power, else the chip's, and which of them it is."""
    for metric, what in (("system_w", "system"), ("package_w", "chip"), ("gpu_w", "GPU")):
        reading = state.reading(metric)
        if reading is not None and reading.value is not None:
            return f"{figure(reading)} {what}"
    return MISSING


def hottest(state: HostState) -> str:
    """Return the higher of CPU and GPU temperature."""
    found = [
        reading
        for metric in ("cpu_temperature_c", "gpu_temperature_c")
        if (reading := state.reading(metric)) is not None and reading.value is not None
    ]
    return figure(max(found, key=lambda reading: reading.value or 0.0)) if found else MISSING


def cores(machine: Machine) -> str:
    """Return the cores by tier: ``6 performance + 6 efficiency``."""
    return " + ".join(_tier(tier) for tier in machine.tiers) or MISSING


def _tier(tier: CoreTier) -> str:
    return f"{tier.cores}" if tier.name == "all" else f"{tier.cores} {tier.name}"

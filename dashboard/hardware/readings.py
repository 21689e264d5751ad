"""How readings are written: with their unit and quality; a missing one says so and why."""

from collections.abc import Callable, Mapping

from dashboard.numbers import number, percent, size, size_unit
from services.engines.silicon.models import METRICS, CoreTier, Machine, Reading
from services.telemetry.models import HostState

MISSING = "unavailable"
ESTIMATED = "≈"
"""Stands before an estimate."""

_THERMAL = ("nominal", "moderate", "heavy", "trapping", "sleeping")
_PRESSURE = {1: "normal", 2: "warning", 4: "critical"}
_POWER = (("system_w", "whole machine"), ("package_w", "CPU + GPU + ANE"), ("gpu_w", "GPU alone"))
_HEAT = (("cpu_temperature_c", "CPU"), ("gpu_temperature_c", "GPU"))


def figure(reading: Reading | None) -> str:
    """Return a reading's value with its unit; ``≈`` before an estimate, else ``unavailable``."""
    if reading is None or reading.value is None:
        return MISSING
    told = value(reading.metric, reading.value)
    return f"{ESTIMATED} {told}" if reading.quality == "estimated" else told


def value(metric: str, amount: float) -> str:
    """Return an amount of a metric as people read it."""
    if metric in _LEVELS:
        return f"{amount:.0f} {_LEVELS[metric](amount)}"
    known = METRICS.get(metric)
    return _in_unit(amount, known.unit if known else "")


def _in_unit(amount: float, unit: str) -> str:
    match unit:
        case "ratio":
            return percent(amount)
        case "bytes" | "bytes/s":
            return f"{size(amount)}{unit.removeprefix('bytes')}"
        case "flag":
            return "on" if amount else "off"
        case "W" | "W·h" if amount < 100:
            return f"{amount:.1f} {unit}"
        case "°C" | "rpm" | "MHz" | "W" | "W·h":
            return f"{amount:,.0f} {unit}"
        case _:
            return f"{number(amount, 3)} {unit}".strip()


def thermal_word(level: float) -> str:
    """Return what macOS calls a thermal level."""
    place = round(level)
    return _THERMAL[place] if 0 <= place < len(_THERMAL) else "unknown"


_LEVELS: Mapping[str, Callable[[float], str]] = {
    "thermal_level": thermal_word,
    "memory_pressure": lambda level: _PRESSURE.get(round(level), "raised"),
}


def why(reading: Reading | None) -> str:
    """Return who says a figure and over how long, or why there is none."""
    if reading is None:
        return "The machine has not been asked for it."
    if reading.value is None:
        said = reading.reason.strip()
        return _sentence(said) if said else "Nobody who was asked reports it."
    over = f", the mean of {reading.window_s:.3g} s" if reading.window_s else ""
    rests = f" An estimate: {_sentence(reading.reason)}" if reading.quality == "estimated" else ""
    return f"Said by {reading.source or 'the machine'}{over}.{rests}"


def _sentence(text: str) -> str:
    return f"{text.strip().rstrip('.')}."


def first(host: HostState, among: tuple[tuple[str, str], ...]) -> tuple[Reading | None, str]:
    """Return the first reading that has a value, and what it is of; else the first and nothing."""
    for metric, what in among:
        reading = host.reading(metric)
        if reading is not None and reading.value is not None:
            return reading, what
    return host.reading(among[0][0]), ""


def power(host: HostState) -> tuple[Reading | None, str]:
    """Return the widest power that is known, and what it is of."""
    return first(host, _POWER)


def heat(host: HostState) -> tuple[Reading | None, str]:
    """Return the hotter of the temperatures that are known, and what it is of."""
    known = [
        (reading, what)
        for metric, what in _HEAT
        if (reading := host.reading(metric)) is not None and reading.value is not None
    ]
    if not known:
        return first(host, _HEAT)
    return max(known, key=lambda one: one[0].value or 0.0)


def memory(host: HostState) -> str:
    """Return memory used of all there is: ``28.9 of 68.7 GB``."""
    used = amount(host, "memory_used_bytes")
    total = amount(host, "memory_total_bytes") or host.machine.memory_bytes
    if used is None:
        return MISSING
    if not total:
        return size(used)
    divisor, unit = size_unit(total)
    return f"{used / divisor:.1f} of {total / divisor:.1f} {unit}"


def amount(host: HostState, metric: str) -> float | None:
    """Return a reading's value, None when there is none."""
    reading = host.reading(metric)
    return reading.value if reading is not None else None


def tier(one: CoreTier) -> str:
    """Return a tier of cores: ``12 performance``."""
    return f"{one.cores} {one.name}" if one.name != "all" else f"{one.cores}"


def chip_line(machine: Machine) -> str:
    """Return what a machine is, in one line; what nobody told is left out."""
    cores = sum(one.cores for one in machine.tiers)
    parts = [
        machine.chip or "chip not reported",
        f"{cores} CPU cores" if cores else "",
        f"{machine.gpu_cores} GPU cores" if machine.gpu_cores else "",
        size(machine.memory_bytes) if machine.memory_bytes else "",
        machine.os,
    ]
    return " · ".join(part for part in parts if part)

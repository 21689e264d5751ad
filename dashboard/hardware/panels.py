"""Which curves a machine has, in which panel, in which unit; pure."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from dashboard.charts.timeline import Line, Panel
from dashboard.numbers import size_unit
from services.engines.silicon.models import METRICS, Machine
from services.telemetry.models import Series


@dataclass(frozen=True, slots=True)
class Plan:
    """One panel before it has values."""

    title: str
    metrics: tuple[str, ...]
    unit: str
    """``%``, ``MHz``, ``W``, ``°C``, ``rpm``; ``B`` and ``B/s`` become the unit that fits."""
    stacked: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    """Drawn only when nothing of the stack is known."""
    zero: bool = True


CPU = Plan(
    "CPU",
    ("cpu_ratio", "cpu_super_ratio", "cpu_performance_ratio", "cpu_efficiency_ratio"),
    "%",
)
GPU = Plan("GPU", ("gpu_ratio",), "%")
POWER = Plan(
    "Power",
    ("cpu_w", "gpu_w", "ane_w", "dram_w", "package_w", "system_w"),
    "W",
    stacked=("cpu_w", "gpu_w", "ane_w", "dram_w"),
    sums=("package_w",),
)
TEMPERATURE = Plan("Temperature", ("cpu_temperature_c", "gpu_temperature_c"), "°C", zero=False)
MEMORY = Plan(
    "Memory",
    (
        "memory_used_bytes", "memory_wired_bytes", "memory_compressed_bytes", "swap_used_bytes",
        "gpu_memory_used_bytes",
    ),
    "B",
)  # fmt: skip
PLANS = (
    CPU,
    Plan(
        "CPU clock",
        ("cpu_mhz", "cpu_super_mhz", "cpu_performance_mhz", "cpu_efficiency_mhz"),
        "MHz",
    ),
    GPU,
    Plan("GPU clock", ("gpu_mhz",), "MHz"),
    POWER,
    TEMPERATURE,
    Plan("Fan", ("fan_rpm",), "rpm"),
    MEMORY,
    Plan("Disk", ("disk_read_bytes_s", "disk_write_bytes_s", "swap_in_bytes_s"), "B/s"),
    Plan("Network", ("network_in_bytes_s", "network_out_bytes_s"), "B/s"),
    Plan("Battery", ("battery_ratio",), "%"),
)
IN_RUN = (CPU, GPU, POWER, TEMPERATURE, MEMORY)
STATES = ("thermal_level", "low_power_mode", "memory_pressure")
"""Drawn as bands."""


def metrics(plans: Sequence[Plan]) -> tuple[str, ...]:
    """Return every metric the plans ask for, and those of the bands."""
    return tuple(dict.fromkeys((*(name for plan in plans for name in plan.metrics), *STATES)))


def panels(
    plans: Sequence[Plan], found: Mapping[str, Series], machine: Machine | None
) -> tuple[Panel, ...]:
    """Return the panels that have a value somewhere; lines without any are left out."""
    made = (_panel(plan, found, machine) for plan in plans)
    return tuple(panel for panel in made if panel.lines)


def missing(plans: Sequence[Plan], found: Mapping[str, Series]) -> dict[str, tuple[str, ...]]:
    """Return the titles of the lines without a value, by the reason."""
    out: dict[str, tuple[str, ...]] = {}
    for plan in plans:
        for name in plan.metrics:
            series = found.get(name)
            if series is None or not has_values(series):
                reason = series.reasons[0] if series is not None and series.reasons else ""
                out[reason] = (*out.get(reason, ()), METRICS[name].title)
    return out


def estimated(plans: Sequence[Plan], found: Mapping[str, Series]) -> tuple[str, ...]:
    """Return the titles of lines that are estimates, wholly or in part."""
    names = (name for plan in plans for name in plan.metrics if name in found)
    return tuple(METRICS[n].title for n in names if "estimated" in found[n].qualities)


def has_values(series: Series) -> bool:
    """Return whether there is anything to draw."""
    return any(value is not None for value in series.mean)


def _panel(plan: Plan, found: Mapping[str, Series], machine: Machine | None) -> Panel:
    shown = [(n, found[n]) for n in plan.metrics if n in found and has_values(found[n])]
    if any(name in plan.stacked for name, _ in shown):
        # The sum is drawn already: the stack's edge is it.
        shown = [(name, series) for name, series in shown if name not in plan.sums]
    total = machine.memory_bytes if machine is not None and plan is MEMORY else None
    divisor, unit = _scale(plan, [series for _, series in shown], total)
    lines = [_line(plan, name, series, divisor) for name, series in shown]
    if plan is MEMORY and lines and machine is not None and machine.recommended_working_set_bytes:
        times = shown[0][1].times
        level = machine.recommended_working_set_bytes / divisor
        ends = (times[0], times[-1]) if len(times) > 1 else times
        lines.append(Line("Metal limit", ends, [level] * len(ends), dashed=True, colour=6))
    top = 100.0 if unit == "%" else total / divisor if total else None
    return Panel(plan.title, unit, tuple(lines), top=top, bottom=0.0 if plan.zero else None)


def _line(plan: Plan, name: str, series: Series, divisor: float) -> Line:
    stacked = name in plan.stacked
    ranged = not stacked and series.low != series.high
    times = middles(series)
    return Line(
        _short(plan, METRICS[name].title),
        times,
        _scaled(series.mean, divisor),
        _scaled(series.low, divisor) if ranged else (),
        _scaled(series.high, divisor) if ranged else (),
        stacked=stacked,
        colour=plan.metrics.index(name),
    )


def middles(series: Series) -> tuple[datetime, ...]:
    """Return the times at which the values are drawn: each in the middle of its bucket."""
    if series.low == series.high:
        return series.times  # single samples: each stands where it was taken
    return _moved(series.times, series.bucket_s / 2)


@functools.lru_cache(maxsize=4)
def _moved(times: tuple[datetime, ...], seconds: float) -> tuple[datetime, ...]:
    """Return times moved on; the lines of a chart share theirs."""
    by = timedelta(seconds=seconds)
    return tuple(at + by for at in times)


def _scaled(values: Sequence[float | None], divisor: float) -> list[float | None]:
    return [None if value is None else value / divisor for value in values]


def _scale(plan: Plan, shown: Sequence[Series], total: int | None) -> tuple[float, str]:
    if plan.unit == "%":
        return 0.01, "%"
    if not plan.unit.startswith("B"):
        return 1.0, plan.unit
    values = (v for series in shown for v in (*series.high, *series.mean) if v is not None)
    divisor, unit = size_unit(max((*values, float(total or 0))))
    return divisor, plan.unit.replace("B", unit, 1)


def _short(plan: Plan, title: str) -> str:
    """Return a line's name; it is unique in the chart, because a legend finds lines by it."""
    if plan is CPU and title == "CPU":
        return "CPU all cores"
    return title.replace("Neural Engine", "ANE")


def stretches(series: Series | None, least: float) -> tuple[tuple[datetime, datetime, float], ...]:
    """Return when a level was at ``least`` or above: begin, end and the greatest level."""
    if series is None:
        return ()
    width = timedelta(seconds=series.bucket_s)
    out: list[tuple[datetime, datetime, float]] = []
    ends = [later for _, later in pairwise(series.times)]
    for at, until, high in zip(series.times, [*ends, None], series.high, strict=True):
        if high is None or high < least:
            continue
        # A bucket ends with its width; single samples hold until the next, if that is near.
        end = at + width if until is None else min(until, at + 2 * width)
        if out and at <= out[-1][1]:
            out[-1] = (out[-1][0], end, max(out[-1][2], high))
        else:
            out.append((at, end, high))
    return tuple(out)

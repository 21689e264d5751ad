"""Causes that are states of the machine: heat, Low Power Mode, memory, battery.

What each costs is a table, because machines do not tell it. Its sources: the harness recorded in
FACTS.md made 253–272 tokens/s at thermal level 0 and 105–212 at levels 1–2; Low Power Mode was
measured at 61 % of the speed. Where nothing is published the figure is ours, and says so. They only
order the causes: where the run's own steps show what was lost, that is used.
"""

from collections.abc import Sequence
from statistics import median

from services.telemetry.causes import (
    ENOUGH,
    Answer,
    CannotTell,
    Case,
    Clear,
    Evidence,
    evidence,
    found,
)
from services.telemetry.conditions import mean
from services.telemetry.figures import gigabytes, percent, share
from services.telemetry.spans import Span

THROTTLED = 1.0
LOST_BY_LEVEL = (0.0, 0.2, 0.4, 0.6, 0.6)
"""212 of 262 tokens/s is the least loss at levels 1–2, 105 of 262 the most; levels 3 and 4 lose no
less than that."""

BUSY = 0.9
CLOCK_FALL = 0.10
"""A busy GPU's clock a tenth lower than at the begin. Ours: less is a step or two of its clock."""

LOST_BY_LOW_POWER = 0.39

PRESSURE = 2.0
SWAP_BYTES_S = 10e6
"""640 pages of 16 KiB a second, at 0.1 ms each from the SSD: 6 % of the time is spent waiting."""

LOST_BY_MEMORY = 0.3
LOST_OVER_BUDGET = 0.3
"""Both ours: no figure is published. Where the GPU was seen to wait, that is used."""

BUDGET = 0.9
LOST_BY_BATTERY = 0.02
"""Ours: nothing is published on what battery costs without Low Power Mode, so it comes last."""


def thermal(case: Case) -> Answer:
    """Look for a thermal level of 1 or more, or a clock that falls while the GPU is busy."""
    hot = case.at_least("thermal_level", THROTTLED)
    if case.lasting(hot, "thermal_level"):
        return _throttled(case, hot)
    slow, reference = _slow_clock(case)
    if case.lasting(slow, "gpu_mhz"):
        return _clock_fell(case, slow, reference)
    if case.enough("thermal_level"):
        return Clear("thermal")
    return CannotTell("thermal", case.missing("thermal_level"))


def low_power(case: Case) -> Answer:
    """Look for Low Power Mode."""
    on = case.at_least("low_power_mode", 1)
    if not case.lasting(on, "low_power_mode"):
        known = case.enough("low_power_mode")
        return (
            Clear("low_power") if known else CannotTell("low_power", case.missing("low_power_mode"))
        )
    part = case.part(on)
    told = [
        evidence(on, "low_power_mode", 1, f"Low Power Mode was on for {percent(part)}.", 1),
        *_clock(on, "in Low Power Mode"),
    ]
    return found(
        "low_power",
        on,
        f"Low Power Mode was on for {percent(part)} of the time: it caps the clocks",
        "Turn it off (System Settings → Battery) and run again.",
        part * LOST_BY_LOW_POWER,
        told,
    )


def memory(case: Case) -> Answer:
    """Look for memory pressure of 2 or more, or swap-ins."""
    short = tuple(
        span
        for span in case.found
        if (span.value("memory_pressure") or 0) >= PRESSURE
        or (span.value("swap_in_bytes_s") or 0) >= SWAP_BYTES_S
    )
    if case.lasting(short, "memory_pressure", "swap_in_bytes_s"):
        return _short_of_memory(case, short)
    apple = case.machine is None or case.machine.apple_silicon
    wanted = ("memory_pressure", "swap_in_bytes_s") if apple else ("swap_in_bytes_s",)
    if all(case.enough(metric) for metric in wanted):
        return Clear("memory")
    return CannotTell("memory", case.missing(*wanted))


def wired(case: Case) -> Answer:
    """Look for more than 0.9 of what Metal recommends to wire."""
    budget = _budget(case)
    if not budget:
        return CannotTell("wired", _why_no_budget(case))
    amounts = [(span, amount) for span in case.found if (amount := _wired(span)) is not None]
    over = tuple(span for span, amount in amounts if amount > BUDGET * budget)
    if not case.lasting(over, "memory_wired_bytes"):
        told_s = sum(span.seconds for span, _ in amounts)
        if share(told_s, (case.end - case.start).total_seconds()) >= ENOUGH:
            return Clear("wired")
        return CannotTell("wired", case.missing("memory_wired_bytes"))
    most = max(amount for _, amount in amounts)
    said = (
        f"Up to {gigabytes(most)} were wired or held by MLX; {gigabytes(BUDGET * budget)} is 90 % "
        "of what Metal recommends."
    )
    part = case.part(over)
    return found(
        "wired",
        over,
        f"Over the budget of GPU memory for {percent(part)} of the time",
        "Take a smaller batch or a quantised model, or end what else holds memory.",
        part * LOST_OVER_BUDGET,
        [evidence(over, "memory_wired_bytes", most, said, BUDGET * budget)],
    )


def _budget(case: Case) -> float | None:
    """Return what might be wired: as it was read last, else as the machine said when it began."""
    read = (span.value("gpu_wired_limit_bytes") for span in reversed(case.found))
    known = next((value for value in read if value), None)
    return known or (case.machine.recommended_working_set_bytes if case.machine else None)


def battery(case: Case) -> Answer:
    """Look for running on battery."""
    on = case.at_least("on_battery", 1)
    if case.lasting(on, "on_battery"):
        part = case.part(on)
        return found(
            "battery",
            on,
            f"On battery for {percent(part)} of the time: seldom a cause by itself",
            "Plug it in and see whether the steps get faster.",
            part * LOST_BY_BATTERY,
            [evidence(on, "on_battery", 1, f"On battery for {percent(part)}.", 1)],
        )
    missing = case.missing("on_battery")
    if case.enough("on_battery") or "no battery" in missing:
        return Clear("battery")
    return CannotTell("battery", missing)


def _why_no_budget(case: Case) -> str:
    if case.machine is None:
        return "the machine is not known"
    if not case.machine.apple_silicon:
        return "not Apple Silicon"
    return "what Metal lets a process wire is not known; MLX would tell"


def _throttled(case: Case, hot: Sequence[Span]) -> Answer:
    part = case.part(hot)
    levels = [(span.seconds, round(span.value("thermal_level") or 0)) for span in hot]
    top = max(level for _, level in levels)
    lost = sum(s * LOST_BY_LEVEL[min(level, 4)] for s, level in levels)
    said = f"The thermal level was 1 or more for {percent(part)} of the time, at most {top} of 4."
    told = [evidence(hot, "thermal_level", top, said, THROTTLED)]
    cool = [span for span in case.found if span.value("thermal_level") == 0]
    before, during = _busy_clock(cool), _busy_clock(hot)
    if before and during and during < before:
        said = f"The busy GPU ran at {during:.0f} MHz then, at {before:.0f} MHz at level 0."
        told.append(evidence(hot, "gpu_mhz", during, said, before))
    return found(
        "thermal",
        hot,
        f"Throttled by heat for {percent(part)} of the time",
        "Let it cool down, give it air, or run fewer heavy jobs at a time; then run again.",
        share(lost, sum(span.seconds for span in case.found)),
        told,
    )


def _slow_clock(case: Case) -> tuple[tuple[Span, ...], float]:
    """Return the spans in which a busy GPU ran slower than it did at the begin, and that clock."""
    busy = [
        span
        for span in case.found
        if (span.value("gpu_ratio") or 0) >= BUSY
        and span.value("gpu_mhz") is not None
        and not span.value("low_power_mode")
    ]
    if len(busy) < 8:
        return (), 0.0
    reference = median(span.value("gpu_mhz") or 0.0 for span in busy[: len(busy) // 4])
    bound = (1 - CLOCK_FALL) * reference
    return tuple(span for span in busy if (span.value("gpu_mhz") or 0.0) < bound), reference


def _clock_fell(case: Case, slow: Sequence[Span], reference: float) -> Answer:
    clock = median(span.value("gpu_mhz") or 0.0 for span in slow)
    fall = 1 - clock / reference
    part = case.part(slow)
    level = "says nominal" if case.enough("thermal_level") else "tells no thermal level"
    said = (
        f"The busy GPU ran at {clock:.0f} MHz for {percent(part)} of the time, {percent(fall)} "
        f"below the {reference:.0f} MHz of the begin; the system {level}."
    )
    return found(
        "thermal",
        slow,
        f"The GPU’s clock fell by {percent(fall)} under load: likely heat",
        "Let it cool down and run again; the temperatures beside tell whether it was heat.",
        part * fall,
        [
            evidence(slow, "gpu_mhz", clock, said, (1 - CLOCK_FALL) * reference),
            *_temperature(slow),
        ],
    )


def _temperature(hits: Sequence[Span]) -> list[Evidence]:
    value = mean(hits, "gpu_temperature_c")
    if value is None:
        return []
    return [evidence(hits, "gpu_temperature_c", value, f"The GPU was at {value:.0f} °C then.")]


def _clock(hits: Sequence[Span], when: str) -> list[Evidence]:
    clock = _busy_clock(hits)
    if clock is None:
        return []
    return [evidence(hits, "gpu_mhz", clock, f"The busy GPU ran at {clock:.0f} MHz {when}.")]


def _busy_clock(found_spans: Sequence[Span]) -> float | None:
    clocks = [
        clock
        for span in found_spans
        if (span.value("gpu_ratio") or 0) >= BUSY and (clock := span.value("gpu_mhz")) is not None
    ]
    return median(clocks) if clocks else None


def _short_of_memory(case: Case, short: Sequence[Span]) -> Answer:
    part = case.part(short)
    told = []
    level = max((span.value("memory_pressure") or 0 for span in short), default=0)
    if level >= PRESSURE:
        said = f"Memory pressure was at {level:.0f} (1 is normal, 4 critical)."
        told.append(evidence(short, "memory_pressure", level, said, PRESSURE))
    rate = mean(short, "swap_in_bytes_s")
    if rate:
        said = f"{rate / 1e6:.0f} MB/s were read back from swap."
        told.append(evidence(short, "swap_in_bytes_s", rate, said, SWAP_BYTES_S))
    others = [span for span in case.found if span not in short]
    during, before = mean(short, "gpu_ratio"), mean(others, "gpu_ratio")
    waited = 0.0
    if during is not None and before and during < before:
        waited = 1 - during / before
        said = f"The GPU was busy for {percent(during)} then, for {percent(before)} otherwise."
        told.append(evidence(short, "gpu_ratio", during, said, before))
    return found(
        "memory",
        short,
        f"Short of memory for {percent(part)} of the time",
        "Take a smaller batch, or end what else holds memory (`mlops why` names who is there).",
        part * max(LOST_BY_MEMORY, waited),
        told,
    )


def _wired(span: Span) -> float | None:
    """Return the larger of what the system wired and what MLX holds in all processes together."""
    held = [use.mlx_active_bytes for use in span.processes if use.mlx_active_bytes is not None]
    wired_bytes = span.value("memory_wired_bytes")
    known = [float(sum(held))] if held else []
    return max([*known, *([wired_bytes] if wired_bytes is not None else [])], default=None)

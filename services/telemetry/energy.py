"""Joules: power over time, with what of the time was measured and what the figure covers.

Energy is Σ power · dt over an interval, minus nothing: the idle power of the machine is shown
beside it. The boundary is CPU + GPU + Neural Engine, or what of these reports power; memory (DRAM)
and the whole machine are apart, because few chips report the one and the other holds the screen.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from services.engines.silicon.models import Sample
from services.telemetry.figures import (
    NOT_SAMPLED,
    Figure,
    estimated,
    measured,
    percent,
    share,
    unavailable,
    why_missing,
)
from services.telemetry.spans import Span, covered_s, spans

COMPONENTS: dict[str, str] = {"cpu": "cpu_w", "gpu": "gpu_w", "ane": "ane_w"}
"""What is within the boundary, and the metric of its power."""

WHOLE = 0.98
"""From this share of the time on, a sum is measured: what is missing is the window at either end of
a run of a few minutes."""

LEAST = 0.5
"""Below this share of the time there is no figure: more would be filled in than was measured."""

_CALM_CPU, _CALM_GPU = 0.10, 0.05
_CALM_LEAST_S = 60.0
"""Idle power is the median over at least a minute in which nothing of ours worked: energy counters
are published every 2.1 s, so a minute is some thirty of them."""


@dataclass(frozen=True, slots=True)
class Energy:
    """The energy of one component over an interval."""

    joules: Figure
    """Of the whole interval. Estimated when gaps are filled with the mean of the rest."""
    measured_j: float
    """What was measured alone, gaps left out; 0 when nothing was."""
    coverage: float
    """Share of the interval in which its power was told, 0–1."""
    mean_w: Figure


@dataclass(frozen=True, slots=True)
class MachineEnergy:
    """What a machine used over an interval."""

    total: Figure
    """Joules of what the boundary names."""
    boundary: str
    """``cpu+gpu+ane``, or those of them that report power; empty when none does."""
    components: Mapping[str, Energy]
    """By the names of the boundary; those without power are in it, unavailable."""
    dram: Energy
    system: Energy
    coverage: float
    """The least coverage within the boundary."""


def joules(span: Span, metric: str) -> float | None:
    """Return the energy of a span in J; None when the power was not told.

    A power that was averaged over a window stands for all of it. One of a moment is joined to the
    moment before by the trapezoid rule where there is no gap between them.
    """
    reading = span.readings.get(metric)
    if reading is None or reading.value is None:
        return None
    watts = max(0.0, reading.value)
    earlier = span.earlier.get(metric)
    if reading.window_s is not None or earlier is None or earlier.value is None:
        return watts * span.seconds
    slope = share(watts - earlier.value, span.window_end - span.window_begin)
    middle = (span.begin + span.end) / 2 - span.window_begin
    return max(0.0, earlier.value + slope * middle) * span.seconds


def energy(found: Sequence[Span], metric: str, start: datetime, end: datetime) -> Energy:
    """Return the energy of ``[start, end)`` by the power metric ``metric``."""
    total, told_s = 0.0, 0.0
    for span in found:
        part = joules(span, metric)
        if part is not None:
            total += part
            told_s += span.seconds
    told = min(1.0, share(told_s, (end - start).total_seconds()))
    if not told_s:
        missing = unavailable(why_missing((s.readings.get(metric) for s in found), metric))
        return Energy(missing, 0.0, 0.0, missing)
    mean = measured(total / told_s)
    return Energy(filled(total, told, "power"), total, told, mean if told >= LEAST else _thin(told))


def filled(total: float, told: float, what: str) -> Figure:
    """Return a sum over the share ``told`` of the time as one over all of it, said to be so."""
    if told >= WHOLE:
        return measured(total)
    if told < LEAST:
        return _thin(told, what)
    reason = f"{what} is known for {percent(told)} of the time; the rest is taken at its mean"
    return estimated(total / told, reason)


def machine_energy(samples: Iterable[Sample], start: datetime, end: datetime) -> MachineEnergy:
    """Return what a machine used in ``[start, end)``; nothing is subtracted.

    Args:
        samples: Of one host; they should reach one sample over the end (``spans.REACH_S``).
        start: Begin, aware.
        end: End, aware; later than the begin.
    """
    found = spans(samples, start, end)
    components = {name: energy(found, metric, start, end) for name, metric in COMPONENTS.items()}
    within = {name: one for name, one in components.items() if one.joules.value is not None}
    return MachineEnergy(
        total=total_of(within, components),
        boundary="+".join(within),
        components=components,
        dram=energy(found, "dram_w", start, end),
        system=energy(found, "system_w", start, end),
        coverage=min((one.coverage for one in within.values()), default=0.0),
    )


def total_of(within: Mapping[str, Energy], components: Mapping[str, Energy]) -> Figure:
    """Return the sum of the components that are within the boundary."""
    if not within:
        reasons = [one.joules.reason for one in components.values()]
        return unavailable(reasons[0] if reasons else NOT_SAMPLED)
    whole = sum(one.joules.value or 0.0 for one in within.values())
    reasons = [one.joules.reason for one in within.values() if one.joules.quality == "estimated"]
    left_out = [name for name in ("cpu", "gpu") if name not in within]
    reasons += [f"without the {n.upper()}: {components[n].joules.reason}" for n in left_out]
    unique = "; ".join(dict.fromkeys(reasons))
    return estimated(whole, unique) if unique else measured(whole)


def idle_power(samples: Iterable[Sample], start: datetime, end: datetime) -> Figure:
    """Return what the machine draws (W, CPU + GPU + Neural Engine) when nothing of ours works.

    The median over the samples in which the CPU was busy for under 10 %, the GPU for under 5 %, and
    no run, task or replica was there. To be shown beside an energy, never subtracted.
    """
    found = spans(samples, start, end)
    calm = [span for span in found if _is_calm(span)]
    watts = [watt for span in calm if (watt := _package(span)) is not None]
    if not watts and calm:
        return unavailable(why_missing((s.readings.get("cpu_w") for s in calm), "cpu_w"))
    if covered_s(calm) < _CALM_LEAST_S:
        return unavailable("the machine was not idle for a minute in the hour looked at")
    return measured(median(watts))


def allocate(whole_j: float, busy_s: Mapping[str, float]) -> dict[str, Figure]:
    """Share the energy of a window out by busy time: for what is shorter than a sample.

    A prediction of 20 ms has no sample of its own; it gets its part of the window's energy by its
    part of the time in which anything was busy. Such a figure is always estimated, and said to be
    allocated. Where nothing was busy, nothing can be shared out: all are unavailable.
    """
    total = sum(max(0.0, seconds) for seconds in busy_s.values())
    if total <= 0:
        return {name: unavailable("nothing was busy in the window") for name in busy_s}
    return {
        name: estimated(whole_j * max(0.0, seconds) / total, "allocated by busy time")
        for name, seconds in busy_s.items()
    }


def _thin(told: float, what: str = "power") -> Figure:
    return unavailable(
        f"{what} is known for {percent(told)} of the time only, and a figure needs {percent(LEAST)}"
    )


def _package(span: Span) -> float | None:
    cpu, gpu = span.value("cpu_w"), span.value("gpu_w")
    return None if cpu is None or gpu is None else cpu + gpu + (span.value("ane_w") or 0.0)


def _is_calm(span: Span) -> bool:
    cpu, gpu = span.value("cpu_ratio"), span.value("gpu_ratio")
    if cpu is None or cpu >= _CALM_CPU or (gpu is not None and gpu >= _CALM_GPU):
        return False
    return not any(use.owner.startswith(("run:", "task:", "replica:")) for use in span.processes)

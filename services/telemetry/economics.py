"""What techniques cost: seconds, peak memory and joules beside quality, over their repeats."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from services.engines.silicon.models import Quality
from services.mirror.models import Run
from services.mirror.projects import Goal, mean_interval
from services.telemetry.pareto import pareto

ENERGY, PEAK_MEMORY, PEAK_MLX = (
    "system/energy_j",
    "system/peak_memory_bytes",
    "system/mlx_peak_bytes",
)
"""Metrics of a run, written when it had ended."""

ENERGY_QUALITY, ENERGY_BOUNDARY, HOST_CHIP = (
    "mlops.energy.quality",
    "mlops.energy.boundary",
    "mlops.chip",
)
"""Tags of a run."""

COLUMNS = (
    *(f"metrics.{name}" for name in (ENERGY, PEAK_MEMORY, PEAK_MLX)),
    *(f"tags.{name}" for name in (ENERGY_QUALITY, ENERGY_BOUNDARY, HOST_CHIP)),
)
"""What a question for runs has to bring along, beside the metric of quality."""

Axis = Literal["joules", "seconds", "peak_bytes"]


@dataclass(frozen=True, slots=True)
class RunCost:
    """One finished run; None is not known."""

    run_id: str
    technique: str
    baseline: bool
    quality: float | None
    seconds: float | None
    peak_bytes: float | None
    """What MLX took at most where it tells, else what its processes took."""
    joules: float | None
    energy_quality: Quality
    boundary: str
    chip: str


@dataclass(frozen=True, slots=True)
class Mean:
    """Repeats as a mean with Student's 95 % interval."""

    runs: int
    """Repeats with a finite value; none: all figures are None."""
    missing: int
    """Repeats without one."""
    mean: float | None
    low: float | None
    """None with fewer than two repeats; so is ``high``."""
    high: float | None


@dataclass(frozen=True, slots=True)
class TechniqueCost:
    """One technique."""

    technique: str
    baseline: bool
    run_ids: tuple[str, ...]
    quality: Mean
    seconds: Mean
    peak_bytes: Mean
    joules: Mean
    energy_quality: Quality
    """The worst of its repeats that have an energy."""
    quality_per_joule: Mean
    """See ``technique_costs``."""
    per_joule_reason: str
    """Why there is no quality per joule; empty when there is."""
    cautions: tuple[str, ...]
    """Sentences: what its repeats do not have in common."""


def cost_of(run: Run, metric: str) -> RunCost | None:
    """Return what a run cost, by the columns it was asked with; None if it has no technique."""
    if run.technique is None or run.status != "finished":
        return None
    quality = run.tags.get(ENERGY_QUALITY, "unavailable")
    joules = run.metrics.get(ENERGY)
    return RunCost(
        run_id=run.run_id,
        technique=run.technique,
        baseline=run.baseline,
        quality=run.metrics.get(metric),
        seconds=run.duration_s,
        peak_bytes=run.metrics.get(PEAK_MLX, run.metrics.get(PEAK_MEMORY)),
        joules=joules,
        energy_quality="measured"
        if quality == "measured" and joules is not None
        else "estimated"
        if joules is not None
        else "unavailable",
        boundary=run.tags.get(ENERGY_BOUNDARY, ""),
        chip=run.tags.get(HOST_CHIP, ""),
    )


def technique_costs(runs: Iterable[RunCost], goal: Goal) -> tuple[TechniqueCost, ...]:
    """Return one row a technique, best mean quality first, those without quality last.

    Quality per joule is, where more is better, the quality of a run by its joules, averaged over
    the repeats. Where less is better that says nothing (twice the energy would halve it, and a
    worse loss would raise it): there it is what a run gains on the mean of the baselines, per
    joule. It is not given for qualities below 0, where spending more energy would look better.
    """
    by_technique: dict[str, list[RunCost]] = {}
    for run in runs:
        by_technique.setdefault(run.technique, []).append(run)
    base = _finite(
        run.quality for repeats in by_technique.values() for run in repeats if run.baseline
    )
    start = sum(base) / len(base) if base else None
    rows = [_row(name, repeats, goal, start) for name, repeats in by_technique.items()]
    sign = -1 if goal == "max" else 1

    def order(row: TechniqueCost) -> tuple[bool, float, str]:
        mean = row.quality.mean
        return (mean is None, sign * (mean or 0.0), row.technique)

    return tuple(sorted(rows, key=order))


def front(rows: Sequence[TechniqueCost], goal: Goal, axis: Axis) -> tuple[str, ...]:
    """Return the techniques that none beats in mean quality and mean cost."""
    points = [(row.quality.mean, getattr(row, axis).mean) for row in rows]
    return tuple(rows[place].technique for place in pareto(points, (goal, "min")))


def mean_of(values: Iterable[float | None]) -> Mean:
    """Return the mean of what is finite, with its interval, and how many are not."""
    every = list(values)
    finite = _finite(every)
    if not finite:
        return Mean(0, len(every), None, None, None)
    mean, low, high = mean_interval(np.array(finite, dtype=np.float64))
    return Mean(len(finite), len(every) - len(finite), mean, low, high)


def _finite(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


def _row(
    technique: str, repeats: Sequence[RunCost], goal: Goal, start: float | None
) -> TechniqueCost:
    per_joule, reason = _per_joule(repeats, goal, start)
    return TechniqueCost(
        technique=technique,
        baseline=any(run.baseline for run in repeats),
        run_ids=tuple(run.run_id for run in repeats),
        quality=mean_of(run.quality for run in repeats),
        seconds=mean_of(run.seconds for run in repeats),
        peak_bytes=mean_of(run.peak_bytes for run in repeats),
        joules=mean_of(run.joules for run in repeats),
        energy_quality=_worst(repeats),
        quality_per_joule=per_joule,
        per_joule_reason=reason,
        cautions=_cautions(technique, repeats),
    )


def _worst(repeats: Sequence[RunCost]) -> Quality:
    told = [run.energy_quality for run in repeats if run.joules is not None]
    if not told:
        return "unavailable"
    return "estimated" if "estimated" in told else "measured"


def _per_joule(repeats: Sequence[RunCost], goal: Goal, start: float | None) -> tuple[Mean, str]:
    none = Mean(0, len(repeats), None, None, None)
    if not any(run.joules for run in repeats):
        return none, "no energy is known of its runs"
    if goal == "min" and start is None:
        return none, "less is better here, and there is no baseline to gain on"
    gain = _gain(goal, start)
    values = [
        gain(run.quality) / run.joules
        if run.quality is not None and run.joules is not None and run.joules > 0
        else None
        for run in repeats
    ]
    if goal == "max" and any(value < 0 for value in _finite(values)):
        return none, "its quality is below 0, where more energy would look better"
    found = mean_of(values)
    return found, "" if found.runs else "none of its runs has both a quality and an energy"


def _gain(goal: Goal, start: float | None) -> Callable[[float], float]:
    if goal == "max" or start is None:
        return float
    return lambda quality: start - quality


def _cautions(technique: str, repeats: Sequence[RunCost]) -> tuple[str, ...]:
    """Return what makes the repeats of one technique unlike each other."""
    out = []
    with_energy = [run for run in repeats if run.joules is not None]
    differing: Mapping[str, set[str]] = {
        "energy of different things": {run.boundary for run in with_energy},
        "energy on different chips": {run.chip for run in with_energy if run.chip},
    }
    for what, values in differing.items():
        if len(values) > 1:
            named = ", ".join(sorted(value or "not named" for value in values))
            out.append(
                f"The repeats of “{technique}” have {what} ({named}): their mean mixes them."
            )
    if 0 < len(with_energy) < len(repeats):
        out.append(
            f"{len(with_energy)} of {len(repeats)} runs of “{technique}” have an energy: "
            "its means are not over the same runs."
        )
    return tuple(out)

"""What techniques cost, as people read it: figures with spread, units and quality; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.experiments.units import figure
from dashboard.hardware.readings import ESTIMATED, MISSING
from dashboard.numbers import counted, number, size_unit
from services.mirror.models import TechniqueRow
from services.telemetry.economics import (
    SORTS,
    Axis,
    Figure,
    ProjectCosts,
    Spread,
    TechniqueCost,
    ordered,
)

TITLES: Mapping[Figure, str] = {
    "quality": "quality",
    "seconds": "seconds",
    "peak_bytes": "peak memory",
    "joules": "joules",
    "per_joule": "quality per joule",
}
HELP: Mapping[str, str] = {
    "seconds": "Wall time from start to end of a run: the median of its runs, and in parentheses "
    "where half of them lie (of fewer than four: the least and the largest).",
    "joules": "Energy of the chip that was shared out to the run, idle power not taken off. ≈ "
    "stands before an estimate.",
    "energy": "How its joules came to be: measured, estimated, or unavailable.",
    "conditions": "Whether its runs ran on one chip under like conditions: heat, power mode, "
    "memory, neighbours.",
    "machines": "The chips its runs ran on.",
}
MEMORY: Mapping[str, str] = {
    "mlx": "Peak memory is what MLX tells of itself",
    "processes": "Peak memory is of all processes of a run together",
    "none": "No run tells its peak memory",
}
_ENERGIES = ((1e6, "MJ"), (1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"))
_PER = ((1.0, "J"), (1e3, "kJ"), (1e6, "MJ"), (1e9, "GJ"))
_MOST = 8
DEFAULT_SORT = "quality"


@dataclass(frozen=True, slots=True)
class Line:
    """One technique of the leaderboard: what its repeats allow to say, and what they cost."""

    cost: TechniqueCost
    row: TechniqueRow | None
    """None: no repeat logged the metric."""


def lines(rows: Sequence[TechniqueRow], costs: ProjectCosts, by: str) -> tuple[Line, ...]:
    """Return the techniques sorted as ``by`` says; see ``ordered``."""
    found = {row.technique: row for row in rows}
    means = {row.technique: row.mean for row in rows}
    return tuple(Line(cost, found.get(cost.technique)) for cost in ordered(costs, by, means))


def read_sort(text: str) -> str:
    """Return the order an address names, the default when it names none that can be."""
    return text if text.removeprefix("-") in SORTS else DEFAULT_SORT


def turned(by: str, name: str) -> str:
    """Return the order after a click on a heading: best first, and turned round by a second."""
    if name not in SORTS:
        return by
    return f"-{name}" if by == name else name


def unit_of(axis: Axis, values: Sequence[float]) -> tuple[float, str]:
    """Return the divisor and the unit that fit figures up to the largest of these."""
    largest = max((abs(value) for value in values), default=0.0)
    if axis == "peak_bytes":
        return size_unit(largest)
    if axis == "joules":
        fits = [one for one in _ENERGIES if largest >= one[0]]
        return fits[0] if fits and largest else (1.0, "J")
    return 1.0, "s" if axis == "seconds" else ""


def spread_text(axis: Axis, spread: Spread, total: int, metric: str = "") -> str:
    """Return a figure's median and spread; on how many of ``total`` runs when not on all."""
    if spread.median is None:
        return MISSING
    per, unit = unit_of(axis, [spread.median])
    told = number(spread.median / per, 3) + (f" {unit}" if unit else "")
    if axis == "quality":
        told = figure(metric, spread.median)
    return f"{told}{_around(spread, per)}{_of(spread, total)}"


def energy_text(cost: TechniqueCost) -> str:
    """Return a technique's joules, ``≈`` before those that are not all measured."""
    told = spread_text("joules", cost.joules, cost.runs)
    return f"{ESTIMATED} {told}" if cost.energy_quality == "estimated" else told


def quality_word(cost: TechniqueCost) -> str:
    """Return how a technique's energies came to be."""
    told = [(quality, runs) for quality, runs in cost.energy if quality != "unavailable"]
    if len(told) > 1:
        return ", ".join(f"{runs} {quality}" for quality, runs in told)
    return told[0][0] if told else MISSING


def per_unit(costs: ProjectCosts) -> tuple[float, str]:
    """Return by what quality per joule is multiplied, and the energy it then is by."""
    told = [abs(row.per_joule.median) for row in costs.rows if row.per_joule.median is not None]
    largest = max(told, default=0.0)
    if not largest:
        return _PER[0]
    return next((one for one in _PER if largest * one[0] >= 1), _PER[-1])


def per_text(spread: Spread, times: float, total: int) -> str:
    """Return quality per joule in the unit that was chosen for the column."""
    if spread.median is None:
        return MISSING
    told = number(spread.median * times, 3)
    return f"{told}{_around(spread, 1 / times)}{_of(spread, total)}"


def _around(spread: Spread, per: float) -> str:
    if spread.low is None or spread.high is None:
        return ""
    low, high = number(spread.low / per, 3), number(spread.high / per, 3)
    return f" ({low})" if low == high else f" ({low}–{high})"


def _of(spread: Spread, total: int) -> str:
    return f" · {spread.runs:,} of {total:,}" if spread.runs < total else ""


def machines_text(cost: TechniqueCost) -> str:
    """Return where a technique ran."""
    if not cost.machines:
        return "not known"
    first = cost.machines[0][0]
    return first if len(cost.machines) == 1 else f"{len(cost.machines)} chips"


def standing_text(cost: TechniqueCost) -> str:
    """Return whether a technique's runs compare with each other."""
    if cost.runs == 1 and cost.standing == "alike":
        return "one run"
    sign = {"alike": "✓ ", "unlike": "⚠ "}.get(cost.standing, "")
    return f"{sign}{cost.standing}"


def warnings(costs: ProjectCosts) -> tuple[str, ...]:
    """Return why figures may not compare: between techniques, and within each."""
    told = [*costs.cautions]
    told += [
        f"“{row.technique}”: its runs were {', and '.join(row.unlike)}."
        for row in costs.rows
        if row.unlike
    ]
    silent = [row for row in costs.rows if row.unknown]
    if silent:
        runs, unknown = sum(row.runs for row in costs.rows), sum(row.unknown for row in silent)
        told.append(
            f"What {unknown:,} of {counted(runs, 'run')} ran under (heat, power mode, memory, "
            "neighbours) is not known, so it may differ."
        )
    return _cut(told)


def missing(costs: ProjectCosts) -> tuple[str, ...]:
    """Return which figures runs lack, and why, each reason once."""
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for row in costs.rows:
        for axis in ("seconds", "peak_bytes", "joules", "per_joule"):
            spread = row.of(axis)
            for reason, runs in spread.missing:
                if axis == "per_joule" and reason in dict(row.joules.missing):
                    continue  # said of its joules
                found.setdefault((TITLES[axis], reason), []).append((row.technique, runs))
    told = [
        f"{counted(sum(runs for _, runs in who), 'run')} of {_names([name for name, _ in who])} "
        f"{'has' if sum(runs for _, runs in who) == 1 else 'have'} no {title}: "
        f"{reason.rstrip('.')}."
        for (title, reason), who in found.items()
    ]
    if costs.unnamed:
        names = "names" if costs.unnamed == 1 else "name"
        told.append(f"{counted(costs.unnamed, 'finished run')} {names} no technique: in no row.")
    return _cut(told)


def _names(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(f"“{name}”" for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _cut(told: Sequence[str]) -> tuple[str, ...]:
    if len(told) <= _MOST:
        return tuple(told)
    return (*told[: _MOST - 1], f"{len(told) - _MOST + 1} more of this kind are left out.")

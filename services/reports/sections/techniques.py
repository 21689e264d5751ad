"""Techniques: what they gain and what they cost, of the runs of the stretch and the one before."""

from collections.abc import Mapping, Sequence

from services.mirror.main_metric import Primary
from services.mirror.projects import Goal
from services.reports.models import Asked, Figure, Section, Table, Unit, Window, first
from services.reports.units import told
from services.telemetry.economics import (
    Axis,
    ProjectCosts,
    Repeats,
    Spread,
    TechniqueCost,
    technique_costs,
)
from services.telemetry.repeats import repeats_of
from services.telemetry.trades import trade

SOURCE = "MLflow and the telemetry of each run, by the mirror"
_AXES: tuple[tuple[Axis, str], ...] = (("seconds", "seconds"), ("joules", "joules"))
_SHOWN = 60
Before = Mapping[str, TechniqueCost]


def section(asked: Asked) -> Section:
    """Return the section."""
    judged = [
        Primary(one.id, one.primary_metric, one.goal)
        for one in asked.summaries
        if one.primary_metric
    ]
    now = _repeats(asked, judged, asked.window)
    costs = [technique_costs(one) for one in now]
    before = [technique_costs(one) for one in _repeats(asked, judged, asked.window.before)]
    then = {one.project: {row.technique: row for row in one.rows} for one in before}
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    for repeats, found in zip(now, costs, strict=True):
        front = _fronts(repeats)
        rows += [
            _row(found, one, then.get(found.project, {}), front.get(one.technique, ()))
            for one in found.rows
        ]
        notes += [f"{found.project}: {said}" for said in found.cautions]
    shown, left = first(rows, _SHOWN)
    columns = (
        "project", "technique", "runs (before)", "quality (before)", "gain on the baseline",
        "time (before)", "peak memory", "energy (before)", "unbeaten in quality and",
    )  # fmt: skip
    table = Table("Medians of repeats", columns, shown, SOURCE,
                  "No run that finished in this time names a technique.", left)  # fmt: skip
    reading = (
        "A figure is the median of its runs; behind it stands between what half of them lie (of "
        "two or three runs: the least and the greatest). Gain is the difference of two medians. "
        "What is unbeaten has no technique beside it that is as good in both and better in one.",
    )
    return Section("techniques", "Techniques and what they cost", _figures(costs, before),
                   tables=(table,), notes=(*(reading if rows else ()), *notes[:12]))  # fmt: skip


def _repeats(asked: Asked, judged: Sequence[Primary], window: Window) -> tuple[Repeats, ...]:
    since, until = (one.strftime("%Y-%m-%dT%H:%M:%SZ") for one in (window.since, window.until))
    query = f"started_at >= '{since}' and started_at < '{until}'"
    return repeats_of(asked.mirror, judged, query)


def _figures(
    costs: Sequence[ProjectCosts], before: Sequence[ProjectCosts]
) -> tuple[Figure, Figure]:
    def tried(some: Sequence[ProjectCosts]) -> int:
        return sum(len(one.rows) for one in some)

    def runs(some: Sequence[ProjectCosts]) -> int:
        return sum(row.runs for one in some for row in one.rows)

    return (
        Figure("Techniques tried", tried(costs), tried(before), SOURCE),
        Figure("Finished runs of them", runs(costs), runs(before), SOURCE),
    )


def _fronts(repeats: Repeats) -> dict[str, tuple[str, ...]]:
    """Return by technique in which costs nothing beats it."""
    found: dict[str, tuple[str, ...]] = {}
    for axis, word in _AXES:
        for point in trade(repeats, axis, "quality").front:
            found[point.technique] = (*found.get(point.technique, ()), word)
    return found


def _row(
    costs: ProjectCosts, one: TechniqueCost, before: Before, front: Sequence[str]
) -> tuple[str, ...]:
    then = before.get(one.technique)
    name = f"{one.technique} (baseline)" if one.baseline else one.technique
    energy = _told(one.joules, "J", then.joules if then else None)
    if one.energy_quality == "estimated":
        energy += ", estimated"
    return (
        costs.project, name, f"{one.runs:,} ({then.runs if then else 0:,})",
        f"{costs.metric} {_told(one.quality, '', then.quality if then else None)}",
        _gain(costs, one), _told(one.seconds, "s", then.seconds if then else None),
        _told(one.peak_bytes, "bytes"), energy, ", ".join(front) or "–",
    )  # fmt: skip


def _told(spread: Spread, unit: Unit, before: Spread | None = None) -> str:
    if spread.median is None:
        return "not known"
    said = _number(spread.median, unit)
    if spread.low is not None and spread.high is not None and spread.low < spread.high:
        said += f", {_number(spread.low, unit)} to {_number(spread.high, unit)}"
    if before is not None and before.median is not None:
        said += f" ({_number(before.median, unit)})"
    return said


def _number(value: float, unit: Unit) -> str:
    return told(value, unit) if unit else f"{value:.4g}"


def _gain(costs: ProjectCosts, one: TechniqueCost) -> str:
    base = [row.quality.median for row in costs.rows if row.baseline]
    if one.baseline:
        return "–"
    if not base or base[0] is None or one.quality.median is None:
        return "not known: no baseline" if not base else "not known"
    return gained(one.quality.median - base[0], costs.goal)


def gained(change: float, goal: Goal) -> str:
    """Return a change of a figure with a sign and a word."""
    if not change:
        return "unchanged"
    return f"{change:+.4g}, {'better' if (change > 0) == (goal == 'max') else 'worse'}"

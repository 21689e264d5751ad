"""``mlops runs techniques``: what techniques gain and cost, and which of them nothing beats."""

import math
from collections.abc import Sequence

import click

from services.commands.output import json_option, number, print_json, print_table, say, sentences
from services.errors import InputError
from services.mirror.main_metric import Primary
from services.mirror.models import ProjectSummary, TechniqueRow
from services.mirror.projects import goal_of
from services.mirror.queries import Mirror
from services.telemetry.economics import (
    AXES,
    SORTS,
    Axis,
    ProjectCosts,
    Repeats,
    Spread,
    TechniqueCost,
    ordered,
    technique_costs,
)
from services.telemetry.repeats import repeats_of
from services.telemetry.trades import Point, Trade, trade

_KEYS = {"peak_bytes": "peak_memory_bytes", "joules": "energy_j", "per_joule": "quality_per_joule"}
"""Figure → its key in JSON, where it is another."""


@click.command()
@click.option("--project", help="One project's id; without it every project with a main metric.")
@click.option("--metric", help="Another metric than the project's main one; needs --project.")
@click.option("--filter", "query", default="", help="For example: started_at > -7d and lora")
@click.option(
    "--sort",
    default="quality",
    show_default=True,
    help=f"{', '.join(SORTS)}: best first; with a - before it worst first.",
)
@click.option(
    "--pareto",
    metavar="X,Y",
    help="Two of quality, seconds, peak_bytes, joules: who is beaten in both by whom.",
)
@json_option
@sentences
def techniques(
    *,
    project: str | None,
    metric: str | None,
    query: str,
    sort: str,
    pareto: str | None,
    as_json: bool,
) -> None:
    """Compare techniques: quality, seconds, peak memory, joules, quality per joule."""
    from services.settings import Settings

    if sort.removeprefix("-") not in SORTS:
        raise InputError(f"{sort[:40]!r} is no order.", f"Orders are {', '.join(SORTS)}.")
    axes = _axes(pareto) if pareto is not None else None
    mirror = Mirror.open(Settings())
    found = repeats_of(mirror, _judged(mirror, project, metric), query)
    if axes is not None:
        _print_trades([trade(repeats, *axes) for repeats in found], as_json=as_json)
    else:
        _print_costs(mirror, found, query, sort, as_json=as_json)


def _axes(text: str) -> tuple[Axis, Axis]:
    named = [part.strip() for part in text.split(",")]
    known: list[Axis] = [axis for name in named for axis in AXES if axis == name]
    if len(named) != 2 or len(set(known)) != 2:
        raise InputError(
            f"--pareto wants two different figures, not {text[:60]!r}.",
            "For example: --pareto joules,quality",
        )
    return known[0], known[1]


def _judged(mirror: Mirror, project: str | None, metric: str | None) -> list[Primary]:
    if project is None:
        if metric is not None:
            raise InputError("--metric is of one project.", "Name it with --project.")
        return [_primary(p, p.primary_metric) for p in mirror.projects() if p.primary_metric]
    found = mirror.project(project)
    chosen = metric or found.primary_metric
    if chosen is None:
        raise InputError(f"{found.id} declares no main metric.", "Name one with --metric.")
    return [_primary(found, chosen)]


def _primary(project: ProjectSummary, metric: str) -> Primary:
    own = metric == project.primary_metric
    return Primary(project.id, metric, project.goal if own else goal_of(metric))


# What techniques cost


def _print_costs(
    mirror: Mirror, found: Sequence[Repeats], query: str, sort: str, *, as_json: bool
) -> None:
    projects = []
    for repeats in found:
        rows = mirror.leaderboard(repeats.project, repeats.metric, query)
        projects.append((technique_costs(repeats), {row.technique: row for row in rows}))
    if as_json:
        print_json({"projects": [_costs_shape(costs, rows, sort) for costs, rows in projects]})
        return
    columns = ["project", "technique", "runs", "metric", "mean", "seconds", "peak memory bytes"]
    columns += ["joules", "energy is", "quality per joule", "conditions", "ran on"]
    cells = [
        _cells(costs, row, rows.get(row.technique))
        for costs, rows in projects
        for row in _sorted(costs, rows, sort)
    ]
    print_table(columns, cells, "No finished run names a technique (the tag mlops.technique).")
    for costs, _ in projects:
        for sentence in _cautions(costs):
            say(f"{costs.project}: {sentence}", err=True)


def _sorted(
    costs: ProjectCosts, rows: dict[str, TechniqueRow], sort: str
) -> tuple[TechniqueCost, ...]:
    return ordered(costs, sort, {name: row.mean for name, row in rows.items()})


def _cells(costs: ProjectCosts, row: TechniqueCost, mean: TechniqueRow | None) -> list[str]:
    figures = (row.seconds, row.peak_bytes, row.joules)
    return [
        costs.project,
        f"{row.technique} (baseline)" if row.baseline else row.technique,
        str(row.runs),
        costs.metric,
        "not logged" if mean is None else number(mean.mean),
        *(_told(figure, row.runs) for figure in figures),
        row.energy_quality,
        _told(row.per_joule, row.runs),
        row.standing,
        ", ".join(name for name, _ in row.machines) or "not known",
    ]


def _told(spread: Spread, total: int) -> str:
    if spread.median is None:
        return "unavailable"
    around = "" if spread.low is None else f" ({number(spread.low)}–{number(spread.high)})"
    part = f", {spread.runs} of {total}" if spread.runs < total else ""
    return f"{number(spread.median)}{around}{part}"


def _cautions(costs: ProjectCosts) -> list[str]:
    told = [*costs.cautions]
    for row in costs.rows:
        if row.unlike:
            told.append(f"The runs of “{row.technique}” were {', and '.join(row.unlike)}.")
        told += [
            f"{runs} of {row.runs} runs of “{row.technique}” have no {name}: {reason}."
            for name in ("seconds", "peak_bytes", "joules", "per_joule")
            for reason, runs in row.of(name).missing
            if name != "per_joule" or reason not in dict(row.joules.missing)
        ]
    return told


def _costs_shape(
    costs: ProjectCosts, rows: dict[str, TechniqueRow], sort: str
) -> dict[str, object]:
    return {
        "project": costs.project,
        "metric": costs.metric,
        "goal": costs.goal,
        "memory_of": costs.memory,
        "runs_without_technique": costs.unnamed,
        "cautions": list(costs.cautions),
        "techniques": [
            _row_shape(row, rows.get(row.technique)) for row in _sorted(costs, rows, sort)
        ],
    }


def _row_shape(row: TechniqueCost, mean: TechniqueRow | None) -> dict[str, object]:
    known = mean is not None and not math.isnan(mean.mean)
    return {
        "technique": row.technique,
        "baseline": row.baseline,
        "runs": row.runs,
        "mean": mean.mean if mean and known else None,
        "mean_low": mean.low if mean and known else None,
        "mean_high": mean.high if mean and known else None,
        "best_run_id": mean.best_run_id if mean else None,
        **{
            _KEYS.get(name, name): spread_shape(row.of(name))  # type: ignore[arg-type]  # a figure
            for name in (*AXES, "per_joule")
        },
        "energy_quality": row.energy_quality,
        "energy_qualities": dict(row.energy),
        "machines": dict(row.machines),
        "conditions": row.standing,
        "unlike": list(row.unlike),
        "runs_of_unknown_conditions": row.unknown,
    }


def spread_shape(spread: Spread) -> dict[str, object]:
    """Return a spread in the documented JSON shape."""
    return {
        "median": spread.median,
        "low": spread.low,
        "high": spread.high,
        "runs": spread.runs,
        "missing": dict(spread.missing),
    }


# Trade-offs


def _print_trades(trades: Sequence[Trade], *, as_json: bool) -> None:
    if as_json:
        print_json({"projects": [_trade_shape(one) for one in trades]})
        return
    x, y = (trades[0].x, trades[0].y) if trades else ("", "")
    cells = [
        [one.project, p.technique, _standing(p), *(_told(s, p.runs) for s in (p.x, p.y))]
        for one in trades
        for p in sorted(one.points, key=lambda p: not p.front)
    ]
    columns = ["project", "technique", "standing", f"{x} (of the runs with both)", y]
    print_table(columns, cells, "No technique has runs with both figures.")
    for one in trades:
        for axis, reason, runs in one.left_out:
            say(f"{one.project}: {runs} runs have no {axis}: {reason}.", err=True)


def _standing(point: Point) -> str:
    return "on the front" if point.front else f"beaten by {', '.join(point.beaten_by)}"


def _trade_shape(one: Trade) -> dict[str, object]:
    return {
        "project": one.project,
        "metric": one.metric,
        "goal": one.goal,
        "memory_of": one.memory,
        "x": one.x,
        "y": one.y,
        "points": [
            {
                "technique": p.technique,
                "baseline": p.baseline,
                "runs": p.runs,
                "front": p.front,
                "beaten_by": list(p.beaten_by),
                "energy_quality": p.energy,
                "x": spread_shape(p.x),
                "y": spread_shape(p.y),
            }
            for p in one.points
        ],
        "left_out": [
            {"figure": axis, "reason": reason, "runs": runs} for axis, reason, runs in one.left_out
        ],
        "runs_without_technique": one.unnamed,
    }

"""``mlops objectives``: what deployments promise, and how they stand."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from services.commands.output import json_option, print_json, print_table, sentences
from services.monitoring.metrics import METRICS

if TYPE_CHECKING:
    from services.actions.objectives import SetObjective
    from services.monitoring.metrics import Metric
    from services.objectives.models import Standing

_KIND = click.Choice(["errors", "availability", "latency", "accuracy"])
_named = click.argument("name", metavar="PROJECT[/MODEL]")


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def objectives(ctx: click.Context, *, as_json: bool) -> None:
    """Objectives: list them and how deployments stand, set, remove."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(show, project=None, as_json=as_json)


@objectives.command("list")
@click.option("--project", help="Only of this one.")
@json_option
@sentences
def show(*, project: str | None, as_json: bool) -> None:
    """How each deployment stands: what was kept, what is left of the budget, how fast it burns."""
    from services.commands.acting import context
    from services.home import Home
    from services.objectives import standing

    here = context()
    if project is not None:
        here.mirror.project(project)
    found = standing(Home.locate(), here.journal, project)
    if as_json:
        print_json([shape(one) for one in found])
        return
    columns = ["deployment", "objective", "state", "achieved", "budget left", "burns", "said"]
    print_table(columns, [_row(one) for one in found], "Nothing is in service.")


@objectives.command("set")
@_named
@click.option("--errors", type=float, metavar="PERCENT", help="The most of requests that may fail.")
@click.option("--availability", type=float, metavar="PERCENT",
              help="The least of minutes in service.")  # fmt: skip
@click.option("--latency", type=float, metavar="MS", help="Within which answers must come.")
@click.option("--quantile", type=float, default=95.0, show_default=True, metavar="PERCENT",
              help="Of answers that must come within --latency.")  # fmt: skip
@click.option("--accuracy", type=float, metavar="SHARE", help="The least accuracy, 0 to 1.")
@click.option("--mae", type=float, metavar="FIGURE", help="The greatest mean absolute error.")
@click.option("--metric", type=click.Choice(METRICS), help="Of --least or --most.")
@click.option("--least", type=float, metavar="SHARE", help="The least of --metric, 0 to 1.")
@click.option("--most", type=float, metavar="FIGURE",
              help="The greatest of --metric, in the label's unit.")  # fmt: skip
@click.option("--days", type=int, default=30, show_default=True, help="Over which it counts.")
@sentences
def put(
    *,
    name: str,
    errors: float | None,
    availability: float | None,
    latency: float | None,
    quantile: float,
    accuracy: float | None,
    mae: float | None,
    metric: "Metric | None",
    least: float | None,
    most: float | None,
    days: int,
) -> None:
    """Set what a model promises, or all models of a project that have nothing of their own."""
    from services.commands.acting import act
    from services.errors import InputError

    given = {
        "errors": errors, "availability": availability, "latency": latency,
        "accuracy": accuracy, "mae": mae, "least": least, "most": most,
    }  # fmt: skip
    said = [(kind, value) for kind, value in given.items() if value is not None]
    if len(said) != 1:
        raise InputError(
            "Name one of --errors, --availability, --latency, --accuracy, --mae, and --metric "
            "with --least or --most."
        )
    kind, value = said[0]
    if kind in ("least", "most"):
        kind = _of_bound(metric, kind)
    elif metric is not None:
        raise InputError("--metric goes with --least or --most.")
    act(_action(name, kind, value, quantile, days))


@objectives.command()
@_named
@click.argument("objective", type=_KIND)
@sentences
def remove(*, name: str, objective: str) -> None:
    """Take back what was set; what is more general counts then: of the project, the default."""
    from services.actions.objectives import RemoveObjective
    from services.commands.acting import act

    project, model = _split(name)
    act(RemoveObjective(project, objective, model))  # type: ignore[arg-type]  # click let one of them pass


@objectives.command()
@click.argument("name", metavar="PROJECT/MODEL")
@click.option("--days", type=click.IntRange(1, 30), default=30, show_default=True)
@json_option
@sentences
def hardware(*, name: str, days: int, as_json: bool) -> None:
    """What the machine did to answers: latency and energy by its thermal level, memory, power."""
    import time
    from dataclasses import asdict

    from services.commands.acting import context
    from services.commands.endpoint_names import endpoint
    from services.home import Home
    from services.objectives import hosts

    asked = endpoint(name)
    context().mirror.project(asked.project)
    home, of, now = Home.locate(), (asked.project, asked.model), time.time()
    since = now - days * 86_400.0
    states = hosts.by_state(home, *of, since, now)
    spent = hosts.efficiency(home, *of, since, now, now - since)
    whole = spent[0] if spent else hosts.Efficiency(since, 0, None, 0)
    why = {factor: states.why_none(factor) for factor in hosts.FACTORS if not states.of(factor)}
    if as_json:
        levels = [asdict(one) | {"word": one.word} for one in states.levels]
        energy = {"rows": whole.rows, "energy_j": whole.energy_j, "energy_rows": whole.energy_rows}
        more = {"per_watt": whole.per_watt, "per_thousand_j": whole.per_thousand_j}
        told = {"requests": states.requests, "levels": levels, "unavailable": why}
        print_json(told | energy | more)
        return
    columns = ["state of the machine", "level", "answers", "p50 ms", "p95 ms", "J of 1,000"]
    rows = [
        [hosts.FACTORS[one.factor], f"{one.level} ({one.word})", f"{one.requests:,}",
         f"{one.p50_ms:.3g}", f"{one.p95_ms:.3g}",
         "–" if one.energy_j is None else f"{one.energy_j * 1000:.3g}"]
        for one in states.levels
    ]  # fmt: skip
    print_table(columns, rows, "No answer says how its machine was.")
    for factor, said in why.items():
        click.echo(f"{hosts.FACTORS[factor]}: unavailable, because {said}")
    if whole.per_watt is None:
        click.echo(f"Throughput per watt: unavailable, because {hosts.NO_ENERGY}")
    else:
        click.echo(f"Throughput per watt: {whole.per_watt:.3g} predictions a second.")


def _split(name: str) -> tuple[str, str]:
    from services.commands.endpoint_names import endpoint

    if "/" not in name and "." not in name:
        return name, ""
    found = endpoint(name)
    return found.project, found.model


def _of_bound(metric: "Metric | None", way: str) -> str:
    """Return the measure that a bound is of.

    Raises:
        InputError: There is none, or it is better the other way.
    """
    from services.errors import InputError
    from services.monitoring import metrics

    if metric is None:
        raise InputError(f"--{way} says nothing without --metric.", "One of " + ", ".join(METRICS))
    right = "least" if metrics.is_share(metric) else "most"
    if way != right:
        better = "More" if right == "least" else "Less"
        raise InputError(f"{better} {metrics.NAMES[metric]} is better.", f"Say --{right}.")
    return metric


def _action(name: str, kind: str, value: float, quantile: float, days: int) -> "SetObjective":
    from services.actions.objectives import SetObjective

    project, model = _split(name)
    if kind == "errors":
        return SetObjective(project, "errors", round(1 - value / 100, 8), model, days)
    if kind == "availability":
        return SetObjective(project, "availability", round(value / 100, 8), model, days)
    if kind == "latency":
        return SetObjective(project, "latency", round(quantile / 100, 8), model, days, value)
    return SetObjective(project, "accuracy", value, model, days, metric=kind)  # type: ignore[arg-type]  # a measure, as click let it pass


def shape(one: "Standing") -> dict[str, Any]:
    """Return a standing in the documented JSON shape."""
    promised = one.objective
    return {
        "deployment": one.name,
        "project": one.project,
        "model": one.model,
        "objective": promised.kind,
        "target": promised.target,
        "bound_ms": promised.bound_ms,
        "metric": promised.metric if promised.kind == "accuracy" else None,
        "days": promised.days,
        "source": promised.source,
        "set_by": promised.set_by or None,
        "version": one.version,
        "state": one.state,
        "achieved": one.achieved,
        "low": one.low,
        "high": one.high,
        "requests": one.requests,
        "bad": one.bad,
        "unwatched": one.unwatched,
        "budget_left": one.budget_left,
        "spent": one.spent,
        "burns": [
            {
                "long_s": burn.long_s, "short_s": burn.short_s, "bound": burn.bound,
                "long": burn.long, "short": burn.short, "state": burn.state,
                "severity": burn.severity,
            }
            for burn in one.burns
        ],
        "since": None if one.since is None else datetime.fromtimestamp(one.since, UTC),
        "said": one.said,
    }  # fmt: skip


def _row(one: "Standing") -> list[str]:
    from services.objectives.models import share, span

    promised = one.objective
    achieved = "–"
    if one.achieved is not None:
        accuracy = promised.kind == "accuracy"
        achieved = f"{one.achieved:.4g}" if accuracy else share(one.achieved)
    left = "–" if one.budget_left is None else f"{one.budget_left * 100:.0f} %"
    rates = ", ".join(
        f"{burn.long:.2g} in {span(burn.long_s)}" for burn in one.burns if burn.long is not None
    )
    return [one.name, promised.said, one.state, achieved, left, rates or "–", one.said]

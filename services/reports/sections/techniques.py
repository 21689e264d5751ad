"""Techniques: what they gain and what they cost, of the runs of the stretch."""

from services.mirror.main_metric import Primary
from services.reports.models import Asked, Section, Table, first
from services.telemetry.economics import Spread, TechniqueCost, technique_costs
from services.telemetry.repeats import repeats_of

SOURCE = "MLflow and the telemetry of each run, by the mirror"


def section(asked: Asked) -> Section:
    """Return the section."""
    judged = [
        Primary(one.id, one.primary_metric, one.goal)
        for one in asked.mirror.projects(asked.projects)
        if one.primary_metric
    ]
    since, until = (one.strftime("%Y-%m-%dT%H:%M:%SZ") for one in
                    (asked.window.since, asked.window.until))  # fmt: skip
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    query = f"started_at >= '{since}' and started_at < '{until}'"
    for repeats in repeats_of(asked.mirror, judged, query):
        costs = technique_costs(repeats)
        rows += [_row(costs.project, costs.metric, one) for one in costs.rows]
        notes += [f"{costs.project}: {said}" for said in costs.cautions]
    shown, left = first(rows, 60)
    columns = ("project", "technique", "runs", "metric", "quality", "seconds", "joules",
               "energy is")  # fmt: skip
    table = Table("Medians of repeats", columns, shown, SOURCE,
                  "No run that finished in this time names a technique.", left)  # fmt: skip
    return Section("techniques", "Techniques and what they cost", tables=(table,),
                   notes=tuple(notes[:12]))  # fmt: skip


def _row(project: str, metric: str, one: TechniqueCost) -> tuple[str, ...]:
    name = f"{one.technique} (baseline)" if one.baseline else one.technique
    figures = (_told(each) for each in (one.quality, one.seconds, one.joules))
    return (project, name, f"{one.runs:,}", metric, *figures, one.energy_quality)


def _told(spread: Spread) -> str:
    if spread.median is None:
        return "not known"
    if spread.low is None or spread.high is None:
        return f"{spread.median:.4g}"
    return f"{spread.median:.4g} ({spread.low:.4g}–{spread.high:.4g})"

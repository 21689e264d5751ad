"""``mlops runs``: the runs of all projects, from the mirror."""

import click

from services.commands.output import (
    json_option,
    moment,
    number,
    print_json,
    print_table,
    sentences,
)
from services.commands.techniques import techniques
from services.mirror.main_metric import MAIN_METRIC
from services.mirror.models import Run, RunDetail, RunQuery
from services.mirror.queries import Mirror


def _mirror() -> Mirror:
    from services.settings import Settings

    return Mirror.open(Settings())


def shape(detail: RunDetail) -> dict[str, object]:
    """Return a run in the documented JSON shape."""
    run = detail.run
    return {
        "run_id": run.run_id,
        "project": run.project,
        "name": run.name,
        "status": run.status,
        "status_reason": run.status_reason,
        "technique": run.technique,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "metrics": dict(run.metrics),
        "params": dict(run.params),
        "tags": dict(run.tags),
        "energy_j": run.metrics.get("system/energy_j"),
        "energy_quality": run.tags.get("mlops.energy.quality", "unavailable"),
        "energy_boundary": run.tags.get("mlops.energy.boundary"),
        "energy_reason": run.tags.get("mlops.energy.reason"),
        "duration_s": run.duration_s,
        "peak_memory_bytes": run.metrics.get("system/peak_memory_bytes"),
        "mlx_peak_bytes": run.metrics.get("system/mlx_peak_bytes"),
        "data_revision": run.tags.get("mlops.data.revision"),
        "git_commit": run.tags.get("mlops.git.commit"),
        "versions": list(detail.versions),
    }


@click.group()
def runs() -> None:
    """Runs of all projects: list, show, compare, techniques."""


runs.add_command(techniques)


@runs.command("list")
@click.option("--project", help="One project's id.")
@click.option("--filter", "query", default="", help="For example: metrics.loss < 0.2 and lora")
@click.option(
    "--sort",
    default="started_at",
    show_default=True,
    help="A field, e.g. metrics.loss, or main_metric.",
)
@click.option("--ascending", is_flag=True, help="Smallest (main_metric: worst) first.")
@click.option("--archived", is_flag=True, help="The archived runs instead.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@click.option("--offset", default=0, show_default=True, type=click.IntRange(0))
@json_option
@sentences
def list_runs(
    *,
    project: str | None,
    query: str,
    sort: str,
    ascending: bool,
    archived: bool,
    limit: int,
    offset: int,
    as_json: bool,
) -> None:
    """List runs, newest first."""
    mirror = _mirror()
    sort = sort.removeprefix("-")  # the addresses' way of saying "largest first"
    judged = _judged(mirror) if sort == MAIN_METRIC else {}
    by_field = (sort,) if "." in sort else ()
    page = mirror.runs(
        RunQuery(
            filter=query,
            project=project,
            sort=sort,
            descending=not ascending,
            archived=archived,
            limit=limit,
            offset=offset,
            columns=by_field or tuple({f"metrics.{name}" for name in judged.values()}),
        )
    )
    if project is not None and not page.total:
        mirror.project(project)
    if as_json:
        rows = [shape(mirror.run(run.run_id)) for run in page.rows]
        print_json({"total": page.total, "as_of": page.as_of, "rows": rows})
        return
    columns = ["run", "project", "name", "status", "technique", "started", *by_field]
    cells = [_row(run) + [_brought(run)] * len(by_field) for run in page.rows]
    if judged:
        columns += ["main metric", "value"]
        for row, run in zip(cells, page.rows, strict=True):
            row += _main(run, judged.get(run.project))
    empty = "No run matches." if query or project else "No project has trained yet."
    print_table(columns, cells, empty)


def _judged(mirror: Mirror) -> dict[str, str]:
    """Return each project's primary metric; those that declare none are not in it."""
    found = ((project.id, project.primary_metric) for project in mirror.projects())
    return {project: metric for project, metric in found if metric}


def _row(run: Run) -> list[str]:
    cells = [run.run_id, run.project, run.name, run.status, run.technique or "–"]
    return [*cells, moment(run.started_at)]


def _brought(run: Run) -> str:
    """Return the one value that was asked for."""
    values = [*map(number, run.metrics.values()), *run.params.values(), *run.tags.values()]
    return (values or ["–"])[0]


def _main(run: Run, metric: str | None) -> tuple[str, str]:
    value = run.metrics.get(metric) if metric else None
    return metric or "–", "–" if value is None else number(value)


@runs.command()
@click.argument("run_id")
@json_option
@sentences
def show(*, run_id: str, as_json: bool) -> None:
    """Show one run: parameters, last metrics, where it ran."""
    detail = _mirror().run(run_id)
    if as_json:
        print_json(shape(detail))
        return
    run = detail.run
    rows = [
        ("run", run.run_id),
        ("project", run.project),
        ("name", run.name),
        ("status", f"{run.status} {run.status_reason}".strip()),
        ("technique", run.technique or "–"),
        ("started", moment(run.started_at)),
        ("ended", moment(run.ended_at)),
        *((f"param {name}", value) for name, value in sorted(run.params.items())),
        *((f"metric {name}", number(value)) for name, value in sorted(run.metrics.items())),
        *((f"tag {name}", value) for name, value in sorted(run.tags.items())),
        *(("version", name) for name in detail.versions),
    ]
    print_table(["", ""], [[name, value] for name, value in rows], "")


@runs.command()
@click.argument("run_ids", nargs=-1, required=True)
@json_option
@sentences
def compare(*, run_ids: tuple[str, ...], as_json: bool) -> None:
    """Compare runs against the first: only what differs."""
    from services.errors import InputError

    if not 2 <= len(run_ids) <= 20:
        raise InputError("Two to twenty runs can be compared.", "Give their ids, base first.")
    mirror = _mirror()
    details = [mirror.run(run_id) for run_id in run_ids]
    rows = []
    for kind in ("params", "metrics"):
        values = [dict(getattr(detail.run, kind)) for detail in details]
        for name in sorted({name for value in values for name in value}):
            cells = [value.get(name) for value in values]
            if any(not _alike(cell, cells[0]) for cell in cells):
                rows.append((f"{kind}.{name}", cells))
    if as_json:
        differences = {name: dict(zip(run_ids, cells, strict=True)) for name, cells in rows}
        print_json({"base": run_ids[0], "runs": list(run_ids), "differences": differences})
        return
    shown = [[name, *(_cell(cell) for cell in cells)] for name, cells in rows]
    titles = [detail.run.name or detail.run.run_id[:8] for detail in details]
    print_table(["", *titles], shown, "The runs do not differ.")


def _alike(one: object, other: object) -> bool:
    """Return whether two values are the same; NaN is no difference from NaN, though ``!=`` it."""
    return one == other or (one != one and other != other)


def _cell(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value if value is not None else "–")

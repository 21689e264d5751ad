"""``mlops projects``: what there is, how well it keeps the contract, and adding one."""

from pathlib import Path

import click

from services.commands.acting import act
from services.commands.output import json_option, number, print_json, print_table, sentences
from services.mirror.models import ProjectSummary
from services.mirror.queries import Mirror


def _mirror() -> Mirror:
    from services.settings import Settings

    return Mirror.open(Settings())


def shape(project: ProjectSummary) -> dict[str, object]:
    """Return a project in the documented JSON shape."""
    return {
        "id": project.id,
        "title": project.title,
        "path": project.path,
        "state": project.state,
        "conformance": project.conformance,
        "reasons": list(project.reasons),
        "runs": project.runs,
        "models": project.models,
        "deployments": 0,
        "kind": project.kind,
        "priority": project.priority,
        "primary_metric": project.primary_metric,
        "best": project.best,
    }


@click.group()
def projects() -> None:
    """Projects: list, add, show, check."""


@projects.command("list")
@json_option
@sentences
def list_projects(*, as_json: bool) -> None:
    """List the projects."""
    found = _mirror().projects()
    if as_json:
        print_json([shape(project) for project in found])
        return
    rows = [
        [
            project.id,
            project.state,
            "–" if project.conformance is None else f"{project.conformance:.0%}",
            str(project.runs),
            str(project.models),
            number(project.best.value if project.best else None),
            project.primary_metric or "–",
            " ".join(project.reasons),
        ]
        for project in found
    ]
    columns = ["project", "state", "conformance", "runs", "models", "best", "metric", ""]
    print_table(columns, rows, "There is no project yet: `mlops projects add PATH` adds one.")


@projects.command()
@click.argument("project_id")
@json_option
@sentences
def show(*, project_id: str, as_json: bool) -> None:
    """Show one project."""
    from services.projects.contract import valid_id

    project = _mirror().project(valid_id(project_id))
    if as_json:
        print_json(shape(project))
        return
    champion = project.champion
    rows = [
        ["title", project.title],
        ["folder", project.path],
        ["state", project.state],
        ["runs", str(project.runs)],
        ["best", number(project.best.value if project.best else None)],
        ["champion", f"{champion.name}:{champion.version}" if champion else "–"],
        *(["gate", f"{metric} {bound}"] for metric, bound in project.gates.items()),
        *(["reason", reason] for reason in project.reasons),
    ]
    print_table(["", ""], rows, "")


@projects.command()
@click.argument("project_id")
@json_option
@sentences
def check(*, project_id: str, as_json: bool) -> None:
    """Say which conformance checks hold, and how to mend the others; exit 1 if any fails."""
    from services.projects.contract import valid_id

    project = _mirror().project(valid_id(project_id))
    if as_json:
        print_json([{"what": w, "holds": h, "mend": m} for w, h, m in project.checks])
    else:
        rows = [["ok" if h else "no", w, "" if h else m] for w, h, m in project.checks]
        print_table(["", "check", "mend"], rows, "")
    if not all(holds for _, holds, _ in project.checks):
        raise SystemExit(1)


@projects.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Write the proposed table without asking.")
@sentences
def add(*, path: Path, yes: bool) -> None:
    """Register the project in PATH; a folder without [tool.mlops] is offered one."""
    from services.actions.register_project import RegisterProject
    from services.projects import adoption, discovery
    from services.projects.contract import look, require

    folder = discovery.resolved(path.expanduser())
    if not look(folder).table:
        table = adoption.propose(folder)
        click.echo(f"{folder} has no [tool.mlops] table. Proposed:\n\n{table}")
        if not yes and not click.confirm("Add it to its pyproject.toml?"):
            raise SystemExit(1)
        adoption.adopt(folder, table)
    contract = require(folder)
    act(RegisterProject(str(folder), contract.id))
    click.echo("It is connected within seconds: `mlops projects show " + contract.id + "`")

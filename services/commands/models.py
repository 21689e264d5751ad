"""``mlops models``: the registry of all projects."""

from typing import TYPE_CHECKING

import click

from services.commands.acting import act
from services.commands.output import (
    json_option,
    moment,
    number,
    print_json,
    print_table,
    sentences,
)
from services.errors import InputError, NotFoundError
from services.lineage.models import Ref, numbered
from services.mirror.models import RegisteredModel
from services.mirror.queries import Mirror

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.lineage.flagged import Flags


def _mirror() -> Mirror:
    from services.platform.configuration import load_settings

    return Mirror.open(load_settings())


def find(name: str, project: str | None) -> RegisteredModel:
    """Return a model by name; the project must be told only when two have one of that name.

    Raises:
        NotFoundError: There is none.
        InputError: Several projects have one.
    """
    found = [model for model in _mirror().models(project) if model.name == name]
    if not found:
        raise NotFoundError(f"There is no model {name[:80]!r}.", "`mlops models list`")
    if len(found) > 1:
        owners = ", ".join(model.project for model in found)
        raise InputError(f"Several projects have a model {name}: {owners}.", "Give --project.")
    return found[0]


def suspect() -> "Mapping[Ref, Flags]":
    """Return by version why it is suspect: it, or what it came from, is marked as bad.

    Raises:
        PlatformError: The mirror, the journal or a data repository cannot be read.
    """
    from services.commands.acting import context
    from services.home import Home
    from services.lineage import flagged
    from services.lineage.asking import Lineage

    here = context()
    asked = Lineage(Home.locate(), here.mirror, here.journal, here.data)
    return flagged.of_versions(asked.spoilt()) if asked.marks() else {}


def shape(model: RegisteredModel, flags: "Mapping[Ref, Flags]") -> dict[str, object]:
    """Return a model in the documented JSON shape."""
    from services.lineage import flagged

    keys = ("version", "aliases", "run_id", "data_revision", "format", "metrics", "created_at")
    return {
        "name": model.name,
        "project": model.project,
        "versions": [
            {k: getattr(v, k) for k in keys}
            | flagged.as_json(
                flags.get(numbered("version", model.project, model.name, v.version), ())
            )
            for v in model.versions
        ],
    }


@click.group()
def models() -> None:
    """Registered models: list, show, promote, rollback."""


@models.command("list")
@click.option("--project", help="One project's id.")
@json_option
@sentences
def list_models(*, project: str | None, as_json: bool) -> None:
    """List the models of all projects."""
    mirror = _mirror()
    found = mirror.models(project)
    if project is not None and not found:
        mirror.project(project)
    if as_json:
        flags = suspect()
        print_json([shape(model, flags) for model in found])
        return
    rows = []
    for model in found:
        champion = model.with_alias("champion")
        newest = model.versions[0] if model.versions else None
        rows.append(
            [
                model.name,
                model.project,
                str(len(model.versions)),
                str(champion.version) if champion else "–",
                str(newest.version) if newest else "–",
                (newest.format if newest else None) or "–",
                moment(newest.created_at if newest else None),
            ]
        )
    columns = ["model", "project", "versions", "champion", "newest", "format", "created"]
    print_table(columns, rows, "No model is registered yet.")


@models.command()
@click.argument("name")
@click.option("--project")
@json_option
@sentences
def show(*, name: str, project: str | None, as_json: bool) -> None:
    """Show a model's versions."""
    model = find(name, project)
    if as_json:
        print_json(shape(model, suspect()))
        return
    rows = [
        [
            str(version.version),
            ", ".join(version.aliases),
            version.technique or "–",
            "  ".join(f"{key} {number(value)}" for key, value in sorted(version.metrics.items())),
            moment(version.created_at),
        ]
        for version in model.versions
    ]
    print_table(["version", "aliases", "technique", "metrics", "created"], rows, "No version yet.")


@models.command()
@click.argument("name")
@click.argument("version", type=click.IntRange(1))
@click.option("--to", "alias", default="champion", show_default=True)
@click.option("--project")
@click.option("--override", default="", help="Why failing gates are set aside.")
@click.option("--reason", default="", help="Why, for the history; sets no gate aside.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@sentences
def promote(
    *,
    name: str,
    version: int,
    alias: str,
    project: str | None,
    override: str,
    reason: str,
    yes: bool,
) -> None:
    """Point an alias at a version that passes the gates."""
    from services.actions.promote import Promote

    act(Promote(find(name, project).project, name, version, alias, override, reason), yes=yes)


@models.command()
@click.argument("name")
@click.option("--alias", default="champion", show_default=True)
@click.option("--to", "version", type=click.IntRange(1), help="Default: the one before.")
@click.option("--project")
@click.option("--reason", default="")
@click.option("--yes", is_flag=True, help="Do not ask.")
@sentences
def rollback(
    *, name: str, alias: str, version: int | None, project: str | None, reason: str, yes: bool
) -> None:
    """Point an alias back at the version that carried it before."""
    from services.actions.promote import Rollback

    act(Rollback(find(name, project).project, name, alias, version, reason), yes=yes)

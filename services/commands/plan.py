"""``mlops plan``: what a version would take of the memory, and whether it fits."""

from typing import TYPE_CHECKING, cast

import click

from services.commands.endpoint_names import SPEC, Named, parse
from services.commands.output import json_option, print_json, say, sentences
from services.errors import PlatformError

if TYPE_CHECKING:
    from services.actions.action import Context
    from services.engines.mlflow.adapter import MLflow
    from services.serving.models import Target
    from services.serving.workbench import Outlook

_BACKENDS = click.Choice(["mlx", "mps", "cuda", "cpu"])


@click.command()
@click.argument("name", metavar=SPEC)
@click.option("--replicas", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--backend", type=_BACKENDS, help="Default: by the rule.")
@click.option("--max-batch", type=click.IntRange(1, 4096), default=32, show_default=True)
@click.option("--trial", is_flag=True, help="Load it once and measure, instead of estimating.")
@json_option
@sentences
def plan(
    *, name: str, replicas: int, backend: str | None, max_batch: int, trial: bool, as_json: bool
) -> None:
    """Say what a version takes, whether it fits now, and what would make room.

    Nothing is put into service. Of a version that was never packaged the registry is asked what its
    files are; --trial packages it.
    """
    from services.actions import serving
    from services.commands.acting import context
    from services.serving.models import Target

    here, found = context(), parse(name)
    version = serving.chosen(here, found.project, found.model, found.version, found.alias)
    serving.servable(here, found.project, found.model, version)
    target = Target(version, replicas, replicas, backend, max_batch=max_batch)  # type: ignore[arg-type]  # click let one of them pass
    outlook = looked(here, found, target, trial=trial)
    if as_json:
        print_json({"project": found.project, "model": found.model, "version": version}
                   | shape(outlook))  # fmt: skip
        return
    _told(f"{found.project}/{found.model}:{version}", outlook)


def looked(here: "Context", named: Named, target: "Target", *, trial: bool) -> "Outlook":
    """Return the outlook of a version; with ``trial`` it is packaged and measured first.

    Raises:
        MlopsError: MLflow cannot tell of it; it cannot be packaged, or does not load when it is
            tried.
    """
    from pathlib import Path

    from services.actions import serving

    folder = Path(here.mirror.project(named.project).path)
    at = (named.project, named.model)
    if trial:
        if here.serving.known(*at, target.version) is None:
            here.serving.package(cast("MLflow", here.registry), folder, *at, target.version)
        here.serving.measure(folder, *at, target, serving.pinned(here))
    found = serving.outlook(here, *at, target)
    if found is None:
        raise PlatformError(
            f"MLflow has not told yet what {named.model} version {target.version} is made of.",
            "Try it again; `mlops status` says how MLflow is.",
        )
    return found


def shape(one: "Outlook") -> dict[str, object]:
    """Return an outlook in the documented JSON shape."""
    return {
        "fits": one.fits,
        "said": one.said,
        "memory_bytes": one.memory_bytes,
        "memory_said": one.estimate_said or one.memory_said,
        "error_said": one.error_said,
        "backend": one.backend,
        "backend_reason": one.backend_reason,
        "backends": one.backends,
        "free_bytes": one.free_bytes,
        "short_bytes": one.short_bytes,
        "would_make_room": one.room,
        "packaged": one.packaged,
    }


def _told(name: str, one: "Outlook") -> None:
    from services.resources.models import gib

    say(f"A replica of {name} reserves {gib(one.memory_bytes)}.")
    say(one.estimate_said or one.memory_said)
    if one.rests_on:
        say(one.rests_on)
    say(one.error_said)
    say(f"It runs on {one.backend}. {one.backend_reason}")
    say(one.said)
    for way in one.room:
        say(f"  {way}")

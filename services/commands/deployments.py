"""``mlops deployments``: the endpoints of all projects, one of them, and what was live when."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from services.commands.endpoint_names import endpoint
from services.commands.models import suspect
from services.commands.output import (
    json_option,
    moment,
    number,
    print_json,
    print_table,
    say,
    sentences,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.home import Home
    from services.lineage.flagged import Flags
    from services.lineage.models import Ref
    from services.serving.looking import Deployment, Energy, RolloutLook
    from services.serving.store import Event

_COLUMNS = [
    "endpoint", "version", "state", "backend", "replicas", "traffic", "requests/min", "p50 ms",
    "p95 ms", "p99 ms", "errors", "memory", "J/1000", "changed",
]  # fmt: skip


_DAY_S = 86_400.0


@click.command()
@click.argument("name", required=False, metavar="[PROJECT/MODEL]")
@click.option("--project", help="One project's endpoints.")
@click.option("--history", is_flag=True, help="With a name: all that happened to it.")
@json_option
@sentences
def deployments(*, name: str | None, project: str | None, history: bool, as_json: bool) -> None:
    """List the endpoints, or show one: versions, traffic, latency, memory, rollout."""
    from services.errors import InputError

    if name is None:
        if history:
            raise InputError("--history goes with the name of an endpoint.")
        _list(project, as_json=as_json)
    elif history:
        _history(name, as_json=as_json)
    else:
        _show(name, as_json=as_json)


def _list(project: str | None, *, as_json: bool) -> None:
    from services.commands.acting import context
    from services.home import Home
    from services.serving import looking

    here, home = context(), Home.locate()
    if project is not None:
        here.mirror.project(project)
    scope = None if project is None else (project,)
    found = looking.deployments(home, here.journal, scope, energy(home))
    if as_json:
        flags = suspect()
        print_json([_suspect(one, flags) for one in found])
        return
    rows = [_row(one) for one in found]
    empty = (
        "Nothing is deployed: `mlops deploy PROJECT/MODEL` puts a registered version in service."
    )
    print_table(_COLUMNS, rows, empty)
    for said in dict.fromkeys(s for one in found for s in (one.stale, one.figures_stale) if s):
        say(said, err=True)


def _suspect(one: "Deployment", flags: "Mapping[Ref, Flags]") -> dict[str, object]:
    from services.lineage import flagged
    from services.lineage.models import numbered

    found: Flags = ()
    if one.version is not None:
        found = flags.get(numbered("version", one.project, one.model, one.version), ())
    return {**one.as_json(), **flagged.as_json(found)}


def energy(home: "Home") -> "Energy":
    """Return what tells the joules of a prediction of a version over the last day."""
    from services.errors import PlatformError
    from services.predictions import reading
    from services.serving.looking import NO_ENERGY

    def told(project: str, model: str, version: int) -> tuple[float | None, str]:
        try:
            found = reading.by_version(home, project, model, time.time() - _DAY_S)
        except PlatformError as error:
            return None, error.message
        used = next((one for one in found if one.version == version), None)
        if used is None or used.energy_j is None or not used.energy_rows:
            return None, NO_ENERGY
        return used.energy_j / used.energy_rows, ""

    return told


def _row(one: "Deployment") -> list[str]:
    from services.serving import on_the_way

    return [
        one.name,
        "; ".join(on_the_way.words(one, time.time())) or str(one.version or "–"),
        one.state,
        one.backend or "–",
        _replicas(one),
        _traffic(one),
        str(one.requests),
        number(one.p50_ms),
        number(one.p95_ms),
        number(one.p99_ms),
        str(one.errors),
        _bytes(one.memory_bytes),
        number(one.energy_j_per_1000),
        moment(one.last_change),
    ]


def _traffic(one: "Deployment") -> str:
    shares = (f"v{version} {share * 100:.4g} %" for version, share in one.traffic.items())
    return ", ".join(shares) or "–"


def _replicas(one: "Deployment") -> str:
    least, most = one.min_replicas, one.max_replicas
    return f"{one.replicas} of {most if least == most else f'{least} to {most}'}"


def _bytes(count: int | None) -> str:
    from services.resources.models import gib

    return "–" if count is None else gib(count)


def _show(name: str, *, as_json: bool) -> None:
    from services.commands.acting import context
    from services.home import Home
    from services.serving import looking

    found = endpoint(name)
    here, home = context(), Home.locate()
    name = f"{found.project}.{found.model}"
    one = looking.deployment(home, here.journal, name, energy(home))
    if as_json:
        print_json({**_suspect(one, suspect()), "versions": one.versions})
        return
    _told(one)


def _told(one: "Deployment") -> None:
    from services.serving import on_the_way

    said = f": {one.said}" if one.said else "."
    say(f"{one.name} is {one.state}{said}")
    versions = on_the_way.words(one, time.time())
    if versions:
        say(f"Versions: {'; '.join(versions)}.")
    for why in (one.stale, one.figures_stale):
        if why:
            say(why)
    rows = [
        [
            str(version.version),
            on_the_way.KEPT
            if on_the_way.kept(one, version.version)
            else f"{version.phase}{' (live)' if version.live else ''}",
            f"{version.traffic * 100:.4g} %",
            f"{version.ready} of {len(version.replicas)}",
            version.backend or "–",
            str(version.figures.requests),
            number(version.figures.p50_ms),
            number(version.figures.p99_ms),
            str(version.figures.errors),
            _bytes(version.memory_bytes),
            _bytes(version.reserved_bytes or None),
        ]
        for version in one.versions
    ]
    columns = [
        "version", "state", "traffic", "ready", "backend", "requests/min", "p50 ms", "p99 ms",
        "errors", "memory", "reserved a replica",
    ]  # fmt: skip
    print_table(columns, rows, "No model server runs for it.")
    if one.backend_reason:
        say(f"It runs on {one.backend}. {one.backend_reason}")
    if one.energy_j_per_1000 is not None:
        say(f"1,000 predictions took {number(one.energy_j_per_1000)} J over the last day.")
    else:
        say(f"Energy per 1,000 predictions is not known: {one.energy_reason}")
    if one.rollout is not None:
        _rollout(one.rollout)


def _rollout(rollout: "RolloutLook") -> None:
    by = f", asked for by {rollout.actor}" if rollout.actor else ""
    verb = "is under way" if rollout.running else f"ended: {rollout.outcome}"
    say(f"The rollout of version {rollout.version} ({rollout.strategy}{by}) {verb}. {rollout.said}")
    for step in rollout.steps:
        say(f"  {step.state:8}{step.name}{f': {step.said}' if step.said else ''}")


def _history(name: str, *, as_json: bool) -> None:
    from services.commands.acting import context
    from services.serving import store

    found = endpoint(name)
    events = store.events(context().journal, f"{found.project}.{found.model}", 500)
    if as_json:
        print_json([_shape(one) for one in events])
        return
    rows = [
        [
            moment(datetime.fromtimestamp(one.at, UTC)),
            one.kind,
            "–" if one.version is None else str(one.version),
            one.actor,
            one.said,
        ]
        for one in events
    ]
    print_table(["when", "what", "version", "who", "why"], rows, "Nothing happened to it yet.")


def _shape(one: "Event") -> dict[str, object]:
    return {
        "id": one.id,
        "at": datetime.fromtimestamp(one.at, UTC),
        "kind": one.kind,
        "version": one.version,
        "said": one.said,
        "action": one.action_id,
        "actor": one.actor,
    }

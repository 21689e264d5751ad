"""Reads cases: from the prediction log, telemetry, verdicts, the registry and the journal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from services.actions.journal import Journal
from services.causes import logged, onset, regions, surroundings
from services.causes.case import Case, Side
from services.causes.explaining import explain
from services.causes.logged import DAY_S, Asked
from services.causes.models import Explanation, Symptom
from services.errors import MlopsError, NotFoundError
from services.home import Home
from services.mirror.queries import Mirror
from services.monitoring import deployed, reference, series, weights
from services.monitoring.courses import DEGREES, degree
from services.monitoring.models import Family, is_moved
from services.monitoring.store import Summary, VerdictStore
from services.predictions import reading
from services.serving import store as serving
from services.telemetry.models import Telemetry

BACK_S: dict[Symptom, float] = {
    "slow": DAY_S, "errors": DAY_S, "data": 7 * DAY_S, "prediction": 7 * DAY_S,
    "quality": 7 * DAY_S, "accuracy": 14 * DAY_S,
}  # fmt: skip
"""How far before the onset requests are read."""
_SEARCHED_S, _STEP_S = DAY_S, 300.0
"""Where the onset of slowness and of errors is looked for, and in what steps."""
_UNSEEN_S: dict[Symptom, float] = {
    "slow": 3600.0, "errors": 3600.0, "data": 0.0, "prediction": 0.0, "quality": 0.0,
    "accuracy": DAY_S,
}  # fmt: skip
"""What is compared with the time before it where no begin is found; 0: then a verdict says so."""
_EVENTS = 500
_TINY_MS = 0.01


@dataclass(frozen=True, slots=True)
class Sources:
    """Where it is read."""

    home: Home
    journal: Journal
    mirror: Mirror
    telemetry: Telemetry
    verdicts: VerdictStore


def explain_deployment(
    sources: Sources,
    project: str,
    model: str,
    now: float,
    *,
    since: float | None = None,
    symptoms: Sequence[Symptom] = (),
) -> tuple[Explanation, ...]:
    """Say why a deployment is slow, fails, or drifted: what got worse first.

    Args:
        sources: Where it is read.
        project: Of the model.
        model: Its name.
        now: Seconds since 1970.
        since: When it began; None: it is looked for.
        symptoms: These alone; (): latency, errors, and what the newest verdicts call drifted.

    Raises:
        NotFoundError: It was never deployed.
        MlopsError: The prediction log, the verdicts or the journal cannot be read.
    """
    if not serving.events(sources.journal, f"{project}.{model}", 1):
        raise NotFoundError(
            f"There is no deployment {project}.{model}.", "`mlops deployments` lists what is."
        )
    wanted = symptoms or ("slow", "errors", *_drifted(sources, project, model))
    found = [
        explain(case(sources, project, model, symptom, now, since=since)) for symptom in wanted
    ]
    return tuple(sorted(found, key=lambda one: (one.state != "worse", not one.causes)))


def _drifted(sources: Sources, project: str, model: str) -> list[Symptom]:
    return [
        kind for kind, one in _latest(sources, project, model).items() if one.state == "drifted"
    ]


def _latest(sources: Sources, project: str, model: str) -> dict[Family, Summary]:
    """Return the last verdict of each kind, of several versions that are asked the worst one's."""
    asked = {number for _, _, number in deployed.versions(sources.home, [f"{project}.{model}"])}
    found: dict[Family, Summary] = {}
    for one in sources.verdicts.latest(project, model, by_version=bool(asked)):
        mine = not asked or one.version in asked
        if mine and (one.kind not in found or _badness(one) > _badness(found[one.kind])):
            found[one.kind] = one
    return found


def _badness(one: Summary) -> int:
    return DEGREES.index(degree(one.state, one.severity))


def case(
    sources: Sources,
    project: str,
    model: str,
    symptom: Symptom,
    now: float,
    *,
    since: float | None = None,
) -> Case:
    """Return all that is known of one symptom.

    Raises:
        MlopsError: The prediction log, the verdicts or the journal cannot be read.
    """
    begin = since if since is not None else _onset(sources, project, model, symptom, now)
    begin = min(begin, now) if begin is not None else now - _UNSEEN_S[symptom]
    name = f"{project}.{model}"
    events = serving.events(sources.journal, name, _EVENTS)
    ended = surroundings.began(events, begin - BACK_S[symptom], now)
    moments = tuple(one.at for one in ended)
    of = sources.home, project, model
    then = logged.requests(*of, begin - BACK_S[symptom], begin, moments)
    later = logged.requests(*of, begin, now, moments)
    found = Case(
        project,
        model,
        symptom,
        begin,
        Side(then.since, then.until, then.rows),
        Side(later.since, later.until, later.rows),
        restarts=tuple(surroundings.said_of(one) for one in ended if one.at >= begin),
    )
    found = _with_columns(sources, found)
    found = _with_trainings(sources, found)
    if symptom in ("slow", "errors"):
        then, later, found = _with_machine(sources, found, then, later)
    return _with_values(sources, found, then, later)


def _onset(
    sources: Sources, project: str, model: str, symptom: Symptom, now: float
) -> float | None:
    if symptom != "slow" and symptom != "errors":
        judged = _latest(sources, project, model).get(symptom)
        version = None if judged is None else judged.version
        return sources.verdicts.begun(project, model, symptom, version)
    course = reading.series(sources.home, project, model, now - _SEARCHED_S, now, _STEP_S)
    if symptom == "errors":
        return onset.step_up([(b.at, b.requests, b.errors / b.requests) for b in course])
    known = [(b.at, b.requests, b.p50_ms, b.p95_ms) for b in course]
    # Ratios count, not milliseconds: the median and the tail each as much as the other.
    points = [
        (at, float(count), math.log(max(p50, _TINY_MS) * max(p95, _TINY_MS)))
        for at, count, p50, p95 in known
        if p50 is not None and p95 is not None
    ]
    return onset.step_up(points)


# Beside the requests


def _with_trainings(sources: Sources, found: Case) -> Case:
    both = [*found.then.rows.version, *found.now.rows.version]
    numbers = sorted({int(one) for one in both if one is not None})
    if len(numbers) < 2:
        return found
    told, why = surroundings.trainings(sources.mirror, found.project, found.model, numbers)
    return replace(found, trainings=told, unknown=(*found.unknown, *why))


def _with_machine(
    sources: Sources, found: Case, then: Asked, later: Asked
) -> tuple[Asked, Asked, Case]:
    host = surroundings.host_of(later.rows, then.rows)
    if not host:
        said = "The machine: the log does not tell which one answered."
        return then, later, replace(found, unknown=(*found.unknown, said))
    try:
        told = (
            surroundings.machine(sources.telemetry, host, found.name, then.rows),
            surroundings.machine(sources.telemetry, host, found.name, later.rows),
        )
    except MlopsError as error:
        said = f"The machine {host}: {error.message}"
        return then, later, replace(found, host=host, unknown=(*found.unknown, said))
    return (
        replace(then, rows=then.rows.with_machine(told[0].known)),
        replace(later, rows=later.rows.with_machine(told[1].known)),
        replace(
            found,
            host=host,
            others=surroundings.neighbours(*told),
            own=surroundings.own(*told),
            holders=surroundings.holders(*told),
        ),
    )


def _with_columns(sources: Sources, found: Case) -> Case:
    """Add what the newest verdicts say of the inputs; of quality what is lost."""
    if found.symptom == "slow" or found.symptom == "errors":
        return found
    latest = _latest(sources, found.project, found.model)
    families: tuple[Family, ...] = ("data", "quality")
    read = {
        kind: sources.verdicts.verdict(latest[kind].id).columns
        for kind in families
        if kind in latest
    }
    quality = read.get("quality", ())
    columns = weights.inputs(read.get("data", ()), quality)
    if found.symptom == "quality":
        columns = tuple(one for one in quality if one.role == "input")
    shown = latest.get("quality" if found.symptom == "quality" else "data")
    own = latest.get(found.symptom)
    drifted = own is not None and own.state == "drifted"
    return replace(
        found,
        moved=columns,
        verdict=shown.id if shown else "",
        # Of accuracy the rows tell more than the sentence of a verdict.
        worse=None if found.symptom == "accuracy" else drifted,
    )


# How it came out


def _with_values(sources: Sources, found: Case, then: Asked, later: Asked) -> Case:
    if found.symptom == "slow":
        sides = logged.slow(then, later)
    elif found.symptom == "errors":
        sides = logged.failed(then, later)
    elif found.symptom == "accuracy":
        told = logged.labelled(sources.home, found.project, found.model, then, later)
        found = replace(found, then=told.then, now=told.now, metric=told.metric)
        return _without_no_data(sources, found)
    else:
        of = sources.home, found.project, found.model
        sides = logged.with_columns(*of, then), logged.with_columns(*of, later)
        found = replace(found, then=sides[0], now=sides[1])
        return _with_region(_without_no_data(sources, found))
    return replace(found, then=sides[0], now=sides[1])


def _without_no_data(sources: Sources, found: Case) -> Case:
    """Leave out what training said is no data: a number of an order moves, and says nothing."""
    versions = {one for side in (found.then, found.now) for one in side.rows.version if one}
    of = found.project, found.model
    told = [reference.skipped(sources.home, None, *of, int(one)) for one in versions]
    no_data = frozenset[str]().union(*told)
    return replace(
        found,
        then=_left_out(found.then, no_data),
        now=_left_out(found.now, no_data),
        moved=tuple(one for one in found.moved if not series.is_of(one.name, no_data)),
    )


def _left_out(side: Side, no_data: frozenset[str]) -> Side:
    columns = {n: values for n, values in side.columns.items() if not series.is_of(n, no_data)}
    return replace(side, columns=columns)


def _with_region(found: Case) -> Case:
    """Give each row 1 where it is among those there are more of now."""
    then, now = found.then.columns, found.now.columns
    best, metric = None, ""
    for name in _watched(found):
        if name not in then or name not in now:
            continue
        if found.symptom == "quality":
            region = _lost(then[name], now[name])
        else:
            region = regions.grown(then[name], now[name])
        if region is not None and (best is None or region.growth > best.growth):
            best, metric = region, f"rows with values of {name} {region.said}"
        if best is not None and found.symptom != "prediction":
            break
    if best is None:
        return found
    return replace(
        found,
        then=replace(found.then, values={"whole": best.then}),
        now=replace(found.now, values={"whole": best.now}),
        metric=metric,
    )


def _watched(found: Case) -> list[str]:
    """Return the columns that tell whether a row is one of those that moved, best first."""
    if found.symptom == "prediction":
        return sorted(name for name in found.now.columns if name.startswith("output."))
    return [one.name for one in weights.ordered(found.moved) if is_moved(one.state)]


def _lost(then: NDArray[Any], now: NDArray[Any]) -> regions.Region | None:
    before, after = regions.empty(then), regions.empty(now)
    if not len(before) or not len(after):
        return None
    return regions.Region("that are empty", before, after, float(after.mean() - before.mean()))

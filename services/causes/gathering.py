"""Reads cases: from the prediction log, telemetry, verdicts, the registry and the journal."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from services.actions.journal import Journal
from services.causes import beginning, comparing, labelled, logged, regions, surroundings
from services.causes.case import Case, Side
from services.causes.explaining import explain
from services.causes.labelled import Labels
from services.causes.logged import DAY_S, Asked
from services.causes.models import Explanation, Symptom
from services.causes.wording import moment
from services.errors import MlopsError, NotFoundError
from services.home import Home
from services.mirror.queries import Mirror
from services.monitoring import deployed, labels_window, reference, series, weights
from services.monitoring import settings as strictness
from services.monitoring.courses import DEGREES, degree
from services.monitoring.models import Family, is_moved
from services.monitoring.store import Summary, VerdictStore
from services.serving import store as serving
from services.telemetry.models import Telemetry

BACK_S: dict[Symptom, float] = {
    "slow": DAY_S, "errors": DAY_S, "data": 7 * DAY_S, "prediction": 7 * DAY_S,
    "quality": 7 * DAY_S, "accuracy": 14 * DAY_S,
}  # fmt: skip
"""How far before the onset requests are read."""
_UNSEEN_S: dict[Symptom, float] = {
    "slow": 3600.0, "errors": 3600.0, "data": 0.0, "prediction": 0.0, "quality": 0.0,
    "accuracy": DAY_S,
}  # fmt: skip
"""What is compared with the time before it where no begin is found; 0: then a verdict says so."""
_EVENTS = 500
_SHARED = 0.5
"""Part of the time of a verdict that must be compared, for it to tell of the same predictions."""


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
    if symptom == "accuracy":
        return _of_accuracy(sources, project, model, now, since)
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
    if since is None and symptom in ("slow", "errors"):
        found = replace(found, searched=_searched(now - beginning.SEARCHED_S))
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
    return beginning.of_requests(sources.home, project, model, symptom, now)


def _searched(back_to: float) -> str:
    return f"Its begin was looked for from {moment(back_to)} on; what began before is not seen."


# Lost accuracy


def _of_accuracy(
    sources: Sources, project: str, model: str, now: float, since: float | None
) -> Case:
    """Return what is known of answers that got less right: of those whose labels came."""
    of = sources.home, project, model
    until, told, searched = now, "", ""
    if since is None:
        begin, until, told = _judged(sources, project, model, now)
        back_to = begin - beginning.SEARCHED_S
        searched = _searched(back_to)
        since = labelled.begin(*of, back_to, until) or begin
    else:
        since = min(since, now)
    found = labelled.read(*of, since - BACK_S["accuracy"], since, until)
    made = Case(
        project, model, "accuracy", since, found.then, found.now, found.metric, searched=searched
    )
    beside = "those of before"
    if not comparing.rose(found.then.whole, found.now.whole, 0.0):
        made = _beside_evaluation(sources, made, found)
        beside = made.reference or beside
    compared = (
        f"Compared are the predictions of {moment(since)} to {moment(until)} that have a "
        f"label{told} with {beside}."
    )
    made = _with_columns(sources, replace(made, compared=compared))
    return _without_no_data(sources, _with_trainings(sources, made))


def _judged(sources: Sources, project: str, model: str, now: float) -> tuple[float, float, str]:
    """Return the stretch of which labels are no longer to be expected: that of the verdict."""
    latest = _latest(sources, project, model).get("accuracy")
    if latest is not None and latest.state == "drifted" and latest.computed_at <= now:
        figure = sources.verdicts.verdict(latest.id).figure
        if figure is not None and figure.since is not None and figure.until is not None:
            rows = "1 row" if figure.rows == 1 else f"{figure.rows:,} rows"
            stretch = f"{moment(figure.since)} to {moment(figure.until)}"
            said = f" (the verdict is of {rows} of {stretch}; newer ones wait for labels)"
            return figure.since, figure.until, said
    found = labels_window.read(sources.home, project, model, None, now)
    return found.since, found.until, ""


def _beside_evaluation(sources: Sources, made: Case, found: Labels) -> Case:
    """Compare with the evaluation data where nothing of before tells more."""
    answered = Counter(int(one) for one in made.now.rows.version if one is not None)
    if not answered:
        return made
    version = max(answered, key=lambda one: (answered[one], one))
    kept = reference.evaluation(sources.home, None, made.project, made.model, version)
    then = None if kept is None else labelled.of_evaluation(found, kept)
    if kept is None or then is None or not comparing.rose(then.whole, made.now.whole, 0.0):
        return made
    return replace(made, then=then, reference=kept.said)


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
    if found.symptom == "accuracy":  # labels are late: a newer verdict is of other rows
        latest = _of_that_time(sources, found, families)
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


def _of_that_time(sources: Sources, found: Case, kinds: Sequence[Family]) -> dict[Family, Summary]:
    """Return the newest verdicts on predictions mostly of the time that is compared."""
    begin, end = found.onset, found.now.until
    known: dict[Family, Summary] = {}
    for kind in kinds:
        for one in sources.verdicts.history(found.project, found.model, kind, since=begin):
            if one.since is None or one.until is None:
                continue
            shared = min(one.until, end) - max(one.since, begin)
            if shared > 0 and shared >= _SHARED * (one.until - one.since):
                known[kind] = one
    return known


# How it came out


def _with_values(sources: Sources, found: Case, then: Asked, later: Asked) -> Case:
    if found.symptom == "slow":
        sides = logged.slow(then, later)
    elif found.symptom == "errors":
        sides = logged.failed(then, later)
    else:
        of = sources.home, found.project, found.model
        sides = logged.with_columns(*of, then), logged.with_columns(*of, later)
        found = replace(found, then=sides[0], now=sides[1])
        return _with_region(_without_no_data(sources, found))
    return replace(found, then=sides[0], now=sides[1])


def _without_no_data(sources: Sources, found: Case) -> Case:
    """Leave out what is no data: a number of an order moves, and says nothing.

    That is what training said of the versions, what the newest check left out, and what somebody
    chose since (``mlops drift settings --ignore``).
    """
    of = found.project, found.model
    latest = _latest(sources, *of)
    versions = {int(one) for side in (found.then, found.now) for one in side.rows.version if one}
    versions |= {one.version for one in latest.values()}
    no_data = set(strictness.of(strictness.all_said(sources.journal), *of).ignored)
    for version in versions:
        no_data |= reference.skipped(sources.home, None, *of, version)
    if found.verdict:
        no_data |= set(sources.verdicts.verdict(found.verdict).held_to.get("ignored", ()))
    return replace(
        found,
        then=_left_out(found.then, no_data),
        now=_left_out(found.now, no_data),
        moved=tuple(one for one in found.moved if not series.is_of(one.name, no_data)),
    )


def _left_out(side: Side, no_data: Collection[str]) -> Side:
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

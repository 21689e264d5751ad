"""What happened to a machine and beside it: its own events, runs, promotions and deployments."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard import journalled, machines, navigation, scope, state
from dashboard.charts.timeline import Tone
from dashboard.hardware import access
from services.actions.deployments import Deployment
from services.errors import MlopsError
from services.mirror.filters import quote
from services.mirror.models import Run, RunQuery
from services.telemetry.identity import HOST_ID, TAGS, machines_of
from services.telemetry.models import Event, EventKind, HostState

_MARKED: Mapping[EventKind, tuple[str, Tone]] = {
    "run.started": ("run started", "mode"),
    "run.ended": ("run ended", "quiet"),
    "deploy": ("deployed", "mode"),
    "throttling.began": ("throttling", "warn"),
    "battery.on": ("on battery", "warn"),
    "battery.off": ("on mains", "quiet"),
    "host.joined": ("reports", "quiet"),
    "host.lost": ("silent", "bad"),
}
_ENDED: Mapping[str, tuple[str, Tone]] = {
    "finished": ("finished", "quiet"),
    "failed": ("failed", "bad"),
    "killed": ("killed", "bad"),
}
_NAME, _TITLE = 28, 44
_MOST = 200
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened."""

    at: datetime
    title: str
    """As a person reads it in a list."""
    mark: str = ""
    """What stands at its mark on a chart; empty: it has none."""
    tone: Tone = "quiet"
    run_id: str = ""
    link: str = ""
    """Address of the page that tells more."""


@dataclass(frozen=True, slots=True)
class Happened:
    """What is known to have happened, and what could not be asked."""

    found: tuple[Happening, ...]
    """Oldest first; what the person may see."""
    unknown: tuple[str, ...] = ()
    """Sentences."""


def happened(host: HostState, start: datetime, end: datetime) -> Happened:
    """Return what happened in ``[start, end)`` that the person may see."""
    # Asked once: every answer costs a question to the journal, and this is drawn again and again.
    mine, titles = state.visible_projects(), access.titles()
    every = machines.telemetry().events(start, end, host.machine.host)
    found = [_of_machine(event) for event in every if access.visible(event, mine)]
    unknown = []
    try:
        known = {(one.run_id, one.at) for one in found if one.run_id}
        runs = _runs(_runs_of(host, start, end, mine), start, end, titles)
        found += [one for one in runs if (one.run_id, one.at) not in known]
    except MlopsError as error:
        unknown.append(f"Which runs began and ended cannot be told: {error.message}")
    try:
        found += _deployments(journalled.deployments(start, end, mine), titles)
    except MlopsError as error:
        unknown.append(f"What was promoted and deployed cannot be told: {error.message}")
    return Happened(tuple(sorted(found, key=lambda one: one.at)), tuple(unknown))


def _of_machine(event: Event) -> Happening:
    mark, tone = _MARKED.get(event.kind, ("", "quiet"))
    of_run = event.kind.startswith("run.") and event.subject
    link = navigation.address("run", run=event.subject) if of_run else ""
    return Happening(event.at, event.title, mark, tone, event.subject if of_run else "", link)


def _runs(
    runs: Iterable[Run], start: datetime, end: datetime, titles: Mapping[str, str]
) -> Iterator[Happening]:
    for run in runs:
        name = run.name or run.run_id[:8]
        of = f"Run {name} of {titles.get(run.project, run.project)}"
        link = navigation.address("run", run=run.run_id)
        if run.started_at is not None and start <= run.started_at < end:
            mark = f"{_short(name)} started"
            yield Happening(run.started_at, f"{of} started", mark, "mode", run.run_id, link)
        if run.ended_at is not None and start <= run.ended_at < end:
            word, tone = _ENDED.get(run.status, ("ended", "quiet"))
            mark = f"{_short(name)} {word}"
            yield Happening(run.ended_at, f"{of} {word}", mark, tone, run.run_id, link)


def _runs_of(
    host: HostState, start: datetime, end: datetime, mine: tuple[str, ...] | None
) -> Iterator[Run]:
    """Yield the runs that began or ended on a machine then, the newest when there are too many."""
    # Whole minutes: what is asked again a few seconds later is the same question.
    first = start.replace(second=0, microsecond=0)
    last = end.replace(second=0, microsecond=0) + _MINUTE
    within = " or ".join(
        f"({field} >= {first:%Y-%m-%dT%H:%M} and {field} < {last:%Y-%m-%dT%H:%M})"
        for field in ("started_at", "ended_at")
    )
    digits = quote(host.machine.host.rpartition("-")[2])
    here = f"tags.{HOST_ID} missing or tags.{HOST_ID} ~ {digits}"
    query = RunQuery(
        filter=f"({within}) and ({here})",
        projects=mine,
        limit=_MOST,
        columns=tuple(f"tags.{name}" for name in TAGS),
    )
    runs = state.runs(query).rows
    every = machines.telemetry().hosts() if runs else ()
    for run in runs:
        fitting = machines_of(every, run)
        if len(fitting) == 1 and fitting[0].machine.host == host.machine.host:
            yield run


def _deployments(found: Iterable[Deployment], titles: Mapping[str, str]) -> Iterator[Happening]:
    for one in found:
        where = f" in {titles.get(one.project, one.project)}" if one.project else ""
        # Paged back from it, Activity begins with it.
        link = navigation.address(
            "activity", before=str(one.action_id + 1), range=scope.WHOLE, project=one.project
        )
        title = f"{one.title}{where}, asked by {one.actor}"
        yield Happening(one.at, title, _short(one.title, _TITLE), "mode", "", link)


def _short(name: str, most: int = _NAME) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"

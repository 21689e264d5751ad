"""What the overview reads, limited to the scope and to what the person may see."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from dashboard import journalled, state
from dashboard.alerts import access as alerts
from dashboard.deployments import access as deployments
from dashboard.overview import needs
from dashboard.overview.needs import BadRuns, Need
from dashboard.registry import access as registry
from dashboard.registry.holders import past_holders
from dashboard.scope import Scope
from services import retraining
from services.actions.records import ActionRecord
from services.actions.roles import at_least
from services.alerting.asking import Place
from services.alerting.inbox import foremost
from services.errors import MlopsError
from services.mirror.models import Change, Freshness, ProjectSummary, RegisteredModel, RunQuery
from services.mirror.projects import CHAMPION
from services.serving.looking import Deployment

_RECENT = timedelta(days=7)
_BARS = timedelta(days=29)
_FEED = 12
_FEED_READ = 200
_FEW = 100
_MOST = 50
_BAD = "status in (failed, lost)"


@dataclass(frozen=True, slots=True)
class BadEnds:
    """How many runs of a project failed or were lost in the range."""

    failed: int = 0
    lost: int = 0


def projects(where: Scope) -> tuple[ProjectSummary, ...]:
    """Return the projects in the scope."""
    return tuple(p for p in state.projects() if where.project in (None, p.id))


def bad_ends(found: Sequence[ProjectSummary], where: Scope) -> Mapping[str, BadEnds]:
    """Return the failed and lost runs of each project in the range."""
    if where.since is None:
        return {p.id: BadEnds(p.failed, p.lost) for p in found}
    counts = {(bad.project, bad.status): bad.total for bad in bad_runs(found, where.since)}
    return {
        p.id: BadEnds(counts.get((p.id, "failed"), 0), counts.get((p.id, "lost"), 0)) for p in found
    }


def bad_runs(found: Sequence[ProjectSummary], since: datetime) -> tuple[BadRuns, ...]:
    """Return the runs that failed or were lost since then, by project and state."""
    ids = tuple(project.id for project in found)
    query = RunQuery(filter=_BAD, projects=ids, since=since)
    return tuple(
        BadRuns(newest.project, newest.status, total, newest)
        for total, newest in state.newest_of_each(query)
    )


@dataclass(frozen=True, slots=True)
class Needed:
    """What needs the person."""

    first: tuple[Need, ...]
    """The most pressing, in order."""
    total: int
    """How many there are in all."""
    unread: tuple[MlopsError, ...] = ()
    """What could not be asked: there may be more."""


def needed(where: Scope) -> Needed:
    """Return what needs the person: alerts, and what is none, in one order.

    One source that cannot be asked takes nothing from the others.
    """
    unread: list[MlopsError] = []
    places: tuple[Place, ...] = ()
    mine: tuple[Need, ...] = ()
    waiting: list[Place] = []
    try:
        places = alerts.places(where)
        waiting = foremost(places)
        mine = needs.of_alerts(alerts.read([one.id for one in waiting[:_MOST]]), state.actor())
    except MlopsError as error:
        unread.append(error)
    found = needs.ordered((*mine, *others(where, places, unread)))
    return Needed(found[:_MOST], len(waiting) - len(mine) + len(found), tuple(unread))


def others(where: Scope, places: Iterable[Place], unread: list[MlopsError]) -> tuple[Need, ...]:
    """Return what needs the person and is no alert.

    Args:
        where: The scope.
        places: The alerts that are open: what they tell is left out.
        unread: Gets what could not be asked.
    """
    since = recent(where)
    sources = (_of_engines, _of_projects, _of_actions, _of_models, _of_proposals)
    found: list[Need] = []
    for source in sources:
        try:
            found += source(where, since)
        except MlopsError as error:
            if error.message not in {one.message for one in unread}:
                unread.append(error)
    return needs.untold(found, (place.key for place in places))


def _of_engines(where: Scope, since: datetime) -> tuple[Need, ...]:
    del where, since
    return needs.of_engines(state.engines())


def _of_projects(where: Scope, since: datetime) -> tuple[Need, ...]:
    found = projects(where)
    return (
        *needs.of_projects(found, _unconnected_since()),
        *needs.of_runs(bad_runs(found, since), {p.id: p.title for p in found}),
    )


def _of_actions(where: Scope, since: datetime) -> tuple[Need, ...]:
    recorded = [r for r in journalled.actions(where) if (r.finished_at or r.submitted_at) >= since]
    return (
        *needs.of_actions(recorded),
        *needs.of_deployments(_in_service(where), _failed(recorded), since),
    )


def _of_models(where: Scope, since: datetime) -> tuple[Need, ...]:
    del since
    return needs.of_models(
        state.models(where.project),
        {project.id: project for project in projects(where)},
        _was_champion,
        approver=at_least(state.actor(), "approver"),
    )


def _of_proposals(where: Scope, since: datetime) -> tuple[Need, ...]:
    del since
    open_ = retraining.proposals(
        state.journal(), ("open",), projects=alerts.seen(where), limit=_FEW
    )
    return needs.of_proposals(open_, state.actor())


def _in_service(where: Scope) -> tuple[Deployment, ...]:
    return deployments.picture(where.project).endpoints


def _failed(recorded: Iterable[ActionRecord]) -> frozenset[int]:
    return frozenset(one.id for one in recorded if one.state in {"failed", "compensated"})


def recent(where: Scope) -> datetime:
    """Return since when a bad end is news: the range, a week at most."""
    week = datetime.now(UTC).replace(second=0, microsecond=0) - _RECENT
    return week if where.since is None else max(where.since, week)


def _unconnected_since() -> Mapping[str, datetime]:
    """Return when each project was last seen to break or to go missing."""
    lines = state.changes(None, None, _FEW, ("project.broken", "project.missing"))
    return {line.project: line.at for line in reversed(lines) if line.project}


def _was_champion(model: RegisteredModel) -> frozenset[int]:
    return past_holders(registry.spans(model, CHAMPION))


def changes(where: Scope) -> tuple[Change, ...]:
    """Return the newest lines of the change feed in the scope.

    Lines are numbered as they were seen; what was read at the first start happened long before.
    """
    seen = state.changes(where.project, where.since, _FEED_READ)
    return tuple(sorted(seen, key=lambda line: line.at, reverse=True)[:_FEED])


def days(where: Scope) -> tuple[tuple[date, int, int], ...]:
    """Return how many runs started and failed on each day of the range, a month at most."""
    month = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - _BARS
    since = month if where.since is None else max(where.since, month)
    return state.runs_per_day(where.project, since)


def engines() -> tuple[Freshness, ...]:
    """Return every engine as it is now."""
    return state.engines()

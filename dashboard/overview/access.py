"""What the overview reads, limited to the scope and to what the person may see."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from dashboard import journalled, state
from dashboard.deployments import access as deployments
from dashboard.overview import needs
from dashboard.overview.needs import BadRuns, Need
from dashboard.registry import access as registry
from dashboard.registry.holders import past_holders
from dashboard.scope import Scope
from services.actions.records import ActionRecord
from services.actions.roles import at_least
from services.mirror.models import Change, Freshness, ProjectSummary, RegisteredModel, RunQuery
from services.mirror.projects import CHAMPION
from services.serving.looking import Deployment

_RECENT = timedelta(days=7)
_BARS = timedelta(days=29)
_FEED = 12
_FEED_READ = 200
_FEW = 100
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


def needed(found: Sequence[ProjectSummary], where: Scope) -> tuple[Need, ...]:
    """Return what needs the person, the most pressing first."""
    since = recent(where)
    by_id = {project.id: project for project in found}
    recorded = [r for r in journalled.actions(where) if (r.finished_at or r.submitted_at) >= since]
    return needs.ordered(
        (
            *needs.of_engines(state.engines()),
            *needs.of_projects(found, _unconnected_since()),
            *needs.of_runs(bad_runs(found, since), {p.id: p.title for p in found}),
            *needs.of_actions(recorded),
            *needs.of_deployments(_in_service(where), _failed(recorded), since),
            *needs.of_models(
                state.models(where.project),
                by_id,
                _was_champion,
                approver=at_least(state.actor(), "approver"),
            ),
        )
    )


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

"""Which projects and runs a question is about, whatever it filters by."""

from services.mirror.columns import Columns
from services.mirror.models import RunQuery
from services.mirror.text import Mask


def wanted_of(project: str | None, projects: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the projects asked for that may be seen; None for all."""
    if project is None:
        return projects
    return (project,) if projects is None or project in projects else ()


def scope_of(columns: Columns, query: RunQuery) -> Mask:
    """Return which runs are of the query's projects and time; one that runs is of every time."""
    mask: Mask = columns.archived[: columns.size] == query.archived
    wanted = wanted_of(query.project, query.projects)
    if wanted is not None:
        mask &= columns.texts["project"].equal(*wanted)[: columns.size]
    if query.since is not None:
        recent = columns.started_ms[: columns.size] >= query.since.timestamp() * 1000
        mask &= recent | columns.texts["status"].equal("running")[: columns.size]
    return mask

"""What the table asks of the mirror: the view within the scope of the page and of the person."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.experiments.columns import default_columns, primary_metrics
from dashboard.experiments.view import View
from dashboard.scope import RANGES, Scope
from services.mirror.filters import join
from services.mirror.main_metric import MAIN_METRIC
from services.mirror.models import FieldInfo, ProjectSummary, RunQuery
from services.mirror.projects import Goal

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Known:
    """What the page knows of the projects in scope before it asks for runs."""

    projects: tuple[ProjectSummary, ...]
    fields: tuple[FieldInfo, ...]
    """What the newest runs of the scope logged."""

    @property
    def primaries(self) -> Mapping[str, str]:
        """Return each project's primary metric."""
        return {p.id: p.primary_metric for p in self.projects if p.primary_metric}

    @property
    def primary_fields(self) -> tuple[str, ...]:
        """Return the primary metrics as fields, each once."""
        return primary_metrics(self.projects)


def columns_of(view: View, known: Known) -> tuple[str, ...]:
    """Return the columns the view shows: the chosen ones, or those that vary."""
    if view.columns is not None:
        return view.columns
    return default_columns(
        known.fields, known.primary_fields, several_projects=len(known.projects) > 1
    )


def question(
    view: View,
    scope: Scope,
    mine: tuple[str, ...] | None,
    columns: Sequence[str] = (),
    known: Known | None = None,
) -> RunQuery:
    """Return the query of one page; ``mine`` are the projects the person may see."""
    brought = [name for name in columns if "." in name]
    if MAIN_METRIC in columns and known is not None:
        brought += known.primary_fields
    return RunQuery(
        filter=view.filter,
        project=scope.project,
        projects=mine,
        since=scope.since,
        sort=view.sort,
        descending=view.descending,
        offset=(view.page - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
        archived=view.archived,
        columns=tuple(dict.fromkeys(brought)),
    )


def pages_of(total: int) -> int:
    """Return how many pages so many runs fill."""
    return max(1, -(-total // PAGE_SIZE))


def command(view: View, scope: Scope) -> str:
    """Return the command that lists the same runs."""
    words = ["mlops", "runs", "list"]
    if scope.project:
        words += ["--project", scope.project]
    since = "" if RANGES[scope.span] is None else f"started_at > -{scope.span}"
    text = join(view.filter, since)
    if text:
        words += ["--filter", text]
    words += ["--sort", view.sort] if view.descending else ["--sort", view.sort, "--ascending"]
    words += ["--limit", str(PAGE_SIZE)]
    return shlex.join(words)


def metric_goals(projects: Sequence[ProjectSummary]) -> dict[str, Goal]:
    """Return which way each primary metric is better, by metric name."""
    return {p.primary_metric: p.goal for p in projects if p.primary_metric}

"""The workspace for ``evidently ui``, written in Evidently's process."""

import contextlib
from typing import TYPE_CHECKING, Any

from services.engines.evidently.models import Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidently.core.report import Snapshot
    from evidently.ui.workspace import Workspace

KEPT = 28
"""Reports of a project, two a check where there are labels: each takes 3 MB."""


def keep(asked: Question, made: "Sequence[Snapshot]") -> None:
    """Add reports to the workspace of a question, and let the oldest go."""
    if asked.workspace is None:
        return
    from evidently.ui.workspace import Workspace

    asked.workspace.mkdir(parents=True, exist_ok=True)
    space = Workspace.create(str(asked.workspace))
    found = [one for one in space.search_project(asked.project) if one.name == asked.project]
    project = found[0] if found else space.create_project(asked.project)
    for one in made:
        space.add_run(project.id, one)
    forget(space, project.id)


def forget(space: "Workspace", project: Any) -> None:  # noqa: ANN401
    """Remove all but the newest ``KEPT`` reports: their ids sort by time, the folder does not."""
    runs = sorted(space.list_runs(project))
    for one in runs[: max(0, len(runs) - KEPT)]:
        with contextlib.suppress(FileNotFoundError):
            space.delete_run(project, one)

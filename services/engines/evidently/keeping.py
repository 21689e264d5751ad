"""The workspace for ``evidently ui``, written in Evidently's process."""

import contextlib
import json
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.engines.evidently.models import Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidently.core.report import Snapshot
    from evidently.ui.workspace import Workspace

logger = logging.getLogger(__name__)

KEPT = 28
"""Reports of a project, two a check where there are labels: each takes 3 MB."""


def keep(asked: Question, made: "Sequence[Snapshot]") -> None:
    """Add reports to the workspace of a question, and let the oldest go.

    What was begun and could not be written whole is removed.
    """
    if asked.workspace is None:
        return
    asked.workspace.mkdir(parents=True, exist_ok=True)
    mend(asked.workspace)
    before = set(asked.workspace.rglob("*"))
    try:
        _add(asked, asked.workspace, made)
    except Exception:  # whatever it is, half of a file would be in the way of all projects
        for path in set(asked.workspace.rglob("*")) - before:
            if path.is_file():
                path.unlink(missing_ok=True)
        mend(asked.workspace)
        raise


def mend(workspace: Path) -> None:
    """Remove projects that a full disk or a kill left without their description.

    Evidently reads those of all projects, and fails for all where one is damaged. What is removed
    are copies: reports are kept beside their verdicts.
    """
    for folder in [path for path in workspace.iterdir() if path.is_dir()]:
        try:
            whole = isinstance(json.loads((folder / "metadata.json").read_bytes()), dict)
        except (OSError, ValueError):
            whole = False
        if not whole:
            logger.warning("%s has no description that can be read, and is removed", folder)
            shutil.rmtree(folder, ignore_errors=True)


def _add(asked: Question, workspace: Path, made: "Sequence[Snapshot]") -> None:
    from evidently.ui.workspace import Workspace

    space = Workspace.create(str(workspace))
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

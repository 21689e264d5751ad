"""All sections of a report; one that cannot be read says so, and the rest goes on."""

from collections.abc import Callable
from datetime import UTC, datetime

from services.errors import MlopsError, NotFoundError
from services.reports.models import Asked, Report, Section
from services.reports.sections import (
    activity,
    data,
    drift,
    experiments,
    hardware,
    levels,
    registry,
    serving,
    techniques,
)

SECTIONS: tuple[tuple[str, str, Callable[[Asked], Section]], ...] = (
    ("experiments", "Experiments", experiments.section),
    ("techniques", "Techniques and what they cost", techniques.section),
    ("models", "Models and who promoted them", registry.section),
    ("deployments", "Deployments and how they answered", serving.section),
    ("levels", "Service levels", levels.section),
    ("drift", "Drift and actions", drift.section),
    ("activity", "Actions and lineage", activity.section),
    ("hardware", "Apple Silicon and other machines", hardware.section),
    ("data", "Data and models on disk", data.section),
)


def collect(asked: Asked, project: str | None = None) -> Report:
    """Return the report of a project, or of all that are asked for.

    Raises:
        NotFoundError: There is no such project among them.
    """
    title = "EfficientAI-MLX-Toolkit"
    if project is not None:
        if project not in asked.projects:
            raise NotFoundError(
                f"There is no project {project[:64]!r}.", "`mlops projects list` names them."
            )
        asked = Asked(
            asked.home, asked.mirror, asked.journal, asked.data, asked.telemetry, asked.window,
            (project,), whole=False, known=asked.known,
        )  # fmt: skip
        title = asked.mirror.project(project).title
    sections = tuple(_read(asked, *one) for one in SECTIONS)
    return Report(title, project, asked.window, datetime.now(UTC), sections)


def _read(asked: Asked, key: str, title: str, ask: Callable[[Asked], Section]) -> Section:
    try:
        return ask(asked)
    except MlopsError as error:
        return Section(key, title, missing=str(error))

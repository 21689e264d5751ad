"""Which columns the table shows: what varies and the primary metric, or what was chosen."""

from collections.abc import Iterable, Sequence

from services.mirror.filters import field_name, split_field
from services.mirror.main_metric import MAIN_METRIC
from services.mirror.models import FieldInfo, ProjectSummary

DATA_REVISION = "tags.mlops.data.revision"
GIT_COMMIT = "tags.mlops.git.commit"
_VARYING_PARAMS = 4
_SYSTEM = ("mlflow.", "mlops.")
_OFFERED = ("technique", "started_at", "duration_s", "user", "host", "baseline", "run_id")
FIXED = frozenset({"name", "status"})
"""Every row has these; they are no choice."""


def primary_metric(project: ProjectSummary) -> str | None:
    """Return a project's primary metric as a field."""
    return field_name("metrics", project.primary_metric) if project.primary_metric else None


def primary_metrics(projects: Iterable[ProjectSummary]) -> tuple[str, ...]:
    """Return the primary metrics of projects as fields, each once."""
    found = (primary_metric(project) for project in projects)
    return tuple(dict.fromkeys(field for field in found if field))


def varies(field: FieldInfo) -> bool:
    """Return whether runs differ in a field, as far as its choices tell."""
    return len(field.choices) != 1


def default_columns(
    fields: Sequence[FieldInfo], primaries: Sequence[str], *, several_projects: bool
) -> tuple[str, ...]:
    """Return the columns nobody had to choose: what varies, and the primary metric."""
    known = {field.name: field for field in fields}
    chosen = ["project"] if several_projects else []
    chosen += ["technique"] if "tags.mlops.technique" in known else []
    if len(primaries) == 1:
        chosen += primaries
    elif primaries:
        chosen.append(MAIN_METRIC)
    chosen += _varying_params(fields)
    chosen += ["started_at", "duration_s"]
    chosen += [name for name in (DATA_REVISION, GIT_COMMIT) if name in known]
    return tuple(chosen)


def _varying_params(fields: Sequence[FieldInfo]) -> list[str]:
    params = [f for f in fields if f.name.startswith("params.") and varies(f)]
    params.sort(key=lambda field: (-field.runs, field.name))
    return [field.name for field in params[:_VARYING_PARAMS]]


def offered(fields: Sequence[FieldInfo]) -> tuple[FieldInfo, ...]:
    """Return the fields a chooser offers: those with a value of their own in some run."""
    return tuple(field for field in fields if field.name not in FIXED and field.runs)


def found(
    fields: Sequence[FieldInfo], text: str, *, without: Iterable[str] = (), limit: int = 30
) -> tuple[tuple[FieldInfo, ...], int]:
    """Return the best ``limit`` fields whose name holds every word of ``text``, and how many do.

    A project with 5,000 metric names must not send 5,000 choices to the browser.
    """
    words = text.casefold().split()
    gone = frozenset(without)
    hits = [
        field
        for field in fields
        if field.name not in gone and all(word in field.name.casefold() for word in words)
    ]
    hits.sort(key=lambda field: _rank(field, text.casefold().strip()))
    return tuple(hits[:limit]), len(hits)


def _rank(field: FieldInfo, text: str) -> tuple[bool, bool, int, int, str]:
    group, name = split_field(field.name)
    system = name.startswith(_SYSTEM) and name not in {"mlops.data.revision", "mlops.git.commit"}
    exact = name.casefold() != text
    order = _OFFERED.index(name) if not group and name in _OFFERED else len(_OFFERED)
    return exact, system, order, -field.runs, field.name


def moved(columns: tuple[str, ...], name: str, by: int) -> tuple[str, ...]:
    """Return the columns with one moved ``by`` places, as far as it goes."""
    if name not in columns:
        return columns
    at = columns.index(name)
    rest = [column for column in columns if column != name]
    rest.insert(min(max(at + by, 0), len(rest)), name)
    return tuple(rest)

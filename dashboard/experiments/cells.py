"""Cells of the table: every value as the text a person reads, units in the heading."""

from collections.abc import Callable, Mapping
from datetime import tzinfo

from dashboard.experiments.columns import GIT_COMMIT
from dashboard.experiments.conditions import title_of
from dashboard.experiments.units import figure
from dashboard.numbers import age, duration
from dashboard.text import shortened
from services.mirror.filters import split_field
from services.mirror.main_metric import MAIN_METRIC
from services.mirror.models import Run

_LIMIT = 80
NOT_LOGGED = ""
STATUS_WORDS: Mapping[str, tuple[str, str]] = {
    "finished": ("✓ finished", "green"),
    "running": ("▶ running", "blue"),
    "failed": ("✕ failed", "red"),
    "killed": ("■ killed", "red"),
    "scheduled": ("◷ scheduled", "violet"),
    "lost": ("? lost", "orange"),
}
"""Shape, word and colour of each state, for cells that hold no icon font."""


def is_number(field: str) -> bool:
    """Return whether a column's cells are figures and stand at the right."""
    return field.startswith("metrics.") or field in {"duration_s", MAIN_METRIC}


def heading(field: str, sort: str, *, descending: bool) -> str:
    """Return a column's heading, with an arrow when the table is sorted by it."""
    arrow = (" ↓" if descending else " ↑") if field == sort else ""
    return f"{'run' if field == 'name' else title_of(field)}{arrow}"


def cell(run: Run, field: str, primaries: Mapping[str, str], zone: tzinfo) -> str:
    """Return one cell; ``primaries`` names each project's primary metric."""
    del zone
    if field == MAIN_METRIC:
        return _main(run, primaries)
    if field == GIT_COMMIT:
        return run.tags.get("mlops.git.commit", NOT_LOGGED)[:8]
    group, name = split_field(field)
    if group == "metrics":
        value = run.metrics.get(name)
        return NOT_LOGGED if value is None else figure(name, value)
    if group:
        values: Mapping[str, str] = run.params if group == "params" else run.tags
        return shortened(values.get(name, NOT_LOGGED), _LIMIT)
    return _ATTRIBUTES[name](run)


def _main(run: Run, primaries: Mapping[str, str]) -> str:
    metric = primaries.get(run.project)
    value = run.metrics.get(metric) if metric else None
    return NOT_LOGGED if value is None or metric is None else f"{metric} {figure(metric, value)}"


_ATTRIBUTES: Mapping[str, Callable[[Run], str]] = {
    "status": lambda run: STATUS_WORDS[run.status][0],
    "project": lambda run: run.project,
    "name": lambda run: shortened(run.name or run.run_id[:8], _LIMIT),
    "technique": lambda run: shortened(run.technique or NOT_LOGGED, _LIMIT),
    "user": lambda run: run.user or NOT_LOGGED,
    "host": lambda run: run.host or NOT_LOGGED,
    "run_id": lambda run: run.run_id,
    "started_at": lambda run: age(run.started_at) if run.started_at else NOT_LOGGED,
    "ended_at": lambda run: age(run.ended_at) if run.ended_at else NOT_LOGGED,
    "duration_s": lambda run: NOT_LOGGED if run.duration_s is None else duration(run.duration_s),
    "baseline": lambda run: "baseline" if run.baseline else NOT_LOGGED,
}

"""Models: versions that were registered, and who promoted which."""

from sqlalchemy import func, select

from services.actions import schema as journal_schema
from services.mirror import schema
from services.reports.models import Asked, Figure, Section, Table, Window, at_of, first

_VERSIONS = schema.versions
_EVENTS = journal_schema.registry_events
SOURCE = "MLflow's registry, by the mirror"
JOURNAL = "the journal of this platform"


def section(asked: Asked) -> Section:
    """Return the section."""
    moves = _moves(asked, asked.window)
    figures = (
        Figure("Versions registered", _registered(asked, asked.window),
               _registered(asked, asked.window.before), SOURCE),
        Figure("Aliases moved", len(moves), len(_moves(asked, asked.window.before)), JOURNAL),
    )  # fmt: skip
    shown, left = first(moves)
    columns = ("when (UTC)", "project", "model", "alias", "version", "who", "why")
    table = Table("Who promoted which", columns, shown, JOURNAL, "No alias was moved.", left)
    return Section(
        "models", "Models and who promoted them", figures, (), (table, _champions(asked))
    )


def _registered(asked: Asked, window: Window) -> int:
    low, high = window.ms
    query = select(func.count()).where(
        _VERSIONS.c.created_ms >= low,
        _VERSIONS.c.created_ms < high,
        _VERSIONS.c.project.in_(asked.projects),
    )
    return int(asked.mirror.rows(query)[0][0])


def _moves(asked: Asked, window: Window) -> list[tuple[str, ...]]:
    low, high = window.ms
    query = (
        select(_EVENTS)
        .where(_EVENTS.c.at_ms >= low, _EVENTS.c.at_ms < high,
               _EVENTS.c.project.in_(asked.projects))
        .order_by(_EVENTS.c.at_ms.desc(), _EVENTS.c.id.desc())
    )  # fmt: skip
    with asked.journal.read() as connection:
        rows = connection.execute(query).all()
    return [
        (at_of(row.at_ms), row.project, row.model, row.alias,
         "removed" if row.version is None else str(row.version), row.actor, row.reason or "–")
        for row in rows
    ]  # fmt: skip


def _champions(asked: Asked) -> Table:
    rows = []
    for one in asked.summaries:
        if one.champion is None:
            rows.append((one.title, "none", "–", "–", "–"))
            continue
        held = one.champion
        value = held.metrics.get(one.primary_metric or "")
        told = "–" if value is None else f"{one.primary_metric} {value:.4g}"
        rows.append((one.title, f"{held.name} {held.version}", told, held.technique or "–",
                     held.data_revision or "–"))  # fmt: skip
    shown, left = first(rows)
    columns = ("project", "champion", "main metric", "technique", "data")
    return Table("Champions now", columns, shown, SOURCE, "No project is connected.", left)

"""Objectives in the journal: of a project, and of one model, which goes before its project's."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from services.actions import database, schema
from services.actions.journal import Journal
from services.objectives.models import ANSWERED, KINDS, Kind, Objective

_TABLE = schema.objectives
_KEPT_AS: dict[Kind, str] = {"errors": "availability", "availability": "in-service"}
"""Objectives of errors were called so first, and what was said then holds."""
_READ_AS: dict[str, Kind] = {kept: kind for kind, kept in _KEPT_AS.items()}
_BODY = ("target", "days", "bound_ms", "metric")
Said = dict[Kind, Objective]


def said(journal: Journal, projects: Sequence[str] | None = None) -> dict[tuple[str, str], Said]:
    """Return what was said, by project and model; the model is empty for all of a project.

    Raises:
        JournalError: The journal cannot be read.
    """
    asked = select(_TABLE)
    if projects is not None:
        asked = asked.where(_TABLE.c.project.in_(projects))
    found: dict[tuple[str, str], Said] = {}
    with journal.read() as connection:
        for row in connection.execute(asked):
            one = _objective(row)
            found.setdefault((row.project, row.model), {})[one.kind] = one
    return found


def of(known: dict[tuple[str, str], Said], project: str, model: str) -> tuple[Objective, ...]:
    """Return what counts for a model: its own, else its project's, else the default."""
    counts: Said = {ANSWERED.kind: ANSWERED}
    counts |= known.get((project, ""), {}) | known.get((project, model), {})
    return tuple(counts[kind] for kind in KINDS if kind in counts)


def one(journal: Journal, project: str, model: str, kind: Kind) -> Objective | None:
    """Return what was said of a model (empty: of a project) itself; None: nothing.

    Raises:
        JournalError: The journal cannot be read.
    """
    return said(journal, [project]).get((project, model), {}).get(kind)


def put(journal: Journal, project: str, model: str, objective: Objective) -> None:
    """Keep an objective; the one of its kind before goes.

    Raises:
        JournalError: The journal cannot be written.
    """
    body = json.dumps({name: getattr(objective, name) for name in _BODY})
    values = {
        "body": body, "set_by": objective.set_by, "set_ms": round(objective.set_at * 1000),
    }  # fmt: skip
    mine = _mine(project, model, objective.kind)
    with journal.write() as connection:
        database.lock(connection, _TABLE.name)
        if _there(connection, mine):
            connection.execute(update(_TABLE).where(*mine).values(**values))
            return
        keys = {"project": project, "model": model, "kind": _kept_as(objective.kind)}
        connection.execute(insert(_TABLE).values(**keys, **values))


def remove(journal: Journal, project: str, model: str, kind: Kind) -> bool:
    """Take back what was said; return whether anything was.

    Raises:
        JournalError: The journal cannot be written.
    """
    with journal.write() as connection:
        gone = connection.execute(delete(_TABLE).where(*_mine(project, model, kind)))
    return bool(gone.rowcount)


def _mine(project: str, model: str, kind: Kind) -> tuple[Any, ...]:
    mine = _TABLE.c.kind == _kept_as(kind)
    return _TABLE.c.project == project, _TABLE.c.model == model, mine


def _kept_as(kind: Kind) -> str:
    return _KEPT_AS.get(kind, kind)


def _there(connection: Connection, mine: Iterable[Any]) -> bool:
    return connection.execute(select(_TABLE.c.kind).where(*mine)).first() is not None


def _objective(row: Row[Any]) -> Objective:
    body = json.loads(row.body)
    return Objective(
        _READ_AS.get(row.kind, row.kind), **{name: body[name] for name in _BODY},
        source="model" if row.model else "project", set_by=row.set_by, set_at=row.set_ms / 1000,
    )  # fmt: skip

"""What was marked as bad: a row a thing in the journal; who marked it when is in the history."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, insert, select

from services.actions import database, schema
from services.actions.journal import Journal
from services.lineage.models import Mark, Ref, ref_of

_MARKS = schema.lineage_marks
MARKABLE = frozenset(("data", "models", "workflow", "run", "version"))
"""Kinds that can be marked: what later things are made of."""


def marks(journal: Journal, projects: Sequence[str] | None = None) -> dict[Ref, Mark]:
    """Return what is marked, the newest first; ``projects`` are those the person sees.

    Raises:
        JournalError: The journal cannot be read.
    """
    query = select(_MARKS).order_by(_MARKS.c.at_ms.desc(), _MARKS.c.subject)
    if projects is not None:
        query = query.where(_MARKS.c.project.in_(projects) | _MARKS.c.project.is_(None))
    with journal.read() as connection:
        rows = connection.execute(query).all()
    return {mark.ref: mark for mark in map(_mark, rows) if mark is not None}


def mark_of(journal: Journal, ref: Ref) -> Mark | None:
    """Return a thing's mark, None when it has none.

    Raises:
        JournalError: The journal cannot be read.
    """
    with journal.read() as connection:
        row = connection.execute(select(_MARKS).where(_MARKS.c.subject == ref.id)).first()
    return None if row is None else _mark(row)


def put(journal: Journal, mark: Mark) -> None:
    """Mark a thing; another mark of it is replaced.

    Raises:
        JournalError: The journal cannot be written.
    """
    with journal.write() as connection:
        database.lock(connection, _MARKS.name)
        connection.execute(delete(_MARKS).where(_MARKS.c.subject == mark.ref.id))
        row = {
            "subject": mark.ref.id, "project": mark.project, "reason": mark.reason, "by": mark.by,
            "at_ms": round(mark.at * 1000), "action_id": mark.action_id,
        }  # fmt: skip
        connection.execute(insert(_MARKS).values(**row))


def take_back(journal: Journal, ref: Ref) -> bool:
    """Take a mark back; return whether there was one.

    Raises:
        JournalError: The journal cannot be written.
    """
    with journal.write() as connection:
        done = connection.execute(delete(_MARKS).where(_MARKS.c.subject == ref.id))
    return bool(done.rowcount)


def _mark(row: Row[Any]) -> Mark | None:
    ref = ref_of(row.subject)
    if ref is None:  # a kind of a later version
        return None
    return Mark(ref, row.project, row.reason, row.by, row.at_ms / 1000, row.action_id)

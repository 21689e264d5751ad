"""What people and policies did, what is marked as bad, and which links lead nowhere."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, select

from services.actions import schema
from services.lineage.asking import Lineage
from services.lineage.radius import said
from services.reports.models import Asked, Figure, Section, Table, Window, first

_ACTIONS = schema.actions
JOURNAL = "the journal of this platform"
LINEAGE = "lineage over all engines"


def section(asked: Asked) -> Section:
    """Return the section."""
    now, before = _actions(asked, asked.window), _actions(asked, asked.window.before)
    here = Lineage(asked.home, asked.mirror, asked.journal, asked.data, asked.projects)
    bad, broken = here.spoilt(), here.broken()
    figures = (
        Figure("Actions", len(now), len(before), JOURNAL),
        Figure("Of them not done", _undone(now), _undone(before), JOURNAL, "", "less"),
        Figure("Marked as bad now", len(bad), None, LINEAGE, "", "less", standing=True),
        Figure("Broken links now", len(broken), None, LINEAGE, "", "less", standing=True),
    )
    marked = [
        (one.mark.ref.id, datetime.fromtimestamp(one.mark.at, UTC).strftime("%Y-%m-%d %H:%M"),
         one.mark.by, one.mark.reason, said(one.radius))
        for one in bad
    ]  # fmt: skip
    rows, left = first(marked)
    lost, lost_left = first([(one.ref.id, one.missing, one.said) for one in broken])
    return Section(
        "activity",
        "Actions and lineage",
        figures,
        tables=(
            _kinds(now, before),
            Table("Marked as bad", ("what", "since (UTC)", "who", "why", "what came of it"), rows,
                  LINEAGE, "Nothing is marked as bad.", left),
            Table("Broken links", ("what", "names", "said"), lost, LINEAGE, "No link is broken.",
                  lost_left),
        ),
        notes=tuple(f"Not looked at: {one}" for one in here.unread),
    )  # fmt: skip


def _actions(asked: Asked, window: Window) -> Sequence[Any]:
    low, high = window.ms
    mine: ColumnElement[bool] = _ACTIONS.c.project.in_(asked.projects)
    if asked.whole:
        mine = mine | _ACTIONS.c.project.is_(None)
    query = select(_ACTIONS.c.kind, _ACTIONS.c.state, _ACTIONS.c.actor).where(
        _ACTIONS.c.submitted_ms >= low, _ACTIONS.c.submitted_ms < high, mine
    )
    with asked.journal.read() as connection:
        return connection.execute(query).all()


def _undone(rows: Sequence[Any]) -> int:
    return sum(row.state in {"failed", "denied", "compensated"} for row in rows)


def _kinds(now: Sequence[Any], before: Sequence[Any]) -> Table:
    counts, then = (Counter(row.kind for row in some) for some in (now, before))
    who = {kind: Counter(r.actor for r in now if r.kind == kind) for kind in counts}
    rows = [
        (kind, f"{count:,}", f"{then[kind]:,}",
         ", ".join(name for name, _ in who[kind].most_common(4)))
        for kind, count in counts.most_common()
    ]  # fmt: skip
    shown, left = first(rows)
    columns = ("action", "times", "before", "who")
    return Table("What was done", columns, shown, JOURNAL, "Nobody did anything.", left)

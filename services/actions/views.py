"""Saved views: a page's address under a name, one's own or shared.

They are not actions: nothing outside the journal changes, so there is nothing to wait for, to
resume or to take back. Who kept, shared or deleted one is in the audit, in the same transaction.
"""

from sqlalchemy import delete, func, select

from services.actions import audit, schema
from services.actions.journal import Journal, now_ms
from services.errors import InputError, NotFoundError

_VIEW_LIMIT = 20_000
_VIEWS_AT_MOST = 500
_TOLD = 1_000


def save_view(
    journal: Journal, owner: str, page: str, name: str, query: str, *, shared: bool
) -> None:
    """Keep a view under its owner's name; saving again replaces it.

    Raises:
        InputError: The name is empty or too long, the view is too long, or there are too many.
    """
    name = name.strip()
    if not 0 < len(name) <= 120:
        raise InputError("A view's name has 1 to 120 characters.")
    if len(query) > _VIEW_LIMIT:
        raise InputError(f"A view holds at most {_VIEW_LIMIT} characters.")
    table = schema.views
    mine = (table.c.owner == owner) & (table.c.page == page) & (table.c.name == name)
    with journal.write() as connection:
        before = connection.execute(select(table).where(mine)).first()
        if before is not None and (before.query, before.shared) == (query, shared):
            return
        connection.execute(delete(table).where(mine))
        kept = select(func.count()).select_from(table).where(table.c.owner == owner)
        if connection.execute(kept).scalar_one() >= _VIEWS_AT_MOST:
            raise InputError(f"You have {_VIEWS_AT_MOST} views.", "Delete some first.")
        connection.execute(
            table.insert().values(
                owner=owner, page=page, name=name, query=query, shared=shared, updated_ms=now_ms()
            )
        )
        what, was = "view.saved", {}
        if before is not None:
            what = _change(query, before.query, shared=shared, was_shared=before.shared)
            was = {"before": before.query[:_TOLD]} if before.query != query else {}
        told: dict[str, object] = {"view": query[:_TOLD], "shared": shared, **was}
        audit.append(connection, owner, what, f"{name} ({page})", detail=told)


def _change(query: str, old_query: str, *, shared: bool, was_shared: bool) -> str:
    if shared != was_shared and query == old_query:
        return "view.shared" if shared else "view.unshared"
    return "view.replaced"


def list_views(journal: Journal, owner: str, page: str) -> tuple[tuple[str, str, str, bool], ...]:
    """Return (owner, name, query, shared) of one's own views and the shared ones, by name."""
    table = schema.views
    query = select(table).where(table.c.page == page, (table.c.owner == owner) | table.c.shared)
    with journal.read() as connection:
        rows = connection.execute(query.order_by(table.c.name, table.c.owner))
        return tuple((row.owner, row.name, row.query, row.shared) for row in rows)


def delete_view(journal: Journal, owner: str, page: str, name: str) -> None:
    """Delete one's own view.

    Raises:
        NotFoundError: One has no such view.
    """
    table = schema.views
    mine = (table.c.owner == owner) & (table.c.page == page) & (table.c.name == name)
    with journal.write() as connection:
        gone = connection.execute(
            delete(table).where(mine).returning(table.c.query, table.c.shared)
        ).first()
        if gone is None:
            raise NotFoundError(f"You have no view {name[:80]!r} on this page.")
        told: dict[str, object] = {"before": gone.query[:_TOLD], "shared": gone.shared}
        audit.append(connection, owner, "view.deleted", f"{name} ({page})", detail=told)

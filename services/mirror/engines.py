"""How old the picture of each engine is."""

from datetime import datetime

from sqlalchemy import Connection, select

from services.mirror import schema
from services.mirror.detail import moment
from services.mirror.models import Freshness


def freshness(connection: Connection) -> tuple[Freshness, ...]:
    """Return every engine by name, with its state and when it was last followed."""
    found = connection.execute(select(schema.engines).order_by(schema.engines.c.name))
    return tuple(
        Freshness(
            row.name,
            row.title,
            row.state,
            moment(row.since_ms),
            moment(row.last_sync_ms),
            row.reason,
            row.hint,
        )
        for row in found
    )


def last_sync(connection: Connection) -> datetime | None:
    """Return when the mirror last followed MLflow."""
    table = schema.engines
    found = connection.execute(
        select(table.c.last_sync_ms).where(table.c.name == "mlflow")
    ).scalar()
    return moment(found)

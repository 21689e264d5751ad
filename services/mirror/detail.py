"""Everything of one run: what its own page shows."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection, Row, select

from services.errors import NotFoundError
from services.mirror import schema
from services.mirror.metadata import metadata
from services.mirror.models import MetricPoint, Run, RunDetail


def run_detail(connection: Connection, run_id: str) -> RunDetail:
    """Return everything the mirror knows of a run.

    Raises:
        NotFoundError: No such run.
    """
    table = schema.runs
    row = connection.execute(select(table).where(table.c.run_id == run_id)).first()
    if row is None:
        raise NotFoundError(
            f"There is no run {run_id[:64]!r}.",
            "It may be new (the mirror follows in seconds) or belong to another MLflow.",
        )
    points = {
        found.name: MetricPoint(
            math.nan if found.value is None else found.value,
            found.step,
            moment(found.at_ms),
        )
        for found in _logged(connection, "metrics", row.rid)
    }
    params = {found.name: found.value for found in _logged(connection, "params", row.rid)}
    tags = {found.name: found.value for found in _logged(connection, "tags", row.rid)}
    made = connection.execute(
        select(schema.versions.c.name, schema.versions.c.version).where(
            schema.versions.c.run_id == run_id
        )
    ).all()
    run = Run(
        run_id=row.run_id,
        project=row.project,
        experiment_id=row.experiment_id,
        name=row.name,
        status=row.status,
        status_reason=row.status_reason,
        technique=row.technique,
        baseline=row.baseline,
        started_at=moment(row.started_ms),
        ended_at=moment(row.ended_ms),
        user=row.user,
        host=row.host,
        archived=row.archived,
        metrics={name: point.value for name, point in points.items()},
        params=params,
        tags=tags,
    )
    names = tuple(f"{found.name}:{found.version}" for found in made)
    return RunDetail(run, points, row.artifact_uri, names)


def _logged(connection: Connection, group: str, rid: int) -> Iterable[Row]:  # type: ignore[type-arg]  # name and value
    table = metadata.tables[group]
    return connection.execute(
        select(schema.keys.c.name, table)
        .join(schema.keys, schema.keys.c.key_id == table.c.key_id)
        .where(table.c.rid == rid)
        .order_by(schema.keys.c.name)
    )


def moment(ms: float | None) -> datetime | None:
    """Return a stored time; None for a missing one."""
    if ms is None or math.isnan(ms):
        return None
    return datetime.fromtimestamp(ms / 1000, UTC)

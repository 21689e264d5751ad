"""Registered models as the mirror holds them."""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection, Row, select

from services.mirror import schema
from services.mirror.models import ModelVersion, RegisteredModel


def registered_models(
    connection: Connection, projects: tuple[str, ...] | None, name: str | None
) -> Iterable[RegisteredModel]:
    """Yield the registered models of ``projects`` (None is all), versions newest first."""
    found = select(schema.models).order_by(schema.models.c.project, schema.models.c.name)
    made = select(schema.versions).order_by(schema.versions.c.version.desc())
    for table in (schema.models, schema.versions):
        query = found if table is schema.models else made
        if projects is not None:
            query = query.where(table.c.project.in_(projects))
        if name is not None:
            query = query.where(table.c.name == name)
        if table is schema.models:
            found = query
        else:
            made = query
    version_rows = connection.execute(made).all()
    metrics = _final_metrics(connection, {row.run_id for row in version_rows if row.run_id})
    for row in connection.execute(found):
        aliases: dict[str, int] = json.loads(row.aliases)
        own = [v for v in version_rows if (v.project, v.name) == (row.project, row.name)]
        versions = tuple(_version(v, aliases, metrics.get(v.run_id, {})) for v in own)
        tags = json.loads(row.tags)
        yield RegisteredModel(row.project, row.name, row.description, versions, tags)


def _final_metrics(connection: Connection, run_ids: set[str]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    runs, metrics, names = schema.runs, schema.metrics, schema.keys
    for row in connection.execute(
        select(runs.c.run_id, names.c.name, metrics.c.value)
        .join(metrics, metrics.c.rid == runs.c.rid)
        .join(names, names.c.key_id == metrics.c.key_id)
        .where(runs.c.run_id.in_(run_ids))
    ):
        value = math.nan if row.value is None else row.value
        found.setdefault(row.run_id, {})[row.name] = value
    return found


def _version(
    row: Row,  # type: ignore[type-arg]  # of the versions table
    aliases: Mapping[str, int],
    metrics: Mapping[str, float],
) -> ModelVersion:
    tags = json.loads(row.tags)
    created = datetime.fromtimestamp(row.created_ms / 1000, UTC)
    return ModelVersion(
        project=row.project,
        name=row.name,
        version=row.version,
        aliases=tuple(sorted(a for a, version in aliases.items() if version == row.version)),
        run_id=row.run_id,
        created_at=created,
        status=row.status.lower(),
        format=tags.get("mlops.format"),
        technique=tags.get("mlops.technique"),
        data_revision=tags.get("mlops.data.revision"),
        git_commit=tags.get("mlops.git.commit"),
        description=row.description,
        metrics=metrics,
        tags=tags,
        archived=tags.get("mlops.archived") == "true",
    )

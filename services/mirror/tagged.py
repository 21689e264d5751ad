"""What carries a tag, by the tag's value."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, select

from services.mirror import schema
from services.mirror.columns import Columns, Labels
from services.mirror.text import Mask


@dataclass(frozen=True, slots=True)
class Tagged:
    """Runs and registered versions by their value of a tag."""

    runs: Mapping[str, tuple[str, ...]]
    """Ids, those started last first; archived runs are left out."""
    versions: Mapping[str, tuple[tuple[str, str, int], ...]]
    """Project, model and number, the newest of a model first."""


def tagged(
    connection: Connection, columns: Columns, mask: Mask, tag: str, projects: tuple[str, ...]
) -> Tagged:
    """Return the runs in ``mask`` and the projects' registered versions by their value of a tag."""
    runs = _runs(columns, connection, tag, mask)
    return Tagged(runs, _versions(connection, tag, projects))


def _runs(
    columns: Columns, connection: Connection, tag: str, mask: Mask
) -> dict[str, tuple[str, ...]]:
    column = columns.values(connection, "tags", tag)
    if not isinstance(column, Labels):
        return {}
    wanted = column.positions[mask[column.positions]]
    started = np.nan_to_num(columns.started_ms[wanted])
    ids = columns.texts["run_id"]
    codes = column.codes
    found: dict[str, list[str]] = {}
    for place in wanted[np.argsort(-started, kind="stable")]:
        found.setdefault(column.words[codes[place]], []).append(ids.words[ids.codes[place]])
    return {value: tuple(runs) for value, runs in found.items()}


def _versions(
    connection: Connection, tag: str, projects: tuple[str, ...]
) -> dict[str, tuple[tuple[str, str, int], ...]]:
    table = schema.versions
    query = (
        select(table.c.project, table.c.name, table.c.version, table.c.tags)
        .where(table.c.project.in_(projects))
        .order_by(table.c.project, table.c.name, table.c.version.desc())
    )
    found: dict[str, list[tuple[str, str, int]]] = {}
    for row in connection.execute(query):
        value = json.loads(row.tags).get(tag)
        if value:
            found.setdefault(value, []).append((row.project, row.name, row.version))
    return {value: tuple(versions) for value, versions in found.items()}

"""Runs by a tag's value, and tags by run, as the mirror has them: few rows, whatever it holds."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, Select, case, func, select, tuple_

from services.lineage.models import Ref, numbered
from services.lineage.source import Projects
from services.mirror import schema
from services.mirror.queries import Mirror

T = TypeVar("T")
DATA, MODELS, TASK = "mlops.data.revision", "mlops.models.revision", "mlops.task"
BASE, LOADED = (
    tuple(name if n == 1 else f"{name}.{n}" for n in range(1, 9))
    for name in ("mlops.base.version", "mlops.loaded.version")
)
"""Versions that a run was made from, as it said, and that it loaded: ``PROJECT/MODEL:NUMBER``."""
_RUNS, _TAGS, _KEYS, _VERSIONS = schema.runs, schema.tags, schema.keys, schema.versions
_AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class Carriers:
    """Runs that carry a tag."""

    rows: tuple[Row[Any], ...]
    """run_id, project, value: of what is seen, the foremost first."""
    total: int
    """Of what is seen."""
    hidden: int
    """Of other projects."""


def key_ids(mirror: Mirror, names: Sequence[str]) -> dict[str, int]:
    """Return the numbers of tags by name; one that no run ever had is left out."""
    query = select(_KEYS.c.name, _KEYS.c.key_id).where(_KEYS.c.kind == "t", _KEYS.c.name.in_(names))
    return {row.name: row.key_id for row in mirror.rows(query)}


def carriers(
    mirror: Mirror,
    name: str,
    value: str,
    projects: Projects,
    most: int,
    first: Collection[str] = (),
) -> Carriers:
    """Return the runs whose tag has a value: first some, then those registered, then the newest.

    Args:
        mirror: Where they are.
        name: The tag's.
        value: The tag's; one that ends with ``/`` is what it begins with.
        projects: Those the asker sees.
        most: How many rows at most.
        first: Ids of runs that come before all others.
    """
    number = key_ids(mirror, (name,)).get(name)
    if number is None:
        return Carriers((), 0, 0)
    here = (_TAGS.c.key_id == number, same(value))
    joined = _TAGS.join(_RUNS, _RUNS.c.rid == _TAGS.c.rid)
    mine_too: ColumnElement[Any] = func.count()
    if projects is not None:
        mine_too = func.sum(case((_RUNS.c.project.in_(projects), 1), else_=0))
    counted = select(func.count(), mine_too).select_from(joined).where(*here)
    (row,) = mirror.rows(counted)
    total, mine = int(row[0]), int(row[1] or 0)
    if not mine:
        return Carriers((), 0, total)
    made = select(_VERSIONS.c.run_id).where(_VERSIONS.c.run_id.is_not(None)).distinct().subquery()
    rank = case((_RUNS.c.run_id.in_(list(first)[:_AT_ONCE]), 0), (made.c.run_id.is_not(None), 1),
                else_=2)  # fmt: skip
    query = (
        select(_RUNS.c.run_id, _RUNS.c.project, _TAGS.c.value)
        .select_from(joined.outerjoin(made, made.c.run_id == _RUNS.c.run_id))
        .where(*here)
        .order_by(rank, _RUNS.c.started_ms.desc(), _RUNS.c.rid)
        .limit(most)
    )
    if projects is not None:
        query = query.where(_RUNS.c.project.in_(projects))
    return Carriers(tuple(mirror.rows(query)), mine, total - mine)


def naming(
    mirror: Mirror, names: Sequence[str], values: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the runs one of whose tags of some names has one of some values: (value, run)."""
    numbers = list(key_ids(mirror, names).values())
    if not numbers:
        return
    query = (
        select(_TAGS.c.value, _RUNS.c.run_id)
        .join(_RUNS, _RUNS.c.rid == _TAGS.c.rid)
        .where(_TAGS.c.key_id.in_(numbers))
        .order_by(_RUNS.c.started_ms.desc(), _RUNS.c.rid)
    )
    for row in rows_of(mirror, query, _TAGS.c.value, values):
        yield row.value, row.run_id


def same(value: str) -> ColumnElement[bool]:
    """Return the condition that a tag has a value, or begins with one that ends with ``/``."""
    if not value.endswith("/"):
        return _TAGS.c.value == value
    return func.substr(_TAGS.c.value, 1, len(value)) == value


def of_runs(
    mirror: Mirror, run_ids: Sequence[str], names: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return some tags of some runs, by run and name."""
    numbers = {number: name for name, number in key_ids(mirror, names).items()}
    found: dict[str, dict[str, str]] = {}
    for some in chunks(run_ids):
        query = (
            select(_RUNS.c.run_id, _TAGS.c.key_id, _TAGS.c.value)
            .join(_TAGS, _TAGS.c.rid == _RUNS.c.rid)
            .where(_RUNS.c.run_id.in_(some), _TAGS.c.key_id.in_(list(numbers)))
        )
        for row in mirror.rows(query):
            found.setdefault(row.run_id, {})[numbers[row.key_id]] = row.value
    return found


def runs_of_versions(mirror: Mirror, versions: Sequence[Ref]) -> dict[Ref, str]:
    """Return the run of each version that names one."""
    place = tuple_(_VERSIONS.c.project, _VERSIONS.c.name, _VERSIONS.c.version)
    query = select(_VERSIONS.c.project, _VERSIONS.c.name, _VERSIONS.c.version, _VERSIONS.c.run_id)
    rows = rows_of(mirror, query, place, [one.numbered for one in versions])
    return {
        numbered("version", row.project, row.name, row.version): row.run_id
        for row in rows
        if row.run_id
    }


def versions_of_runs(mirror: Mirror, run_ids: Sequence[str]) -> list[Ref]:
    """Return the versions that were registered from runs."""
    query = select(_VERSIONS.c.project, _VERSIONS.c.name, _VERSIONS.c.version)
    rows = rows_of(mirror, query, _VERSIONS.c.run_id, run_ids)
    return [numbered("version", row.project, row.name, row.version) for row in rows]


def runless(mirror: Mirror) -> Iterator[tuple[Row[Any], dict[str, str]]]:
    """Yield the versions whose run is not there, each with its own tags: they alone can tell."""
    here = _VERSIONS.outerjoin(_RUNS, _RUNS.c.run_id == _VERSIONS.c.run_id)
    query = select(_VERSIONS).select_from(here).where(_RUNS.c.rid.is_(None))
    for row in mirror.rows(query):
        yield row, json.loads(row.tags)


def runs(mirror: Mirror, run_ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Return some runs by id; those that are not there are left out."""
    return {
        row.run_id: row
        for some in chunks(run_ids)
        for row in mirror.rows(select(_RUNS).where(_RUNS.c.run_id.in_(some)))
    }


def rows_of(
    mirror: Mirror, query: Select[Any], column: ColumnElement[Any], wanted: Sequence[Any]
) -> Iterator[Row[Any]]:
    """Yield the rows of a query whose column is one of many values."""
    for some in chunks(wanted):
        yield from mirror.rows(query.where(column.in_(some)))


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield some values at a time: a statement takes no more."""
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]


def task_of(tags: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Return the workflow, its run and the task that made a run; None: no workflow did."""
    parts = tags.get(TASK, "").split("/")
    return (parts[0], parts[1], parts[2]) if len(parts) == 4 and all(parts) else None

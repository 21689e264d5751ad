"""Which fields a filter, a sort or a column may name."""

from collections.abc import Iterable, Sequence

import numpy as np
from sqlalchemy import Connection, func, select

from services.mirror import schema
from services.mirror.columns import Columns, Numbers
from services.mirror.filters import field_name
from services.mirror.models import FieldInfo, FieldKind
from services.mirror.text import Mask, Text

_CHOICES = 25
# Shown elsewhere, or how the client tells apart what it sent.
HIDDEN_TAGS = frozenset(
    {
        "mlops.heartbeat",
        "mlops.packages",
        "mlops.local_id",
        "mlops.delivery",
        "mlops.registration",
        "mlflow.note.content",
    }
)


def attribute_fields(columns: Columns, mask: Mask) -> Iterable[FieldInfo]:
    """Yield the fixed fields of a run."""
    size = columns.size
    for name in ("name", "status", "project", "technique", "user", "host", "run_id"):
        column = columns.texts[name]
        present = column.present()[:size] & mask
        choices = _choices(column, present) if name not in {"name", "run_id"} else ()
        yield FieldInfo(name, "choice" if choices else "text", int(present.sum()), choices)
    started, ended = columns.started_ms[:size], columns.ended_ms[:size]
    yield FieldInfo("started_at", "time", int((~np.isnan(started) & mask).sum()))
    yield FieldInfo("ended_at", "time", int((~np.isnan(ended) & mask).sum()))
    yield FieldInfo("duration_s", "number", int((~np.isnan(ended - started) & mask).sum()))
    yield FieldInfo("baseline", "choice", int(mask.sum()), ("true", "false"))


def value_field(group: str, name: str, column: Text | Numbers, mask: Mask) -> list[FieldInfo]:
    """Return the field of a metric, parameter or tag, nothing when no run in scope has it."""
    size = len(mask)
    field = field_name(group, name)
    if isinstance(column, Numbers):
        count = int(mask[column.positions].sum())
        return [FieldInfo(field, "number", count)] if count else []
    present = column.present()[:size] & mask
    count = int(present.sum())
    if not count:
        return []
    choices = _choices(column, present)
    numeric = bool(choices) and not np.isnan(column.numbers()[:size][present]).any()
    kind: FieldKind = "number" if numeric else "choice" if choices else "text"
    return [FieldInfo(field, kind, count, choices)]


def _choices(column: Text, present: Mask) -> tuple[str, ...]:
    codes = np.unique(column.codes[: len(present)][present])
    if len(codes) > _CHOICES:
        return ()
    return tuple(sorted(column.words[code] for code in codes))


def logged_by(connection: Connection, run_ids: Sequence[str]) -> Iterable[FieldInfo]:
    """Yield the metrics, parameters and tags of some runs, read without their columns.

    A few rows from an index: what a page needs to choose its columns, at any size of the mirror.
    """
    mine = select(schema.runs.c.rid).where(schema.runs.c.run_id.in_(run_ids))
    names, metrics = schema.keys, schema.metrics
    counted = (
        select(names.c.name, func.count())
        .join(names, names.c.key_id == metrics.c.key_id)
        .where(metrics.c.rid.in_(mine))
        .group_by(names.c.name)
    )
    for name, count in connection.execute(counted):
        yield FieldInfo(field_name("metrics", name), "number", count)
    for group, table in (("params", schema.params), ("tags", schema.tags)):
        values: dict[str, list[str]] = {}
        query = (
            select(names.c.name, table.c.value)
            .join(names, names.c.key_id == table.c.key_id)
            .where(table.c.rid.in_(mine))
        )
        for name, value in connection.execute(query):
            values.setdefault(name, []).append(value)
        for name, found in sorted(values.items()):
            yield _sampled(group, name, found)


def _sampled(group: str, name: str, values: list[str]) -> FieldInfo:
    words = sorted(set(values))
    choices = tuple(words) if len(words) <= _CHOICES else ()
    return FieldInfo(field_name(group, name), "choice" if choices else "text", len(values), choices)

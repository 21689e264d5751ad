"""Training runs: how many, how they ended, how long they took, what they used."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

from sqlalchemy import Row, func, select

from services.mirror import schema
from services.reports.models import Asked, Chart, Figure, Section, Table, Window, first, share

_RUNS, _METRICS, _KEYS = schema.runs, schema.metrics, schema.keys
_ENERGY = "system/energy_j"
SOURCE = "MLflow, by the mirror"


def section(asked: Asked) -> Section:
    """Return the section."""
    rows, before = _runs(asked, asked.window), _runs(asked, asked.window.before)
    return Section(
        "experiments",
        "Experiments",
        _figures(asked, rows, before),
        (_per_day(asked, rows),),
        (_projects(asked, rows, before),),
        ("A run counts by when it started. Failed are those that failed or were lost.",),
    )


def _runs(asked: Asked, window: Window) -> Sequence[Row[Any]]:
    low, high = window.ms
    columns = (_RUNS.c.project, _RUNS.c.status, _RUNS.c.started_ms, _RUNS.c.ended_ms)
    query = select(*columns).where(
        _RUNS.c.started_ms >= low,
        _RUNS.c.started_ms < high,
        _RUNS.c.project.in_(asked.projects),
        _RUNS.c.archived.is_(False),
    )
    return asked.mirror.rows(query)


def _figures(
    asked: Asked, rows: Sequence[Row[Any]], before: Sequence[Row[Any]]
) -> tuple[Figure, ...]:
    energy, known = _energy(asked, asked.window)
    energy_before, _ = _energy(asked, asked.window.before)
    missing = "No run carries an energy: its machine tells none." if energy is None else ""
    told = f"{SOURCE}; {known:,} of {len(rows):,} runs carry it"
    return (
        Figure("Runs", len(rows), len(before), SOURCE),
        Figure("Failed", _failed(rows), _failed(before), SOURCE, "ratio", "less", _none(rows)),
        Figure("Median duration", _median(rows), _median(before), SOURCE, "s", "less",
               "" if _median(rows) is not None else "No run finished."),
        Figure("Energy", energy, energy_before, told, "J", "", missing),
    )  # fmt: skip


def _none(rows: Sequence[Row[Any]]) -> str:
    return "" if rows else "No run started."


def _failed(rows: Sequence[Row[Any]]) -> float | None:
    return share(sum(row.status in {"failed", "lost"} for row in rows), len(rows))


def _median(rows: Sequence[Row[Any]]) -> float | None:
    took = [
        (row.ended_ms - row.started_ms) / 1000
        for row in rows
        if row.status == "finished" and row.ended_ms is not None
    ]
    return median(took) if took else None


def _energy(asked: Asked, window: Window) -> tuple[float | None, int]:
    """Return the joules of the runs that carry them, and how many do."""
    low, high = window.ms
    query = (
        select(func.sum(_METRICS.c.value), func.count(_METRICS.c.value))
        .select_from(
            _METRICS.join(_KEYS, _KEYS.c.key_id == _METRICS.c.key_id).join(
                _RUNS, _RUNS.c.rid == _METRICS.c.rid
            )
        )
        .where(
            _KEYS.c.kind == "m",
            _KEYS.c.name == _ENERGY,
            _RUNS.c.started_ms >= low,
            _RUNS.c.started_ms < high,
            _RUNS.c.project.in_(asked.projects),
            _RUNS.c.archived.is_(False),
        )
    )
    total, known = asked.mirror.rows(query)[0]
    return (None, 0) if not known else (float(total), int(known))


def _per_day(asked: Asked, rows: Sequence[Row[Any]]) -> Chart:
    counts = Counter(datetime.fromtimestamp(row.started_ms / 1000, UTC).date() for row in rows)
    days = asked.window.days
    return Chart("Runs a day", days, tuple(float(counts[day]) for day in days), SOURCE)


def _projects(asked: Asked, rows: Sequence[Row[Any]], before: Sequence[Row[Any]]) -> Table:
    now, then = (Counter(row.project for row in some) for some in (rows, before))
    failed = Counter(row.project for row in rows if row.status in {"failed", "lost"})
    found = []
    for one in asked.summaries:
        best = one.best
        told = "–" if best is None else f"{best.metric} {best.value:.4g}"
        if best is not None and best.technique:
            told += f" ({best.technique})"
        found.append((one.title, f"{now[one.id]:,}", f"{then[one.id]:,}", f"{failed[one.id]:,}",
                      told))  # fmt: skip
    shown, left = first(found)
    columns = ("project", "runs", "before", "failed", "best ever")
    return Table("By project", columns, shown, SOURCE, "No project is connected.", left)

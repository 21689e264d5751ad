"""Checks of predictions: each verdict is a run that read predictions, with what it found of them.

When a check began is not kept, so START and COMPLETE have one time: when it was done.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, select

from services.lineage.monitored import Monitored
from services.lineage.openlineage import Event, Part, asserted, dataset, job, made_uuid, run
from services.lineage.openlineage import run_event as told
from services.lineage.told.logs import lines
from services.lineage.told.points import Point
from services.monitoring.models import is_moved
from services.monitoring.store import VerdictStore
from services.monitoring.tables import columns as _columns
from services.monitoring.tables import verdicts as _verdicts

_TOLD = {"steady": True, "drifted": False}
"""What too few rows or an unknown state say is neither: it is left out."""


def verdict_uuid(verdict: str) -> str:
    """Return the UUID of a check, by the id of its verdict."""
    return made_uuid("verdict", verdict)


def verdicts_name(project: str, model: str) -> str:
    """Return the dataset that holds a model's verdicts; each of them is a version of it."""
    return f"{project}/{model}/verdicts"


def events(watched: Monitored, ids: Sequence[str]) -> Iterator[Event]:
    """Yield the events of verdicts, those that are kept.

    Raises:
        PlatformError: The index cannot be read.
    """
    store = watched.verdict_store() if ids else None
    if store is not None:
        query = select(_verdicts).where(_verdicts.c.id.in_(ids)).order_by(_verdicts.c.number)
        yield from _told(store, store.ask(query))


def _told(store: VerdictStore, rows: Sequence[Row[Any]]) -> Iterator[Event]:
    found: dict[int, list[Row[Any]]] = {}
    numbers = [row.number for row in rows]
    query = select(_columns).where(_columns.c.verdict.in_(numbers)).order_by(_columns.c.name)
    for column in store.ask(query):
        found.setdefault(column.verdict, []).append(column)
    for row in rows:
        yield from _check(row, found.get(row.number, ()))


def _check(row: Row[Any], columns: Sequence[Row[Any]]) -> Iterator[Event]:
    window = None if row.since is None or row.until is None else (_ms(row.since), _ms(row.until))
    run_ = run(verdict_uuid(row.id), None, window)
    job_ = job(f"{row.project}.{row.model}.check.{row.kind}", "CHECK")
    predictions = dataset(f"{row.project}/{row.model}/predictions", str(row.version))
    at_ms = _ms(row.computed_at)
    yield told("START", at_ms, run_, job_, [predictions])
    findings = asserted(predictions, list(_assertions(row, columns)))
    verdict = dataset(verdicts_name(row.project, row.model), row.id)
    yield told("COMPLETE", at_ms, run_, job_, [findings], [verdict])


def _assertions(row: Row[Any], columns: Sequence[Row[Any]]) -> Iterator[Part]:
    name = f"{row.kind} is steady"
    if row.state in _TOLD:
        yield {"assertion": name, "success": _TOLD[row.state]}
    for column in columns:
        if column.state == "steady" or is_moved(column.state):
            good = column.state == "steady"
            yield {"assertion": name, "success": good, "column": column.name}


def _ms(at: float) -> int:
    return round(at * 1000)


class Verdicts:
    """Verdicts of every check."""

    name = "verdicts"

    def __init__(self, watched: Monitored) -> None:
        self._watched = watched

    def new(self, after: Point, /) -> Iterator[tuple[Point, list[Event]]]:
        """Yield the events of the checks since."""
        store = self._watched.verdict_store()
        if store is None:
            return iter(())
        return lines(
            store.ask, select(_verdicts), _verdicts.c.number, _verdicts.c.id, after,
            lambda rows: _told(store, rows),
        )  # fmt: skip

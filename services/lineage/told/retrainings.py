"""Retrainings that were accepted: from the verdicts that asked for them to the new version."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, select

from services.actions import retraining_tables as tables
from services.actions.journal import Journal
from services.lineage.monitored import Monitored
from services.lineage.openlineage import Event, Part, Type, dataset, job, made_uuid, run, run_event
from services.lineage.told.logs import lines
from services.lineage.told.points import Point
from services.lineage.told.verdicts import verdicts_name
from services.retraining import store
from services.retraining.models import Proposal

_EVENTS = tables.retraining_events
_TYPES: Mapping[str, Type] = {
    "accepted": "START", "promoted": "COMPLETE", "dropped": "COMPLETE", "failed": "FAIL",
    "dismissed": "ABORT",
}  # fmt: skip
"""By what happened. One that was dropped ended as well: its new version was judged."""


def retraining_uuid(project: str, model: str, number: int, created_ms: int) -> str:
    """Return the UUID of a retraining; its number alone is another one's in another journal."""
    return made_uuid("retraining", f"{project}.{model}/{number}@{created_ms}")


def job_of(project: str, model: str) -> str:
    """Return the job whose runs are the retrainings of a model."""
    return f"{project}.{model}.retrain"


def events(watched: Monitored, numbers: Sequence[int]) -> Iterator[Event]:
    """Yield the events of retrainings.

    Raises:
        MlopsError: They, or the verdicts behind them, cannot be read.
    """
    if numbers:
        query = select(_EVENTS).where(_EVENTS.c.retraining_id.in_(numbers)).order_by(_EVENTS.c.id)
        yield from _told(watched, _rows(watched.journal, query))


def _told(watched: Monitored, rows: Sequence[Row[Any]]) -> Iterator[Event]:
    rows = [row for row in rows if row.what in _TYPES]
    asked = {row.retraining_id for row in rows}
    known = {one.id: one for one in store.several(watched.journal, asked)}
    for row in rows:
        one = known.get(row.retraining_id)
        # Of the dismissed ones only those began that a person stopped on their way.
        if one is not None and (row.what != "dismissed" or one.stopped):
            yield _event(watched, one, _TYPES[row.what], row.at_ms)


def _event(watched: Monitored, one: Proposal, type_: Type, at_ms: int) -> Event:
    uuid_ = retraining_uuid(one.project, one.model, one.id, round(one.created_at * 1000))
    made = one.candidate if type_ != "START" else None
    return run_event(
        type_, at_ms, run(uuid_), job(job_of(one.project, one.model), "RETRAINING"),
        _causes(watched, one),
        [] if made is None else [dataset(f"{one.project}/{one.model}", str(made))],
    )  # fmt: skip


def _causes(watched: Monitored, one: Proposal) -> list[Part]:
    """Return the verdicts behind its alerts; without any the version that it is to replace."""
    raised = filter(None, (watched.alert(str(number)) for number in one.alerts))
    verdicts = dict.fromkeys(verdict for alert in raised for verdict in alert.verdicts)
    if verdicts:
        name = verdicts_name(one.project, one.model)
        return [dataset(name, verdict) for verdict in verdicts]
    return [] if one.version is None else [dataset(f"{one.project}/{one.model}", str(one.version))]


def _rows(journal: Journal, query: Select[Any]) -> Sequence[Row[Any]]:
    with journal.read() as connection:
        return connection.execute(query).all()


class Retrainings:
    """Retrainings that were accepted, and how they ended."""

    name = "retrainings"

    def __init__(self, watched: Monitored) -> None:
        self._watched = watched

    def new(self, after: Point, /) -> Iterator[tuple[Point, list[Event]]]:
        """Yield the events of what happened to retrainings since."""
        return lines(
            lambda query: _rows(self._watched.journal, query), select(_EVENTS), _EVENTS.c.id,
            _EVENTS.c.at_ms, after, lambda rows: _told(self._watched, rows),
        )  # fmt: skip

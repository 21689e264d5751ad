"""Deployments: which bundle answers, and that its answers are kept as predictions."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, Select, select

from services.actions import schema
from services.actions.journal import Journal
from services.lineage.openlineage import Event, dataset, job, job_event
from services.lineage.told.logs import lines
from services.lineage.told.points import Point

_EVENTS = schema.serving_events
_JOBS = {"live": "serve", "canary": "canary", "shadow": "shadow"}
_GONE = "undeployed"


def events(journal: Journal, served: Sequence[tuple[str, str, int]]) -> Iterator[Event]:
    """Yield the events of versions in service, (project, model, number) each.

    Raises:
        JournalError: The journal cannot be read.
    """
    for project, model, number in served:
        mine = (_EVENTS.c.name == f"{project}.{model}", _EVENTS.c.version == number)
        yield from _told(_rows(journal, select(_EVENTS).where(*mine).order_by(_EVENTS.c.id)))


def _told(rows: Sequence[Row[Any]]) -> Iterator[Event]:
    for row in rows:
        if row.kind in _JOBS and row.version is not None:
            yield from _answers(row)
        elif row.kind == _GONE:
            yield job_event(row.at_ms, _service(row, "serve"))


def _answers(row: Row[Any]) -> Iterator[Event]:
    """Yield that a version was packed, and that the bundle answers."""
    project, _, model = row.name.partition(".")
    name, number = f"{project}/{model}", str(row.version)
    bundle = dataset(f"{name}/bundle", number)
    pack = job(f"{row.name}.pack", "PACKING")
    yield job_event(row.at_ms, pack, [dataset(name, number)], [bundle])
    predictions = dataset(f"{name}/predictions", number)
    yield job_event(row.at_ms, _service(row, _JOBS[row.kind]), [bundle], [predictions])


def _service(row: Row[Any], word: str) -> dict[str, Any]:
    return job(f"{row.name}.{word}", "SERVING", processing="SERVICE")


def _rows(journal: Journal, query: Select[Any]) -> Sequence[Row[Any]]:
    with journal.read() as connection:
        return connection.execute(query).all()


class Serving:
    """What began to answer, live, as a canary or as a shadow, and what was taken out of service."""

    name = "serving"

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def new(self, after: Point, /) -> Iterator[tuple[Point, list[Event]]]:
        """Yield the events of what changed in service since."""

        def ask(query: Select[Any]) -> Sequence[Row[Any]]:
            return _rows(self._journal, query)

        # Others may be deleted (``history.prune``): noted as told last, all would be told again.
        kept = select(_EVENTS).where(_EVENTS.c.kind.in_((*_JOBS, _GONE)))
        return lines(ask, kept, _EVENTS.c.id, _EVENTS.c.at_ms, after, _told)

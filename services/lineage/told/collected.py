"""What was collected: from the predictions of versions to a version of the data."""

import time
from collections.abc import Callable, Collection, Iterator

from services.actions.journal import Journal
from services.lineage.openlineage import Event, dataset, job, made_uuid, run, run_event
from services.lineage.sources.collected import Brought, brought
from services.lineage.told.points import Point, Window, chunked


def events(journal: Journal, revisions: Collection[str]) -> Iterator[Event]:
    """Yield the events of what was collected into versions of the data.

    Raises:
        JournalError: The journal cannot be read.
    """
    if revisions:
        for one in sorted(brought(journal), key=lambda one: one.action_id):
            if one.revision in revisions:
                yield from _told(one)


def _told(one: Brought) -> Iterator[Event]:
    if not one.rows:
        return
    model = f"{one.rows[0].project}.{one.rows[0].model}"
    window = (
        round(min(row.since for row in one.rows) * 1000),
        round(max(row.until for row in one.rows) * 1000),
    )
    uuid_ = made_uuid("collect", f"{one.project}/{one.action_id}@{one.submitted_ms}")
    run_ = run(uuid_, None, window)
    job_ = job(f"{model}.collect", "COLLECT")
    inputs = [
        dataset(f"{row.project}/{row.model}/predictions", str(row.version)) for row in one.rows
    ]
    yield run_event("START", one.submitted_ms, run_, job_, inputs)
    outputs = [dataset(f"{one.project}/data", one.revision)]
    yield run_event("COMPLETE", one.finished_ms, run_, job_, inputs, outputs)


class Collectings:
    """Actions that collected rows of predictions into data."""

    name = "collected"

    def __init__(self, journal: Journal, clock: Callable[[], float] = time.time) -> None:
        self._journal = journal
        self._clock = clock

    def new(self, after: Point, /) -> Iterator[tuple[Point, list[Event]]]:
        """Yield the events of what was collected since."""
        window = Window(after, round(self._clock() * 1000))
        found = sorted(brought(self._journal, window.since_ms), key=lambda one: one.finished_ms)
        fresh = (one for one in found if window.take(str(one.action_id), one.finished_ms))
        for some in chunked(fresh):
            yield window.point(), [event for one in some for event in _told(one)]

"""Asset events, around one Airflow cannot tell yet.

Airflow 3.3.2 answers a whole list with HTTP 500 while one of its events set off a run that has not
started: its own answer demands the run's start. So the list is halved until the others are read.
"""

from collections.abc import Callable

from services.engines.airflow.models import AssetEvent, AssetEvents
from services.engines.airflow.shared_wire import AssetEventsWire
from services.errors import EngineRefusedError

Ask = Callable[[int, int], AssetEventsWire]
"""Returns the events from an offset on, at most so many."""

_PAGE = 64
_BROKEN = 500
_BEYOND = 1_000_000_000
"""An offset after all events."""


def all_events(ask: Ask) -> AssetEvents:
    """Return every event that can be told, and how many cannot yet.

    Raises:
        EngineError: Airflow did not answer, or refused.
    """
    found: list[AssetEvent] = []
    total, offset, untold = 1, 0, 0
    while offset < total:
        try:
            said = ask(offset, _PAGE)
            page, missed, total = list(said.to_models()), 0, said.total_entries
        except EngineRefusedError as error:
            if error.status != _BROKEN:
                raise
            # Refused too when not an event is the matter but Airflow itself.
            total = ask(_BEYOND, 1).total_entries
            page, missed = _halved(ask, offset, min(_PAGE, total - offset))
        found += page
        untold += missed
        offset += _PAGE
    return AssetEvents(tuple(found), untold)


def _halved(ask: Ask, offset: int, count: int) -> tuple[list[AssetEvent], int]:
    """Return the events of a stretch one of which cannot be told, and how many cannot."""
    if count <= 1:
        return [], count
    found: list[AssetEvent] = []
    untold = 0
    half = count // 2
    for start, size in ((offset, half), (offset + half, count - half)):
        try:
            page, missed = list(ask(start, size).to_models()), 0
        except EngineRefusedError as error:
            if error.status != _BROKEN:
                raise
            page, missed = _halved(ask, start, size)
        found += page
        untold += missed
    return found, untold

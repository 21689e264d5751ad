"""Explains alerts of deployments beside the loop that raises them, which waits for nobody.

A search reads the prediction log and telemetry: a second, sometimes more. So a thread of its own
searches, the loop gets what is known, and is told when more is.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlencode

from services.alerting.models import CAUSE, NO_CAUSE, WHY, Event
from services.causes.grounds import AFTER_S, Grounds
from services.causes.models import Explanation, Symptom
from services.errors import MlopsError
from services.telemetry.figures import percent

logger = logging.getLogger(__name__)

PATIENCE_S = 0.3
"""So long one look waits for all searches together."""
AGAIN_S = 600.0
"""What lasts is explained anew so often: more requests tell more."""
RETRY_S = 60.0
_LINES = 3
Topic = Symptom | Literal["outage", "workflow"]
_SYMPTOMS: Mapping[str, Topic] = MappingProxyType({
    "errors": "errors", "latency": "slow", "load": "slow", "accuracy": "accuracy",
    "availability": "outage",
})  # fmt: skip
_FAMILIES: Mapping[str, Topic] = MappingProxyType({
    "data": "data", "prediction": "prediction", "quality": "quality", "accuracy": "accuracy",
})  # fmt: skip

Asked = tuple[str, str, Topic]
"""Project, model, what got worse; of a failed workflow its id and that of its run."""
Found = Explanation | Grounds
Search = Callable[[Asked], Found]


@dataclass(slots=True)
class _Known:
    """What is known of one question. Times are of the monotonic clock."""

    explanation: Found | None = None
    due_at: float = 0.0
    changes: int = 0
    running: "Future[Found] | None" = None


class Follower:
    """Finds the causes of what fires; used by one thread."""

    def __init__(self, search: Search, *, patience_s: float = PATIENCE_S) -> None:
        """Take what searches: it is asked in a thread of its own, one question at a time."""
        self._search = search
        self._patience_s = patience_s
        self._known: dict[Asked, _Known] = {}
        self._pool = ThreadPoolExecutor(1, "causes")
        self._found = threading.Event()

    def close(self) -> None:
        """End; what is not begun is not searched."""
        self._pool.shutdown(cancel_futures=True)

    @property
    def has_news(self) -> bool:
        """Return whether a search ended since the last look: it is worth another one."""
        return self._found.is_set()

    def explained(self, events: Iterable[Event]) -> tuple[Event, ...]:
        """Return events with their causes, as far as they are known now."""
        every = tuple(events)
        asked = {event.key: one for event in every if (one := asked_of(event)) is not None}
        self._found.clear()
        self._take()
        begun = [future for one in dict.fromkeys(asked.values()) if (future := self._begin(one))]
        if begun:
            wait(begun, self._patience_s)
            self._take()
        for gone in self._known.keys() - set(asked.values()):
            if self._known[gone].running is None:
                del self._known[gone]
        return tuple(self._with_cause(event, asked.get(event.key)) for event in every)

    def _begin(self, one: Asked) -> "Future[Found] | None":
        known = self._known.setdefault(one, _Known())
        if known.running is not None or time.monotonic() < known.due_at:
            return None
        first = known.due_at == 0.0
        known.running = self._pool.submit(self._search, one)
        known.running.add_done_callback(lambda _future: self._found.set())
        return known.running if first else None

    def _take(self) -> None:
        for one, known in self._known.items():
            if known.running is not None and known.running.done():
                future, known.running = known.running, None
                self._keep(one, known, future)

    def _keep(self, one: Asked, known: _Known, future: "Future[Found]") -> None:
        name = f"{one[0]}.{one[1]}"
        known.due_at = time.monotonic() + RETRY_S
        try:
            found = future.result()
        except MlopsError as error:
            logger.warning("Why %s is worse (%s) cannot be told now: %s", name, one[2], error)
            return
        except Exception:  # an alert without its cause is better than no alert
            logger.exception("Why %s is worse (%s) could not be searched", name, one[2])
            known.due_at = time.monotonic() + AGAIN_S
            return
        known.due_at = time.monotonic() + AGAIN_S
        before = known.explanation
        if before is None or found.first is not None or before.first is None:
            known.changes += before is None or _first(before) != _first(found)
            known.explanation = found

    def _with_cause(self, event: Event, asked: Asked | None) -> Event:
        known = self._known.get(asked) if asked is not None else None
        if known is None or known.explanation is None:
            return event
        return with_cause(event, known.explanation, known.changes)


def asked_of(event: Event) -> Asked | None:
    """Return what is to be searched for an event; None: nothing that is known explains it."""
    if event.state == "firing" and event.kind == "workflow":
        named = (event.labels.get("workflow", ""), event.labels.get("workflow_run", ""))
        return (*named, "workflow") if all(named) else None
    project, dot, model = event.labels.get("endpoint", "").partition(".")
    if event.state != "firing" or not dot:
        return None
    if event.kind == "drift":
        symptom = _FAMILIES.get(event.key.rpartition("/")[2])
    else:
        symptom = _SYMPTOMS.get(event.kind)
    return None if symptom is None else (project, model, symptom)


def with_cause(event: Event, found: Found, changes: int = 1) -> Event:
    """Return an event with the causes of what it is about; without causes it says that plainly.

    It is a moment later than the event, and later still when the first cause becomes another one:
    of evidence of one moment the first counts.
    """
    if isinstance(found, Grounds):
        return found.given_to(event, changes)
    first = found.first
    if first is None:
        return _without(event, found, changes)
    more = [one.title for one in found.causes[1:_LINES]]
    also = f" Also: {'; '.join(more)}." if more else ""
    about = "" if first.measured else "about "
    told = first.evidence[:_LINES]
    others = [one for one in event.evidence if not one.startswith(told)]
    return replace(
        event,
        at=event.at + changes * AFTER_S,
        cause=f"{first.title} ({about}{percent(first.weight)} of the change).{also}",
        suggestion=first.suggestion,
        labels={**event.labels, CAUSE: first.kind, WHY: first.link},
        evidence=(*told, *others),
    )


def _without(event: Event, found: Explanation, changes: int) -> Event:
    """Return an event that says what was looked at in vain, beside what its rule knows of it."""
    of = {"deployment": f"{found.project}.{found.model}", "part": "causes"}
    said = found.none_found
    guessed = {"evidence": (*event.evidence, f"Causes: {said}")} if event.cause else {"cause": said}
    return replace(
        event,
        at=event.at + changes * AFTER_S,
        labels={**event.labels, CAUSE: NO_CAUSE, WHY: f"/monitoring?{urlencode(of)}"},
        **guessed,
    )


def _first(found: Found) -> tuple[str, str]:
    return (found.first.kind, found.first.title) if found.first else ("", "")

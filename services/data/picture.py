"""What pages know of data: looked at in threads beside them, so that no page waits for a disk.

A folder of 50,000 files takes a while to look through, a network disk that hangs takes for ever.
Who asks gets the last answer and its age; the first time, and when something was done meanwhile, it
waits for a new one, but for a moment only.
"""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Generic, TypeVar, cast

from services.data.models import Changes, Room, Standing, Status
from services.data.service import DataService
from services.errors import MlopsError

T = TypeVar("T")
WAIT_S = 0.25
_FRESH_S = 5.0
_ROOM_FRESH_S = 60.0
_AT_ONCE = 4
_KEPT = 8


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """An answer: a value, or why there is none; neither while it is still looked for."""

    value: T | None = None
    trouble: MlopsError | None = None
    at: datetime | None = None
    """When it was so."""


class _Question(Generic[T]):
    """One thing that is looked at again and again."""

    def __init__(self, look: Callable[[], T], slots: threading.BoundedSemaphore) -> None:
        self._look, self._slots = look, slots
        self._lock = threading.Lock()
        self._ended: threading.Event | None = None
        self._stamp: Hashable = None
        self._done_at = float("-inf")
        self._fault: Exception | None = None
        self._answer: Look[T] = Look()

    def ask(self, stamp: Hashable, fresh_s: float) -> threading.Event | None:
        """Begin to look when the answer is old; return what to wait for when it is none."""
        with self._lock:
            other = self._done_at == float("-inf") or self._stamp != stamp
            if (other or time.monotonic() - self._done_at > fresh_s) and self._ended is None:
                self._ended = threading.Event()
                threading.Thread(target=self._run, args=(stamp, self._ended), daemon=True).start()
            return self._ended if other else None

    def answer(self) -> Look[T]:
        """Return the last answer; a defect of ours is raised to who asks."""
        with self._lock:
            if self._fault is not None:
                raise self._fault
            return self._answer

    def _run(self, stamp: Hashable, ended: threading.Event) -> None:
        fault: Exception | None = None
        found: Look[T] = Look()
        with self._slots:
            try:
                found = Look(self._look(), at=datetime.now(UTC))
            except MlopsError as error:
                found = Look(trouble=error, at=datetime.now(UTC))
            except Exception as error:  # noqa: BLE001 - raised to who asks
                fault = error
        with self._lock:
            self._answer, self._fault = found, fault
            self._stamp, self._done_at, self._ended = stamp, time.monotonic(), None
        ended.set()


class Picture:
    """One a process; any thread may ask."""

    def __init__(self, service: DataService) -> None:
        self.service = service
        self._questions: dict[Hashable, _Question[object]] = {}
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._changes: dict[tuple[str, str, str | None], Changes] = {}

    def statuses(
        self, ids: Sequence[str], wait_s: float = WAIT_S
    ) -> dict[str, Look[tuple[Status, ...]]]:
        """Return projects' data and models as they are, by project."""
        asked = {one: self._question(one, partial(self.service.status, one)) for one in ids}
        waits = [question.ask(self.stamp(one), _FRESH_S) for one, question in asked.items()]
        _wait(waits, wait_s)
        return {one: question.answer() for one, question in asked.items()}

    def standing(self, wait_s: float = WAIT_S) -> Look[Standing]:
        """Return how the remote stands."""
        return self._one("standing", self.service.standing, _FRESH_S, wait_s)

    def room(self, wait_s: float = WAIT_S) -> Look[Room]:
        """Return what the cache takes; measured once a minute at most."""
        return self._one("room", self.service.room, _ROOM_FRESH_S, wait_s)

    def stamp(self, project_id: str) -> Hashable:
        """Return what is another when something was done with a project's versions."""
        project = self.service.project(project_id)
        return project.repository.head(), project.place.changed_ns()

    def changes(self, project_id: str, revision: str, against: str | None) -> Changes:
        """Return what a version changed; versions never change, so what was found is kept.

        Raises:
            EngineError: A version's list of files is not on this machine.
        """
        key = (project_id, revision, against)
        found = self._changes.get(key)
        if found is None:
            found = self.service.changes(project_id, revision, against, fetch=False)
            if _all_sized(found):  # a size that is not known may be known later
                with self._lock:
                    while len(self._changes) >= _KEPT:
                        self._changes.pop(next(iter(self._changes)))
                    self._changes[key] = found
        return found

    def _one(self, name: str, look: Callable[[], T], fresh_s: float, wait_s: float) -> Look[T]:
        question = self._question(f"/{name}", look)
        _wait([question.ask(None, fresh_s)], wait_s)
        return question.answer()

    def _question(self, key: Hashable, look: Callable[[], T]) -> _Question[T]:
        with self._lock:
            made = self._questions.get(key)
            if made is None:
                made = _Question(cast("Callable[[], object]", look), self._slots)
                self._questions[key] = made
            return cast("_Question[T]", made)


def _all_sized(found: Changes) -> bool:
    return all(
        (f.change == "added" or f.before is not None)
        and (f.change == "removed" or f.after is not None)
        for f in found.files
    )


def _wait(events: Sequence[threading.Event | None], wait_s: float) -> None:
    end = time.monotonic() + wait_s
    for event in events:
        if event is not None:
            event.wait(max(0.0, end - time.monotonic()))

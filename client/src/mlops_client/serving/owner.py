"""The one thread that asks the model: rows of several requests together, streams in turns.

MLX's streams belong to a thread, so whoever calls ``run`` loaded the model too; it should be the
process's main thread, or one that lives as long as the process.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np

from mlops_client.serving.frames import Columns
from mlops_client.serving.jobs import DEADLINE, Answered, Failed, Job, StreamJob, failure
from mlops_client.serving.model import Loaded, joined
from mlops_client.serving.streaming import Stream

logger = logging.getLogger(__name__)

MAX_WAIT_S = 0.002
_STREAMS = 16
"""So many take turns; others wait for one of them."""
_IDLE_S = 5.0
_TICK_S = 0.0002


@dataclass(slots=True)
class Counts:
    """What was done since the start; written by the model's thread."""

    requests: int = 0
    rows: int = 0
    batches: int = 0
    busy_s: float = 0.0


class Owner:
    """Takes jobs from other threads, and asks the model in the thread that runs it."""

    def __init__(
        self,
        loaded: Loaded,
        max_wait_s: float = MAX_WAIT_S,
        when_idle: Callable[[], None] = lambda: None,
    ) -> None:
        self.loaded = loaded
        self.counts = Counts()
        self._max_wait_s = max_wait_s
        self._when_idle = when_idle
        self._inbox: SimpleQueue[Job | StreamJob | None] = SimpleQueue()
        self._pending: deque[Job] = deque()
        self._streams: deque[Stream] = deque()
        self._waiting: deque[Stream] = deque()
        self._last_rows = 0
        self._last_s = 0.0
        self._ended = False
        self._since: float | None = None

    @property
    def working_s(self) -> float | None:
        """Return how long the model has been at what it does now; None: at nothing."""
        since = self._since
        return None if since is None else time.monotonic() - since

    def submit(self, job: Job | StreamJob) -> None:
        """Ask for something; its ``answer`` is called by the model's thread."""
        self._inbox.put(job)

    def stop(self) -> None:
        """End ``run`` when all that was submitted is answered."""
        self._inbox.put(None)

    def run(self) -> None:
        """Answer until told to stop."""
        while self._receive():
            if self._pending:
                self._batch()
            for _ in range(len(self._streams)):
                self._advance()

    def _receive(self) -> bool:
        """Take in what came, and wait when there is nothing to do; False: all is done."""
        if not self._pending and not self._streams:
            if self._ended:
                return False
            self._take_in(self._next())
        elif self._pending and not self._streams:
            self._wait_for_more()
        while not self._inbox.empty():
            self._take_in(self._inbox.get())
        return True

    def _next(self) -> Job | StreamJob | None:
        try:
            return self._inbox.get(timeout=_IDLE_S)
        except Empty:
            self._when_idle()
            self._last_rows = 0
        return self._inbox.get()

    def _wait_for_more(self) -> None:
        """Wait a moment when several callers asked together just now, and some of them are missing.

        Only as long as more keep coming, and never longer than the model took: then asking twice
        would be as fast. It sleeps, so that the thread that reads has Python to itself.
        """
        until = time.monotonic() + min(self._max_wait_s, self._last_s)
        wanted = min(self._last_rows, self.loaded.max_batch)
        wanted -= sum(job.left for job in self._pending)
        while (seen := self._inbox.qsize()) < wanted and time.monotonic() < until:
            time.sleep(_TICK_S)
            if self._inbox.qsize() == seen:
                return

    def _take_in(self, job: Job | StreamJob | None) -> None:
        if job is None:
            self._ended = True
        elif isinstance(job, Job):
            self._pending.append(job)
        elif self.loaded.model.streamer is None:
            job.answer(Failed("input", f"{self.loaded.info.name} does not stream text."))
        else:
            stream = Stream(job, self.loaded.model.streamer)
            (self._streams if len(self._streams) < _STREAMS else self._waiting).append(stream)

    def _advance(self) -> None:
        stream = self._streams.popleft()
        self._since = began = time.monotonic()
        more = stream.advance()
        self._since = None
        if more:
            self._streams.append(stream)
        else:
            self.counts.requests += 1
            if self._waiting:
                self._streams.append(self._waiting.popleft())
        self.counts.busy_s += time.monotonic() - began

    def _batch(self) -> None:
        chosen = self._chosen()
        if not chosen:
            self._last_rows = 0
            return
        began = time.monotonic()
        try:
            answer = self._ask(_together([columns for _, columns in chosen]))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the callers are told
            self._failed(chosen, error)
            return
        self._note(chosen, time.monotonic() - began)
        start = 0
        for job, columns in chosen:
            rows = _rows(columns)
            self._got(job, {name: v[start : start + rows] for name, v in answer.items()})
            start += rows

    def _ask(self, columns: Columns) -> Columns:
        self._since = time.monotonic()
        try:
            return self.loaded.ask(columns)
        finally:
            self._since = None

    def _chosen(self) -> list[tuple[Job, Columns]]:
        """Take the next rows: of jobs alike, in their order; a large job's rest goes to the end."""
        batchable, room = self.loaded.info.batchable, self.loaded.max_batch
        chosen: list[tuple[Job, Columns]] = []
        kind: tuple[object, ...] | None = None
        others: deque[Job] = deque()
        rests: list[Job] = []
        now = time.monotonic()
        while self._pending and room > 0:
            job = self._pending.popleft()
            if self._over(job, now):
                continue
            if kind is not None and job.kind() != kind:
                others.append(job)
                continue
            kind = job.kind()
            job.began = job.began or now
            columns = job.take(room if batchable else job.rows)
            chosen.append((job, columns))
            room = room - _rows(columns) if batchable else 0
            if job.left:
                rests.append(job)
        others.extend(self._pending)
        others.extend(rests)
        self._pending = others
        return chosen

    def _over(self, job: Job, now: float) -> bool:
        if job.cancelled:
            job.answer(Failed("deadline", "The caller no longer wants the answer."))
        elif job.deadline is not None and now >= job.deadline:
            job.answer(Failed("deadline", DEADLINE))
        else:
            return False
        return True

    def _note(self, taken: list[tuple[Job, Columns]], seconds: float) -> None:
        rows = sum(_rows(columns) for _, columns in taken)
        self._last_rows, self._last_s = (rows if len(taken) > 1 else 0), seconds
        self.counts.rows += rows
        self.counts.batches += 1
        self.counts.busy_s += seconds
        for job, columns in taken:
            job.model_s += seconds
            job.share_s += seconds * _rows(columns) / rows
            job.batch_rows = max(job.batch_rows, rows)

    def _got(self, job: Job, answer: Columns) -> None:
        job.parts.append(answer)
        if job.left:
            return
        self.counts.requests += 1
        queued = (job.began - job.arrived) * 1000
        model_ms, share_ms = job.model_s * 1000, job.share_s * 1000
        job.answer(Answered(joined(job.parts), queued, model_ms, job.batch_rows, share_ms))

    def _failed(self, taken: list[tuple[Job, Columns]], error: BaseException) -> None:
        """Ask each alone when several were asked: one request does not spoil the others'."""
        if len(taken) == 1:
            job = taken[0][0]
            found = failure(error)
            if found.kind == "model":
                logger.error("The model failed.", exc_info=error)
            if job in self._pending:
                self._pending.remove(job)
            job.answer(found)
            return
        for job, columns in taken:
            began = time.monotonic()
            try:
                answer = self._ask(columns)
            except (Exception, SystemExit) as alone:  # noqa: BLE001 - the caller is told
                self._failed([(job, columns)], alone)
                continue
            self._note([(job, columns)], time.monotonic() - began)
            self._got(job, answer)


def _rows(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def _together(parts: list[Columns]) -> Columns:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

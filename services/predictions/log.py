"""The writing side: an answered prediction is in a file before the answer is given.

One ``write`` into a file of its own hands a record to the kernel: killing any process loses
nothing. A thread has the disk flushed every half a second: a machine that loses power loses at most
so much. On a full disk the log goes on in a file whose room was taken before; when that is full
too, ``append`` raises, and what cannot be logged must not be answered.
"""

import contextlib
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Self

from services.errors import PlatformError
from services.home import Home
from services.predictions import segments
from services.predictions.folder import RESERVE, SEGMENT, Folder
from services.predictions.models import Feedback, Kept, Record
from services.predictions.privacy import Masking
from services.predictions.segments import Segment
from services.serving.models import Privacy

logger = logging.getLogger(__name__)

SYNC_S = 0.5
SEGMENT_BYTES = 16 << 20
SEGMENT_S = 60.0
RESERVE_BYTES = 8 << 20
_AGAIN_S = 5.0
_TRIES = 5
_ROOMY = 3
"""Times the room kept for a full disk: with so much free, it is not full."""
_WRITER = re.compile(r"^(?!merged)[a-z][a-z0-9_]{0,30}$")


class LogFullError(PlatformError):
    """A prediction could not be kept: it must not be answered."""


class PredictionLog:
    """Appends predictions and labels; any thread may. One object a process."""

    def __init__(
        self,
        home: Home,
        writer: str,
        *,
        sync_s: float = SYNC_S,
        segment_bytes: int = SEGMENT_BYTES,
        segment_s: float = SEGMENT_S,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        """Take room for a full disk and begin to flush; use ``open``."""
        if not _WRITER.match(writer):
            raise ValueError(f"{writer!r} is no name of a writer")
        self._folder = Folder(home)
        self._masking = Masking(home)
        self._name = f"{writer}-{os.getpid()}-{time.time_ns()}"
        self._number = 0
        self._sync_s = sync_s
        self._segment_bytes = segment_bytes
        self._segment_s = segment_s
        self._reserve_bytes = reserve_bytes
        self._guard = threading.Lock()
        self._flushing = threading.Lock()
        self._segment: Segment | None = None
        self._done: list[Segment] = []
        self._reserve: Segment | None = None
        self._reserve_tried = -_AGAIN_S
        self._dirty = False
        self._refused = ""
        self._unsynced = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="prediction log", daemon=True)

    @classmethod
    def open(cls, home: Home, writer: str = "gateway", **sizes: float) -> Self:
        """Return a log to append to.

        Args:
            home: Where everything is.
            writer: Who writes, for the names of files: ``gateway``.
            **sizes: ``sync_s``, ``segment_bytes``, ``segment_s``, ``reserve_bytes``.

        Raises:
            PlatformError: The folder cannot be made.
        """
        log = cls(home, writer, **sizes)  # type: ignore[arg-type]
        try:
            log._folder.open.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise PlatformError(
                f"The prediction log cannot be opened: {log._folder.open} cannot be made "
                f"({error.strerror or error}).",
                "Free some space, or look who owns the folder.",
            ) from error
        log._take_reserve()
        log._thread.start()
        return log

    @property
    def problem(self) -> str:
        """Return a sentence about what is not as it must be; empty when all is well."""
        return self._refused or self._unsynced

    def append(self, record: Record, *, privacy: Privacy = "full", sample: float = 1.0) -> None:
        """Keep a prediction; when this returns, killing the process does not lose it.

        Args:
            record: What was asked and answered.
            privacy: What the endpoint allows to keep of its columns.
            sample: The share of requests whose columns are kept, of ``privacy`` sample.

        Raises:
            LogFullError: No disk takes it, or there is no key to hash with.
        """
        try:
            columns = self._masking.columns(record, privacy, sample)
        except OSError as error:
            raise _no_key(error) from error
        try:
            if record.error and (privacy in ("hash", "off") or columns[0] == "dropped"):
                record = replace(record, error=None)  # a model's words may quote what it was asked
            self._write(segments.prediction(record, columns))
        except OSError as error:
            raise self._full(error) from error

    def append_feedback(self, feedback: Feedback, *, privacy: Privacy = "full") -> None:
        """Keep a label of a prediction, as safely as the prediction itself.

        Args:
            feedback: What was true.
            privacy: As strict as the strictest endpoint it may be about, where that is known; the
                compactor does what the prediction's own endpoint asks.

        Raises:
            LogFullError: No disk takes it.
            TypeError: JSON cannot hold the label.
        """
        kept: Kept = "full"
        label = feedback.label
        try:
            if privacy == "hash" and feedback.project:
                kept, label = "hashed", self._masking.label(feedback.project, label)
            elif privacy in ("hash", "off"):
                kept, label = "dropped", None
            self._write(segments.feedback(replace(feedback, label=label), kept))
        except OSError as error:
            raise self._full(error) from error

    def sync(self) -> None:
        """Wait until the disk has everything.

        Raises:
            OSError: The disk says that it did not.
        """
        with self._flushing:  # nobody closes them meanwhile
            with self._guard:
                waiting = [*self._done, *([self._segment] if self._segment else [])]
                self._dirty = False
            for segment in waiting:
                segment.sync()

    def close(self) -> None:
        """Flush and leave everything to the compactor."""
        self._ended.set()
        self._thread.join()
        with self._guard:
            if self._segment is not None:
                self._done.append(self._segment)
                self._segment = None
            if self._reserve is not None:
                self._reserve.path.unlink(missing_ok=True)
                self._reserve.close()
                self._reserve = None
        self._close_done()

    def _write(self, data: bytes) -> None:
        with self._guard:
            segment = self._segment
            if segment is None or segment.size >= self._segment_bytes:
                segment = self._next()
            try:
                segment.write(data)
            except OSError as error:
                self._fall_back(error).write(data)
            self._dirty = True
            self._refused = ""

    def _next(self) -> Segment:
        """Return a new segment; the old one when there is no room for another."""
        try:
            made = self._named(Segment.made)
        except OSError as error:
            return self._segment or self._fall_back(error)
        if self._segment is not None:
            self._done.append(self._segment)
        self._segment = made
        return made

    def _named(self, make: Callable[..., Segment], ending: str = SEGMENT, *more: int) -> Segment:
        for left in range(_TRIES, 0, -1):
            self._number += 1
            path = self._folder.open / f"{self._name}-{self._number:06d}{ending}"
            try:
                return make(path, *more)
            except BlockingIOError:  # taken for one that was left; another name
                if left == 1:
                    raise
        raise AssertionError

    def _fall_back(self, error: OSError) -> Segment:
        """Go on in the room that was kept for a full disk."""
        reserve, self._reserve = self._reserve, None
        if reserve is None:
            raise error
        try:
            reserve.begin(reserve.path.with_suffix(SEGMENT))
        except OSError:  # it was taken away
            reserve.close()
            raise
        if self._segment is not None:
            self._done.append(self._segment)
        self._segment = reserve
        logger.warning(
            "%s takes nothing (%s): predictions go to the %.0f MB that were kept for this.",
            self._folder.path, error.strerror or error, self._reserve_bytes / 1e6,
        )  # fmt: skip
        return reserve

    def _full(self, error: OSError) -> LogFullError:
        self._refused = (
            f"Predictions cannot be written to {self._folder.path} ({error.strerror or error}), "
            "and the room kept for this is used up: they are refused, not answered unlogged."
        )
        return LogFullError(self._refused, "Free some space; nothing written before is lost.")

    # The thread

    def _keep(self) -> None:
        while not self._ended.wait(self._sync_s):
            try:
                if self._dirty:
                    self.sync()
                self._unsynced = ""
            except OSError as error:
                self._dirty = True
                self._unsynced = (
                    f"The disk did not confirm the latest predictions ({error.strerror or error}): "
                    "a power cut could lose them."
                )
                logger.warning("%s", self._unsynced)
            self._retire()
            self._abandon()
            self._close_done()
            self._take_reserve()

    def _retire(self) -> None:
        """Close the segment when it is old; that in the kept room when there is other room."""
        with self._guard:
            segment = self._segment
            if segment is None:
                return
            old = time.monotonic() - segment.born >= self._segment_s
            if self._roomy() if segment.reserved else old:
                self._done.append(segment)
                self._segment = None

    def _abandon(self) -> None:
        """Let go of files that were taken away; what comes next begins anew."""
        with self._guard:
            gone = [one for one in (self._segment, self._reserve) if one and not one.in_place]
            if not gone:
                return
            self._done += gone
            self._segment = None if self._segment in gone else self._segment
            self._reserve = None if self._reserve in gone else self._reserve
        logger.warning(
            "The prediction log in %s was taken away; it begins anew.", self._folder.path
        )
        with contextlib.suppress(OSError):
            self._folder.open.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _close_done(self) -> None:
        with self._flushing:
            with self._guard:
                done, self._done = self._done, []
            for segment in done:
                with contextlib.suppress(OSError):
                    segment.sync()
                segment.close()

    def _take_reserve(self) -> None:
        """Take room for a full disk, while the disk is far from full."""
        now = time.monotonic()
        if self._reserve is not None or now - self._reserve_tried < _AGAIN_S:
            return
        self._reserve_tried = now
        if not self._roomy():
            return
        try:
            reserve = self._named(Segment.kept, RESERVE, self._reserve_bytes)
        except OSError as error:
            logger.warning("No room could be kept for a full disk: %s.", error.strerror or error)
            return
        with self._guard:
            self._reserve = reserve

    def _roomy(self) -> bool:
        try:
            return shutil.disk_usage(self._folder.open).free >= _ROOMY * self._reserve_bytes
        except OSError:
            return False


def _no_key(error: OSError) -> LogFullError:
    return LogFullError(
        f"The key that columns are hashed with can be neither read nor made "
        f"({error.strerror or error}): predictions are refused, not kept unhashed.",
        "Look who owns the folder of secrets, or free some space.",
    )

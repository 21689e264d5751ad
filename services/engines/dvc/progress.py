"""Counting what is done, and telling it a few times a second."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from services.engines.dvc.models import Progress, Report

_PAUSE_S = 0.1


class Meter:
    """Counts files and bytes; any thread may add."""

    def __init__(
        self, what: str, report: Report, files: int | None = None, size: int | None = None
    ) -> None:
        self._what, self._report = what, report
        self._total, self._size = files, size
        self._files = self._bytes = 0
        self._told_at = float("-inf")
        self._lock, self._telling = threading.Lock(), threading.Lock()

    def expect(self, files: int | None, size: int | None = None) -> None:
        """Say how much there is."""
        self._total, self._size = files, size

    def add(self, files: int = 0, size: int = 0) -> None:
        """Count, and tell it when the last time is a moment ago."""
        with self._lock:
            self._files += files
            self._bytes += size
            due = time.monotonic() - self._told_at >= _PAUSE_S
            if due:
                self._told_at = time.monotonic()
        if due and self._telling.acquire(blocking=False):  # one thread at a time
            try:
                self._tell()
            finally:
                self._telling.release()

    def tell(self) -> None:
        """Tell how far it is."""
        with self._telling:
            self._tell()

    def _tell(self) -> None:
        self._report(Progress(self._what, self._files, self._total, self._bytes, self._size))


@contextmanager
def metered(
    what: str, report: Report, files: int | None = None, size: int | None = None
) -> Iterator[Meter]:
    """Count something: its begin and its end are always told."""
    meter = Meter(what, report, files, size)
    meter.tell()
    yield meter
    meter.tell()

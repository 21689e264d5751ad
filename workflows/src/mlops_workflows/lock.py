"""A task has one process at a time, however often Airflow delivers it."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_PAUSE_S = 0.1


@contextlib.contextmanager
def held(path: Path, may_wait: Callable[[], bool]) -> Iterator["Held | None"]:
    """Hold a task's lock; None when somebody else held it until there was no more waiting.

    The lock dies with its holder, so what is written in it may be about one that is gone.

    Raises:
        OSError: The file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield Held(handle) if _taken(handle, may_wait) else None
    finally:
        os.close(handle)


def _taken(handle: int, may_wait: Callable[[], bool]) -> bool:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not may_wait():
                return False
            time.sleep(_PAUSE_S)
        else:
            return True


class Held:
    """A lock that is ours, and the note in it."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def note(self) -> dict[str, Any]:
        """Return what the last holder wrote; empty when it wrote nothing or ended well."""
        try:
            found = json.loads(os.pread(self._handle, 4096, 0) or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, note: dict[str, Any]) -> None:
        """Write down whom to end should we die; nothing to end: empty."""
        text = json.dumps(note).encode() if note else b""
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, text, 0)

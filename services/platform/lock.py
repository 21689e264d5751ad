"""The lock that makes a second supervisor, or a second writer of secrets, wait or go away.

The kernel drops it when its holder dies, however it dies: a stale lock cannot exist.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.platform.files import not_written


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise not_written(path, error) from error


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock, waiting for whoever has it.

    Raises:
        PlatformError: The lock file cannot be made.
    """
    handle = _open(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def take(path: Path) -> int | None:
    """Take the lock for as long as the process lives; None when somebody has it.

    Raises:
        PlatformError: The lock file cannot be made.
    """
    handle = _open(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def is_held(path: Path) -> bool:
    """Return whether somebody has the lock now."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)

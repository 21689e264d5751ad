"""Engines' logs: written by the engines themselves, kept small, read from the end.

An engine writes straight into its file (opened for appending), so it never waits for a supervisor
that hangs or was killed. A full file is copied and then emptied in place: the engine keeps its
handle and goes on at the new beginning.
"""

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

LIMIT_BYTES = 10 << 20
KEPT = 3
_BLOCK_BYTES = 64 << 10


def rotate(path: Path, limit_bytes: int | None = None, kept: int = KEPT) -> bool:
    """Move a full log aside as ``.1`` (that as ``.2`` …) and empty it; return whether it was full.

    On a full disk the copy fails; then the log is emptied all the same, for room matters more.
    """
    try:
        if path.stat().st_size <= (LIMIT_BYTES if limit_bytes is None else limit_bytes):
            return False
    except OSError:
        return False
    for number in range(kept - 1, 0, -1):
        with contextlib.suppress(FileNotFoundError):
            _numbered(path, number).replace(_numbered(path, number + 1))
    try:
        _copy(path, _numbered(path, 1))
    except OSError as error:
        _numbered(path, 1).unlink(missing_ok=True)
        logger.warning("%s could not be copied before it was emptied: %s", path.name, error)
    os.truncate(path, 0)
    return True


def _copy(source: Path, target: Path) -> None:
    """Copy, then copy what came meanwhile, so that next to nothing is lost between copy and cut."""
    with source.open("rb") as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer, _BLOCK_BYTES)
        while block := reader.read(_BLOCK_BYTES):
            writer.write(block)
    target.chmod(0o600)


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def tail(path: Path, lines: int, longest_bytes: int = 1 << 20) -> str:
    """Return the last lines of a log, empty when there is none."""
    if lines <= 0:
        return ""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - longest_bytes)
            file.seek(start)
            found = file.read().decode("utf-8", "replace").splitlines(keepends=True)
    except FileNotFoundError:
        return ""
    return "".join(found[1 if start else 0 :][-lines:])


def follow(path: Path, stop: Callable[[], bool], pause_s: float = 0.25) -> Iterator[str]:
    """Yield what is appended from now on; an emptied or replaced log is read from its beginning."""
    position = path.stat().st_size if path.exists() else 0
    while not stop():
        try:
            with path.open("rb") as file:
                if file.seek(0, os.SEEK_END) < position:
                    position = 0
                file.seek(position)
                block = file.read(_BLOCK_BYTES)
                position = file.tell()
        except FileNotFoundError:
            block, position = b"", 0
        if block:
            yield block.decode("utf-8", "replace")
        else:
            time.sleep(pause_s)

"""What the other end does not have yet: samples of this machine, on disk until they are taken.

    <folder>/open.jsonl      being appended to, one sample a line
             N-COUNT.z       closed and compressed, oldest first
             refused/        what the other end cannot read, for a person to look at
             lock            one agent a folder

A sample is on disk before it is sent. A killed agent sends its last ones twice, which changes
nothing at the other end; one that cannot write keeps them in memory.
"""

import contextlib
import os
import threading
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

from services.errors import PlatformError
from services.telemetry.folder import lock, write_whole

_PART_SAMPLES = 120
_PART_BYTES = 1_500_000
_IN_MEMORY = 900
"""Samples that are not on disk because it takes none: half an hour of them."""

_REFUSED_KEPT = 50
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Part:
    """Some samples to send together."""

    lines: tuple[bytes, ...]
    path: Path | None
    """Of a closed file; None: of the one being written."""
    generation: int = 0


class Spool:
    """One thread adds, another sends."""

    def __init__(
        self, folder: Path, *, limit_bytes: int = 256 << 20, keep_s: float = 14 * _DAY_S
    ) -> None:
        """Open the folder and go on where the last agent stopped.

        Args:
            folder: Where it is, made when it is not there.
            limit_bytes: Closed files together; the oldest are given up beyond.
            keep_s: So old, they are given up: the other end keeps them no longer.

        Raises:
            PlatformError: It cannot be written, or another agent uses it.
        """
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._keep_s = keep_s
        self._guard = threading.Lock()
        self._generation = 0
        self._sent = 0
        self._given_up = 0
        self._unwritable = ""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = lock(folder / "lock", f"Another agent sends from {folder} already.")
            path = folder / "open.jsonl"
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._lines = path.read_bytes().split(b"\n")[:-1]  # the last one is torn, or empty
            os.ftruncate(self._handle, sum(len(line) + 1 for line in self._lines))
        except OSError as error:
            raise PlatformError(
                f"{folder} cannot be written: {error.strerror or error}.",
                "Free some space, or look who owns the folder.",
            ) from error
        self._closed = sorted(folder.glob("*-*.z"))
        self._number = 1 + max((int(path.name.split("-")[0]) for path in self._closed), default=0)

    @property
    def waiting(self) -> int:
        """Return how many samples the other end does not have."""
        with self._guard:
            return sum(map(_count, self._closed)) + len(self._lines) - self._sent

    @property
    def problem(self) -> str:
        """Return a sentence about what was given up or cannot be written; empty when nothing."""
        lost = (
            f"{self._given_up} samples were given up: no room for them." if self._given_up else ""
        )
        return " ".join(filter(None, [self._unwritable, lost]))

    def add(self, line: bytes) -> None:
        """Keep one encoded sample."""
        with self._guard:
            self._lines.append(line)
            size = os.fstat(self._handle).st_size
            try:
                _write_all(self._handle, line + b"\n")
                self._unwritable = ""
            except OSError as error:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._handle, size)
                self._no_room(error)
            if len(self._lines) >= _PART_SAMPLES or sum(map(len, self._lines)) >= _PART_BYTES:
                self._close_part()

    def newest(self) -> Part | None:
        """Return what is not sent of the file being written."""
        with self._guard:
            lines = tuple(self._lines[self._sent : self._sent + _PART_SAMPLES])
            return Part(lines, None, self._generation) if lines else None

    def oldest(self) -> Part | None:
        """Return the oldest closed file; a damaged one is put aside."""
        while True:
            with self._guard:
                path = self._closed[0] if self._closed else None
            if path is None:
                return None
            try:
                return Part(tuple(zlib.decompress(path.read_bytes()).split(b"\n")), path)
            except (OSError, zlib.error):
                self._put_aside(path)

    def sent(self, part: Part) -> None:
        """Forget what the other end has."""
        with self._guard:
            if part.path is not None:
                self._forget(part.path)
            elif part.generation == self._generation:
                self._sent += len(part.lines)
                if self._sent >= len(self._lines):
                    self._empty()

    def refuse(self, line: bytes) -> None:
        """Put a sample aside that the other end will never take; ``sent`` its part afterwards."""
        folder = self._folder / "refused"
        with contextlib.suppress(OSError):  # without room it is lost, which is said
            folder.mkdir(exist_ok=True)
            write_whole(folder / f"{time.time_ns()}.json", line)
            for old in sorted(folder.glob("*.json"))[:-_REFUSED_KEPT]:
                old.unlink()

    def close(self) -> None:
        """Let another agent use the folder."""
        os.close(self._handle)
        os.close(self._lock)

    def _close_part(self) -> None:
        while lines := self._lines[self._sent : self._sent + _PART_SAMPLES]:
            path = self._folder / f"{self._number:010d}-{len(lines)}.z"
            try:
                write_whole(path, zlib.compress(b"\n".join(lines), 6))
            except OSError as error:
                self._no_room(error)
                return
            self._number += 1
            self._sent += len(lines)
            self._generation += 1
            self._closed.append(path)
        self._empty()
        self._give_up_old()

    def _empty(self) -> None:
        with contextlib.suppress(OSError):
            os.ftruncate(self._handle, 0)
        self._lines.clear()
        self._sent = 0
        self._generation += 1

    def _no_room(self, error: OSError) -> None:
        self._unwritable = (
            f"{self._folder} takes nothing ({error.strerror or error}): the newest samples are in "
            f"memory alone, {_IN_MEMORY} at most."
        )
        over = len(self._lines) - _IN_MEMORY
        if over > 0:
            self._given_up += max(0, over - self._sent)
            del self._lines[:over]
            self._sent = max(0, self._sent - over)
            self._generation += 1

    def _give_up_old(self) -> None:
        sizes = {path: _stat(path) for path in self._closed}
        total = sum(size for size, _ in sizes.values())
        oldest_s = time.time() - self._keep_s
        for path, (size, written_at) in sizes.items():
            if total <= self._limit_bytes and written_at >= oldest_s:
                return
            total -= size
            self._given_up += _count(path)
            self._forget(path)

    def _forget(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()
        if path in self._closed:
            self._closed.remove(path)

    def _put_aside(self, path: Path) -> None:
        with self._guard:
            self._given_up += _count(path)
            if path in self._closed:
                self._closed.remove(path)
            with contextlib.suppress(OSError):
                (self._folder / "refused").mkdir(exist_ok=True)
                path.replace(self._folder / "refused" / path.name)


def _count(path: Path) -> int:
    text = path.stem.partition("-")[2]
    return int(text) if text.isdigit() else 0


def _stat(path: Path) -> tuple[int, float]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0.0
    return found.st_size, found.st_mtime


def _write_all(handle: int, data: bytes) -> None:
    done = os.write(handle, data)
    while done < len(data):
        done += os.write(handle, data[done:])

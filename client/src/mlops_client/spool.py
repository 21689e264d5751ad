"""What could not be sent, on disk: one append-only file a process, one checked line a call.

A line is written with one ``write`` before the call returns, so ``kill -9`` loses nothing that was
acknowledged; it is flushed to the disk itself (for a power cut) where a run begins or ends. A line
cut short by a kill was never acknowledged and is left out by its checksum.
"""

import contextlib
import errno
import fcntl
import json
import os
import secrets
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Record = dict[str, Any]
_SYNCED = frozenset({"CreateRun", "UpdateRun", "Register"})


@dataclass(slots=True)
class Progress:
    """How far a file was sent, and which run of the server each buffered run became."""

    offset: int = 0
    runs: dict[str, str] = field(default_factory=dict)


class Spool:
    """One file of calls; its owner holds a lock on it for as long as it lives."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file = file
        self.progress = self._load_progress()

    @classmethod
    def create(cls, folder: Path) -> "Spool":
        """Begin a file in ``folder``, readable by its owner alone."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{time.time_ns()}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        path = folder / name
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return cls(path, file)

    @classmethod
    def adopt(cls, path: Path) -> "Spool | None":
        """Take over a file whose process is gone; None while it lives or another took it."""
        try:
            file = os.open(path, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return None
        if not path.exists():  # sent and removed while we waited for the lock
            os.close(file)
            return None
        return cls(path, file)

    def append(self, record: Record) -> None:
        """Keep a call.

        Raises:
            OSError: The disk is full; nothing of the call is kept.
        """
        text = json.dumps(record, separators=(",", ":")).encode()
        line = b"%08x %s\n" % (zlib.crc32(text), text)
        before = os.fstat(self._file).st_size
        written = os.write(self._file, line)
        if written != len(line):
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, before)
            raise OSError(errno.ENOSPC, "No space left for what could not be sent")
        if record["api"] in _SYNCED:
            os.fsync(self._file)

    def pending(self) -> Iterator[tuple[Record, int]]:
        """Yield each unsent call with the offset after it."""
        offset = self.progress.offset
        with self.path.open("rb") as stream:
            stream.seek(offset)
            for line in stream:
                offset += len(line)
                record = _checked(line)
                if record is not None:
                    yield record, offset

    def sent(self, offset: int) -> None:
        """Remember that everything before ``offset`` was sent."""
        self.progress.offset = offset
        new = self._progress_path.with_suffix(".new")
        text = json.dumps({"offset": offset, "runs": self.progress.runs})
        new.write_text(text, encoding="utf-8")
        new.replace(self._progress_path)

    @property
    def is_drained(self) -> bool:
        """Whether everything was sent."""
        return self.progress.offset >= os.fstat(self._file).st_size

    def files(self) -> Path:
        """Return the folder for copies of artifacts that wait to be sent."""
        folder = self.path.with_suffix(".files")
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder

    def remove(self) -> None:
        """Delete the file and what belongs to it."""
        import shutil

        shutil.rmtree(self.path.with_suffix(".files"), ignore_errors=True)
        self.path.unlink(missing_ok=True)
        self._progress_path.unlink(missing_ok=True)
        os.close(self._file)

    def close(self) -> None:
        """Let go of the file, so that another process may send it."""
        os.close(self._file)

    @property
    def _progress_path(self) -> Path:
        return self.path.with_suffix(".sent")

    def _load_progress(self) -> Progress:
        try:
            said = json.loads(self._progress_path.read_text(encoding="utf-8"))
            return Progress(int(said["offset"]), dict(said["runs"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Progress()


def waiting(folder: Path) -> list[Path]:
    """Return the files in ``folder``, oldest first."""
    return sorted(folder.glob("*.jsonl"))


def _checked(line: bytes) -> Record | None:
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    try:
        if not line.endswith(b"\n") or int(checksum, 16) != zlib.crc32(text):
            return None
        record: Record = json.loads(text)
    except ValueError:
        return None
    return record

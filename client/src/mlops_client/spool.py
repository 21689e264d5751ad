"""What could not be sent, on disk: one append-only file a process, one checked line a call.

A line is written with one ``write`` before the call returns, so ``kill -9`` loses nothing that was
acknowledged. For a power cut the file is flushed to the disk itself where a run begins or ends or a
model is registered, and every few seconds in between by the sender: ``fsync`` takes milliseconds, a
training step may take less. A line cut short by a kill was never acknowledged; its checksum tells.
"""

import contextlib
import errno
import fcntl
import json
import os
import secrets
import shutil
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Record = dict[str, Any]
REFUSED = "refused"
_SYNCED = frozenset({"Begin", "CreateRun", "UpdateRun", "Register", "Artifact"})


@dataclass(slots=True)
class Progress:
    """How far a file was sent, and which run of the server each buffered run became."""

    offset: int = 0
    runs: dict[str, str] = field(default_factory=dict)
    tries: int = 0
    """How often the call at ``offset`` failed by itself."""


class Spool:
    """One file of calls; its owner holds a lock on it for as long as it lives."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file = file
        self._end = os.fstat(file).st_size
        self._damaged: set[int] = set()
        self.progress = self._load_progress()

    @classmethod
    def create(cls, folder: Path, begin: Record) -> "Spool":
        """Begin a file in ``folder``, readable by its owner alone; ``begin`` says whose it is."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{time.time_ns()}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        path = folder / name
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        spool = cls(path, file)
        spool.append({"api": "Begin", **begin})
        return spool

    @classmethod
    def adopt(cls, path: Path) -> "Spool | None":
        """Take over a file whose process is gone; None while it lives or another took it."""
        try:
            file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return None
        if not path.exists():  # sent and removed while we opened it
            os.close(file)
            return None
        return cls(path, file)

    def append(self, record: Record) -> None:
        """Keep a call; one writer at a time.

        Raises:
            OSError: The disk is full; nothing of the call is kept.
        """
        text = json.dumps(record, separators=(",", ":")).encode()
        line = b"%08x %s\n" % (zlib.crc32(text), text)
        try:
            written = os.write(self._file, line)
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}: {self.path} cannot take more") from error
        if written != len(line):
            self._forget_torn_line()
            raise OSError(errno.ENOSPC, f"No space left: {self.path} cannot take more")
        self._end += written
        if record["api"] in _SYNCED:
            self.sync()

    def _forget_torn_line(self) -> None:
        """Cut what was half written; if even that fails, a newline keeps it from the next line."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, self._end)
            return
        with contextlib.suppress(OSError):
            os.write(self._file, b"\n")
        self._end = os.fstat(self._file).st_size

    def sync(self) -> None:
        """Flush to the disk itself."""
        os.fsync(self._file)

    def begin(self) -> Record:
        """Return the first record, empty when it cannot be read."""
        with self.path.open("rb") as stream:
            return _checked(stream.readline()) or {}

    def pending(self) -> Iterator[tuple[Record, int]]:
        """Yield each unsent call with the offset after it, up to the last whole one."""
        # Not past what is acknowledged: another thread may be in the middle of a line there.
        end, offset = self._end, self.progress.offset
        with self.path.open("rb") as stream:
            stream.seek(offset)
            for line in stream:
                offset += len(line)
                if offset > end or not line.endswith(b"\n"):
                    return
                record = _checked(line)
                if record is None:
                    self._set_damaged_aside(line, offset)
                elif record["api"] != "Begin":
                    yield record, offset

    def sent(self, offset: int) -> None:
        """Remember that everything before ``offset`` was sent."""
        self.progress.offset, self.progress.tries = offset, 0
        self._save_progress()

    def failed(self) -> int:
        """Count a failure of the next call itself; return how many there were, in all processes."""
        self.progress.tries += 1
        self._save_progress()
        return self.progress.tries

    def _save_progress(self) -> None:
        new = self._progress_path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self.progress)), encoding="utf-8")
        new.replace(self._progress_path)

    def set_aside(self, record: Record, reason: str) -> None:
        """Keep what the server refuses, so that it does not hold up the rest and is not lost."""
        body = dict(record["body"])
        if record["api"] == "Artifact":
            kept = self._refused() / f"{secrets.token_hex(4)}-{Path(body['file']).name}"
            body["file"] = str(shutil.move(body["file"], kept))
        aside = {**record, "reason": reason, "body": body, "whose": self.begin()}
        self._set_line_aside(json.dumps(aside).encode() + b"\n")

    def _set_damaged_aside(self, line: bytes, offset: int) -> None:
        if offset not in self._damaged:
            self._damaged.add(offset)
            self._set_line_aside(line)

    def _refused(self) -> Path:
        folder = self.path.parent / REFUSED
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder

    def _set_line_aside(self, line: bytes) -> None:
        with (self._refused() / self.path.name).open("ab") as stream:
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())

    @property
    def is_drained(self) -> bool:
        """Whether everything was sent."""
        return next(self.pending(), None) is None

    def files(self) -> Path:
        """Return the folder for copies of artifacts that wait to be sent."""
        folder = self.path.with_suffix(".files")
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder

    def remove(self) -> None:
        """Delete the file and what belongs to it."""
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
            return Progress(int(said["offset"]), dict(said["runs"]), int(said["tries"]))
        except (OSError, ValueError, KeyError, TypeError):
            # Lost in a power cut: everything is sent again, which changes nothing.
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

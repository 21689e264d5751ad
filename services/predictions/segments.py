"""The bytes of a segment, and the file that takes them.

A record is a frame (see ``services.telemetry.frames``: mark, length, CRC-32, kind) whose body is
three lengths, then the head as a JSON array, the inputs and the outputs as JSON. The head alone
answers most questions, so that a reader need not look at the columns.
"""

import contextlib
import errno
import fcntl
import os
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from services.predictions.models import Feedback, Kept, Record
from services.predictions.privacy import Encoded, encoded
from services.telemetry.frames import framed, whole_frames

PREDICTION, FEEDBACK = 1, 2

_LENGTHS = struct.Struct("<III")
_LATEST_US = 253_402_300_799_000_000  # the year 9999
_ZEROS = bytes(1 << 20)

HEAD = (
    "id", "at", "project", "model", "version", "api", "key_id", "rows", "status", "latency_ms",
    "model_ms", "queue_ms", "backend", "host", "host_state", "energy_j", "shadow", "error", "kept",
)  # fmt: skip
"""The fields of a prediction's head in order; later versions add behind."""

FEEDBACK_HEAD = ("id", "at", "key_id", "project", "kept", "label")

Row = tuple[Any, ...]
"""Of ``HEAD``, with ``at`` in µs and the state as JSON; then inputs and outputs, as text."""


def prediction(record: Record, columns: Encoded) -> bytes:
    """Return the frame of a prediction."""
    kept, inputs, outputs = columns
    r = record
    head = _dumped((
        r.id, round(r.at * 1e6), r.project, r.model, r.version, r.api, r.key_id, r.rows, r.status,
        r.latency_ms, r.model_ms, r.queue_ms, r.backend, r.host, r.host_state, r.energy_j, r.shadow,
        r.error, kept,
    ))  # fmt: skip
    lengths = _LENGTHS.pack(len(head), len(inputs), len(outputs))
    return framed(PREDICTION, b"".join((lengths, head, inputs, outputs)))


def feedback(said: Feedback, kept: Kept) -> bytes:
    """Return the frame of a label."""
    at_us = round(said.at * 1e6)
    return framed(FEEDBACK, encoded([said.id, at_us, said.key_id, said.project, kept, said.label]))


def decoded(data: bytes, at: int = 0) -> Iterator[tuple[int, int, int, Row]]:
    """Yield begin, end, kind and fields of every whole record; what is between is damage."""
    for begin, frame in whole_frames(data, at):
        try:
            if frame.kind == PREDICTION:
                yield begin, frame.end, PREDICTION, _row(frame.body)
            elif frame.kind == FEEDBACK:
                *fields, label = orjson.loads(frame.body)[: len(FEEDBACK_HEAD)]
                if not 0 <= fields[1] <= _LATEST_US:
                    continue
                yield begin, frame.end, FEEDBACK, (*fields, orjson.dumps(label).decode())
        except (ValueError, TypeError, IndexError, struct.error):
            continue  # whole, yet no record of ours: left for a person


def _row(body: bytes) -> Row:
    head_bytes, inputs_bytes, outputs_bytes = _LENGTHS.unpack_from(body)
    begin = _LENGTHS.size
    inputs = begin + head_bytes
    outputs = inputs + inputs_bytes
    head = orjson.loads(body[begin:inputs])[: len(HEAD)]
    if not (0 <= head[1] <= _LATEST_US and len(head) == len(HEAD)):
        raise ValueError(head[1])
    if not (isinstance(head[0], str) and isinstance(head[2], str) and isinstance(head[3], str)):
        raise TypeError(head[:4])
    if head[14] is not None:
        head[14] = orjson.dumps(head[14]).decode()
    return (
        *head,
        body[inputs:outputs].decode("utf-8", "replace") if inputs_bytes else None,
        body[outputs : outputs + outputs_bytes].decode("utf-8", "replace")
        if outputs_bytes
        else None,
    )


def _dumped(head: tuple[Any, ...]) -> bytes:
    try:
        return orjson.dumps(head)
    except TypeError:  # half a character in an error's text, a figure of numpy's
        plain = [v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for v in head]
        return encoded(plain)


class Segment:
    """A file that one process appends to; it holds a lock, which ends with the process."""

    def __init__(self, path: Path, handle: int, room: int | None = None) -> None:
        """Take over an open, locked file; use ``made`` or ``kept``."""
        self.path = path
        self.handle = handle
        self.size = 0
        self.born = time.monotonic()
        self._room = room

    @classmethod
    def made(cls, path: Path) -> "Segment":
        """Return a new segment.

        Raises:
            OSError: No room, or the folder is not writable.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        return cls(path, _locked(path, flags))

    @classmethod
    def kept(cls, path: Path, room: int) -> "Segment":
        """Return one whose room is taken already, so that a full disk cannot refuse it.

        Raises:
            OSError: There is no such room.
        """
        handle = _locked(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
        try:
            _take(handle, room)
        except OSError:
            os.close(handle)
            path.unlink()
            raise
        return cls(path, handle, room)

    @property
    def reserved(self) -> bool:
        """Return whether its room was taken beforehand."""
        return self._room is not None

    def begin(self, path: Path) -> None:
        """Make a segment of the room that was kept.

        Raises:
            OSError: It cannot be renamed.
        """
        self.path.replace(path)
        self.path, self.born = path, time.monotonic()

    @property
    def in_place(self) -> bool:
        """Return whether nobody took the file away."""
        return os.fstat(self.handle).st_nlink > 0

    def write(self, data: bytes) -> None:
        """Append a record.

        Raises:
            OSError: The disk takes it not; what was written before is untouched.
        """
        if self._room is not None:
            self._write_over(data)
        else:
            done = os.write(self.handle, data)
            if done < len(data):
                self._write_rest(data, done)
        self.size += len(data)

    def sync(self) -> None:
        """Wait until the disk has it, for a machine that loses power.

        Raises:
            OSError: The disk says that it did not.
        """
        if sys.platform == "darwin":
            fcntl.fcntl(self.handle, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(self.handle)

    def close(self) -> None:
        """Leave it to the compactor."""
        os.close(self.handle)

    def _write_rest(self, data: bytes, done: int) -> None:
        try:
            while done < len(data):
                done += os.write(self.handle, data[done:])
        except OSError:
            with contextlib.suppress(OSError):  # else a reader finds the next record behind it
                os.ftruncate(self.handle, self.size)
            raise

    def _write_over(self, data: bytes) -> None:
        if self.size + len(data) > (self._room or 0):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = 0
        while done < len(data):
            done += os.pwrite(self.handle, data[done:], self.size + done)


def abandoned(path: Path) -> int | None:
    """Return a locked handle of a segment whose writer is done or dead, None while it lives.

    Raises:
        OSError: It is gone, or cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _locked(path: Path, flags: int) -> int:
    handle = os.open(path, flags, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.fstat(handle).st_nlink:
            raise BlockingIOError(errno.EAGAIN, "taken for one that was left")
    except OSError:  # the compactor looked in between; the caller takes another name
        os.close(handle)
        raise
    return handle


def _take(handle: int, room: int) -> None:
    if sys.platform == "linux":
        os.posix_fallocate(handle, 0, room)
        return
    for _ in range(0, room, len(_ZEROS)):
        os.write(handle, _ZEROS)

"""The writing side of one host: an append-only segment that survives kills and full disks."""

import contextlib
import logging
import os
import secrets
import struct
import time
from collections import deque
from pathlib import Path

import orjson

from services.engines.silicon.models import Sample
from services.errors import PlatformError
from services.telemetry.folder import HOUR_S, HostFolder, lock
from services.telemetry.frames import SAMPLE, SAMPLE_HEAD, SHAPE, USE, WHO, framed, whole_frames
from services.telemetry.shapes import Said, Who, microseconds, split, who_and_use

logger = logging.getLogger(__name__)

_SEGMENT_SAMPLES = 4096
_SEGMENT_BYTES = 16 << 20
_SYNC_S = 30.0
_WAITING = 900
"""Samples kept in memory while the disk takes none: half an hour of them."""


class SegmentWriter:
    """Appends the samples of one host; one process at a time."""

    def __init__(self, folder: HostFolder) -> None:
        self._folder = folder
        (folder.path / "open").mkdir(parents=True, exist_ok=True)
        self._lock = lock(
            folder.path / "writer.lock",
            f"Another process writes the telemetry of {folder.slug}, and two would mix it up.",
        )
        self._handle = -1
        self._path: Path | None = None
        self._size = 0
        self._samples = 0
        self._until_us = 0
        self._synced = time.monotonic()
        self._waiting: deque[Sample] = deque(maxlen=_WAITING)
        self._shapes: dict[tuple[Said, ...], int] = {}
        self._who: dict[Who, int] = {}
        self._packers: dict[int, struct.Struct] = {}
        for left in folder.segments(".open"):
            close_left(left)

    @property
    def waiting(self) -> int:
        """Return how many samples the disk did not take yet."""
        return len(self._waiting)

    def in_place(self) -> bool:
        """Return whether the folder is still the one that was opened."""
        try:
            found = (self._folder.path / "writer.lock").stat()
        except OSError:
            return False
        return os.fstat(self._lock).st_ino == found.st_ino

    def abandon(self) -> None:
        """Let go of files that were taken away; what waits for them goes with them."""
        for handle in (self._handle, self._lock):
            if handle >= 0:
                os.close(handle)
        self._handle, self._path, self._lock = -1, None, -1

    def append(self, sample: Sample) -> bool:
        """Keep a sample; return whether a segment was closed, so that there is one to merge.

        Raises:
            PlatformError: The disk takes nothing. What was written before is untouched; this
                sample and those after it wait in memory and are written when there is room.
        """
        self._waiting.append(sample)
        closed = False
        try:
            while self._waiting:
                closed |= self._write(self._waiting[0])
                self._waiting.popleft()
        except OSError as error:
            raise self._refused(error) from error
        return closed

    def _write(self, sample: Sample) -> bool:
        at_us = microseconds(sample.at)
        closed = self._handle >= 0 and self._is_full(at_us)
        if closed:
            self.close_segment()
        if self._handle < 0:
            self._begin(at_us)
        known = len(self._shapes), len(self._who)
        data = self._encoded(sample, at_us)
        try:
            _write_all(self._handle, data)
        except OSError:
            self._take_back(*known)
            raise
        self._size += len(data)
        self._samples += 1
        self._sync_now_and_then()
        return closed

    def _is_full(self, at_us: int) -> bool:
        return (
            at_us >= self._until_us
            or self._samples >= _SEGMENT_SAMPLES
            or self._size >= _SEGMENT_BYTES
        )

    def _begin(self, at_us: int) -> None:
        existing = self._folder.segments()
        number = 1 + max((int(p.name.split("-")[0]) for p in existing), default=0)
        name = f"{number:010d}-{secrets.token_hex(6)}.open"
        path = self._folder.path / "open" / name
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._path, self._size, self._samples = path, 0, 0
        hour_us = HOUR_S * 1_000_000
        self._until_us = at_us - at_us % hour_us + hour_us
        self._shapes.clear()
        self._who.clear()

    def _encoded(self, sample: Sample, at_us: int) -> bytes:
        said, figures = split(sample)
        parts = []
        shape = self._shapes.get(said)
        if shape is None:
            shape = self._shapes[said] = len(self._shapes)
            parts.append(framed(SHAPE, orjson.dumps([shape, [list(one) for one in said]])))
        uses = []
        for process in sample.processes:
            who, use = who_and_use(process)
            number = self._who.get(who)
            if number is None:
                number = self._who[who] = len(self._who)
                parts.append(framed(WHO, orjson.dumps([number, *who])))
            uses.append(USE.pack(number, *use))
        packer = self._packers.get(len(figures))
        if packer is None:
            packer = self._packers[len(figures)] = struct.Struct(f"<{len(figures)}q")
        window_ms = round(sample.window_s * 1000)
        head = SAMPLE_HEAD.pack(at_us, window_ms, shape, len(uses))
        parts.append(framed(SAMPLE, b"".join((head, packer.pack(*figures), *uses))))
        return b"".join(parts)

    def _take_back(self, shapes: int, who: int) -> None:
        """Undo half a write, so that the file ends with the last whole sample again."""
        while len(self._shapes) > shapes:
            self._shapes.popitem()
        while len(self._who) > who:
            self._who.popitem()
        try:
            os.ftruncate(self._handle, self._size)
        except OSError:  # its torn tail is cut when it is merged; go on in another
            with contextlib.suppress(OSError):
                self.close_segment()

    def _sync_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._synced >= _SYNC_S:
            self._synced = now
            os.fsync(self._handle)

    def _refused(self, error: OSError) -> PlatformError:
        return PlatformError(
            f"The telemetry of {self._folder.slug} could not be written "
            f"({error.strerror or error}): {len(self._waiting)} samples wait in memory, at most "
            f"{_WAITING}; what was written before is there.",
            "Free some space, or look who owns the folder; it goes on by itself then.",
        )

    def close_segment(self) -> None:
        """Close the segment being written, so that it can be merged."""
        if self._handle < 0 or self._path is None:
            return
        handle, path = self._handle, self._path
        self._handle, self._path = -1, None
        with contextlib.suppress(OSError):  # a full disk; the bytes are in the file
            os.fsync(handle)
        os.close(handle)
        path.rename(path.with_suffix(".log"))

    def close(self) -> None:
        """Write what waits, close the segment and let another process write."""
        try:
            while self._waiting:
                self._write(self._waiting[0])
                self._waiting.popleft()
        except OSError as error:
            logger.warning("%s They are lost.", self._refused(error).message)
        self.close_segment()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _write_all(handle: int, data: bytes) -> None:
    done = os.write(handle, data)
    while done < len(data):  # a disk that fills up takes a part first, then says so
        done += os.write(handle, data[done:])


def close_left(path: Path) -> None:
    """Close a segment that a killed process left, cutting what it was writing when it died."""
    data = path.read_bytes()
    end = 0
    for _, frame in whole_frames(data):
        end = frame.end
    if end < len(data):
        logger.info("%s ended in the middle of a sample: %d bytes cut.", path, len(data) - end)
        os.truncate(path, end)
    path.rename(path.with_suffix(".log"))

"""Events that others note: one line each, a file a month, any process at any time."""

import os
from collections.abc import Iterator
from datetime import datetime
from typing import get_args

import orjson

from services.errors import PlatformError
from services.telemetry.folder import HostFolder
from services.telemetry.models import Event, EventKind
from services.telemetry.shapes import microseconds, moment

_KINDS: frozenset[str] = frozenset(get_args(EventKind))


def write(folder: HostFolder, event: Event) -> None:
    """Keep an event.

    Raises:
        PlatformError: The disk takes nothing.
    """
    at_us = microseconds(event.at)
    fields = [at_us, event.kind, event.title, event.subject]
    # Begins with a line end of its own: the end of a line that a killed process left torn.
    line = b"\n" + orjson.dumps(fields) + b"\n"
    path = folder.notes / f"{moment(at_us):%Y-%m}.jsonl"
    try:
        folder.notes.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            written = os.write(handle, line)
        finally:
            os.close(handle)
    except OSError as error:
        raise _refused(folder, error.strerror or str(error)) from error
    if written < len(line):
        raise _refused(folder, "the disk is full")


def _refused(folder: HostFolder, reason: str) -> PlatformError:
    return PlatformError(
        f"The event of {folder.slug} could not be noted: {reason}.",
        "Free some space, or look who owns the folder, and note it again.",
    )


def read(folder: HostFolder, host: str, start: datetime, end: datetime) -> Iterator[Event]:
    """Yield the events noted in a half-open interval, each once; torn lines are passed over."""
    months = f"{start:%Y-%m}", f"{end:%Y-%m}"
    seen = set()
    for path in sorted(folder.notes.glob("*.jsonl")):
        if not months[0] <= path.stem <= months[1]:
            continue
        for line in path.read_bytes().splitlines():
            event = _event(host, line)
            if event and start <= event.at < end and event not in seen:
                seen.add(event)
                yield event


def _event(host: str, line: bytes) -> Event | None:
    try:
        at_us, kind, title, subject = orjson.loads(line)
        return Event(moment(at_us), host, kind, title, subject) if kind in _KINDS else None
    except (ValueError, TypeError):
        return None

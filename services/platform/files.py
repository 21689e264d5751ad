"""Small JSON files written whole or not at all, and set aside when they cannot be read."""

import contextlib
import errno
import json
import logging
import os
import tempfile
import time
from pathlib import Path

from services.errors import PlatformError

logger = logging.getLogger(__name__)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_text(path: Path, text: str, *, mode: int = 0o600, durable: bool = True) -> None:
    """Write ``text`` in one step: a reader sees the old file or the new one, never a part.

    Not ``durable`` spares the wait for the disk, for what means nothing after a power cut.

    Raises:
        PlatformError: The disk is full or the folder is not writable; the old file is untouched.
    """
    handle, name = -1, ""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.fchmod(handle, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        if name:
            with contextlib.suppress(OSError):
                Path(name).unlink()
        raise not_written(path, error) from error


def write_json(path: Path, document: object, *, durable: bool = True) -> None:
    """Write a JSON document in one step.

    Raises:
        PlatformError: See ``write_text``.
    """
    write_text(path, json.dumps(document, indent=1), durable=durable)


def not_written(path: Path, error: OSError) -> PlatformError:
    """Return the sentence for a file that could not be written."""
    if error.errno in _FULL:
        return PlatformError(
            f"The disk is full: {path} could not be written; what it held before is still there.",
            "Free some space (`mlops doctor` shows how much is left) and try again.",
        )
    return PlatformError(
        f"{path} could not be written: {error.strerror or error}.",
        "Check who owns the folder and its permissions.",
    )


def read_json(path: Path) -> dict[str, object] | None:
    """Return a JSON object, None when there is no such file.

    Raises:
        PlatformError: It is there and is not a JSON object.
    """
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PlatformError(
            f"{path} cannot be read: {error}.", "`mlops up` sets it aside."
        ) from error
    if not isinstance(document, dict):
        raise PlatformError(f"{path} does not hold a JSON object.", "`mlops up` sets it aside.")
    return document


def read_or_set_aside(path: Path) -> dict[str, object]:
    """Return a JSON object; one that is unreadable is renamed, said so, and taken as empty."""
    try:
        return read_json(path) or {}
    except PlatformError as error:
        aside = path.with_name(f"{path.name}.broken-{time.strftime('%Y%m%dT%H%M%S')}")
        with contextlib.suppress(OSError):
            path.replace(aside)
        logger.warning("%s It was set aside as %s and is made anew.", error.message, aside.name)
        return {}

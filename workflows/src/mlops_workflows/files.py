"""Small files written whole or not at all."""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write_whole(path: Path, document: dict[str, Any]) -> None:
    """Write JSON by rename: a reader sees the old file or the new one, never a part.

    Raises:
        OSError: The disk is full or the folder is not writable; the old file is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
        Path(name).replace(path)
    except BaseException:  # an interrupt, too, must leave no half file behind; raised again
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def read_object(path: Path) -> dict[str, Any] | None:
    """Return a JSON object, None when there is none to read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None

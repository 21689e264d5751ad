"""The file in which a process without a port says that it is well, for the supervisor's probe."""

import contextlib
import json
import os
import tempfile
import time
from pathlib import Path

_DETAIL_LIMIT = 600
_REPORT_SIZE = 4096


class Heartbeat:
    """Writes ``{"pid", "at", "detail"}``; see ``services.platform.probes.HeartbeatProbe``."""

    def __init__(self, path: Path) -> None:
        """Name the file; its folder is there."""
        self._path = path

    def beat(self, detail: str) -> None:
        """Write that it is well; on a full disk over the last report, which takes no room."""
        # Padded: a longer report still fits where a shorter one lies.
        document = {"pid": os.getpid(), "at": time.time(), "detail": detail[:_DETAIL_LIMIT]}
        said = json.dumps(document).ljust(_REPORT_SIZE).encode()
        try:
            self._replace(said)
        except OSError:
            with contextlib.suppress(OSError), self._path.open("r+b") as file:
                file.write(said)

    def end(self) -> None:
        """Take the file away: the process ends."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _replace(self, said: bytes) -> None:
        handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(said)
            Path(name).replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise

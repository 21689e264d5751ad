"""One line of JSON a request on stderr; under load some of them, and how many were left out.

A thread writes, so that a full pipe holds nobody up. Neither bodies nor keys are ever in it.
"""

import os
import sys
import threading
import time
from collections import deque
from typing import TextIO

import orjson

from services.gateway.http import Request

PER_S = 100
"""Lines of good requests a second; those that failed are on top, as many again."""
_KEPT = 10_000
_WRITE_S = 0.1
_END_S = 2.0


class AccessLog:
    """Writes lines."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._lines: deque[bytes] = deque(maxlen=_KEPT)
        self._second = 0
        self._good = self._bad = self._left_out = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(_END_S)  # who reads nothing any more holds up no end
        else:
            self._write()

    def request(self, request: Request, route: str) -> None:
        """Take a request that was answered."""
        seen = request.seen
        now = int(time.time())
        if now != self._second:
            self._turn(now)
        if seen.status < 400:
            self._good += 1
            wanted = self._good <= PER_S
        else:
            self._bad += 1
            wanted = self._bad <= PER_S
        if not wanted:
            self._left_out += 1
            return
        line = {
            "at": round(request.at, 3), "id": request.id, "method": request.method, "route": route,
            "status": seen.status, "ms": round(seen.ms, 2), "project": seen.project,
            "model": seen.model, "version": seen.version, "key": seen.key_id, "rows": seen.rows,
        }  # fmt: skip
        if seen.retried:
            line["retried"] = seen.retried
        self._lines.append(orjson.dumps(line))

    def _turn(self, now: int) -> None:
        if self._left_out:
            said = {"at": self._second, "left_out": self._left_out}
            self._lines.append(orjson.dumps(said))
        self._second = now
        self._good = self._bad = self._left_out = 0

    def _run(self) -> None:
        while not self._ended.wait(_WRITE_S):
            self._write()
        self._write()

    def _write(self) -> None:
        lines = []
        while self._lines:
            lines.append(self._lines.popleft())
        if not lines:
            return
        data = memoryview(b"\n".join(lines) + b"\n")
        try:
            self._stream.flush()
            while data:
                data = data[os.write(self._stream.fileno(), data) :]
        except (OSError, ValueError):
            return  # nobody reads it any more; requests matter more

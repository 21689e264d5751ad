"""What nobody follows any more is ended or removed: model servers of killed starters, old logs."""

import contextlib
import logging
import time
from collections.abc import Collection

import psutil

from services.home import Home
from services.serving import replicas
from services.serving.replicas import ReplicaSpec

logger = logging.getLogger(__name__)

SWEPT_S = 30.0
DAY_S = 86400.0
LOGS_S = 14 * DAY_S
"""How long the log of a model server that ended is kept after its last line."""


class Tidying:
    """Looks now and then. Used from one thread."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._swept: float | None = None
        self._logs: float | None = None
        self._asked: set[psutil.Process] = set()
        """To end, when it was looked last."""

    def turn(self, followed: Collection[ReplicaSpec], now: float) -> bool:
        """End and remove what is not of those that are followed; return whether it was time to."""
        steady = time.monotonic()
        if self._swept is not None and steady - self._swept < SWEPT_S:
            return False
        self._swept = steady
        self._end_strays({one.id for one in followed})
        if self._logs is None or steady - self._logs > DAY_S:
            self._logs = steady
            self._remove_old_logs({one.log for one in followed}, now)
        return True

    def _end_strays(self, known: set[str]) -> None:
        """Ask them to end; who was asked before and is still there is made to."""
        strays = set(replicas.strays(self._home, known))
        for stray in strays:
            logger.warning("Ending a model server that nobody knows: %s.", stray.pid)
            with contextlib.suppress(psutil.Error):
                if stray in self._asked:
                    stray.kill()
                else:
                    stray.terminate()
        self._asked = strays

    def _remove_old_logs(self, written: set[str], now: float) -> None:
        for path in self._home.logs.glob("serving-*"):
            with contextlib.suppress(OSError):
                if str(path) not in written and now - path.stat().st_mtime > LOGS_S:
                    path.unlink()

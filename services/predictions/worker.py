"""The process that compares answers, as the engine ``predictions`` starts and ends it."""

import contextlib
import logging
import subprocess
import sys
import time

from services.home import Home
from services.serving import drift

logger = logging.getLogger(__name__)

_AGAIN_S = 10.0
_ENDS_S = 5.0


class Worker:
    """One process, as long as something is wished for."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._again_at = 0.0
        self._path = drift.wishes_path(home)

    def turn(self) -> None:
        """Start it when there is something to do; cheap when there is nothing."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            self._process = None
            if code:
                logger.warning("The comparison of answers ended with %d.", code)
                self._again_at = time.monotonic() + _AGAIN_S
        if time.monotonic() < self._again_at or not self._path.exists():
            return
        if not drift.wishes(self._home):
            return
        command = (sys.executable, "-m", "services.predictions.comparing", str(self._home.root))
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def end(self) -> None:
        """End it."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDS_S)
            return
        self._process.kill()
        self._process.wait()

"""A loop of the controller: one job, its own thread, its own pace, errors as state."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from services.errors import MlopsError

logger = logging.getLogger(__name__)

_SLOWEST_RETRY_S = 15.0


@dataclass(slots=True)
class Health:
    """How a loop does; read by the heartbeat and shown by ``mlops status``."""

    last_ok: float = 0.0
    """Seconds since 1970; 0 before the first good turn."""
    error: str = ""
    hint: str = ""
    failures: int = 0
    crash: BaseException | None = field(default=None, repr=False)


class Loop:
    """Calls ``turn`` again and again until stopped.

    A ``MlopsError`` (an engine is away) is remembered, logged once, and tried again with growing
    pauses. Anything else is our bug: the loop ends and the process with it, so that the supervisor
    starts it afresh and the log has the traceback.
    """

    def __init__(self, name: str, turn: Callable[[], bool | None], interval_s: float) -> None:
        self.name = name
        self.health = Health()
        self._turn = turn
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Ask the loop to end and wait for the turn under way."""
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            pause_s = self._interval_s
            try:
                again = self._turn()
            except MlopsError as error:
                pause_s = self._failed(error)
            except BaseException as error:
                logger.exception("The loop %s met a bug and ends the controller.", self.name)
                self.health.crash = error
                raise
            else:
                self._succeeded()
                if again:
                    continue
            self._stop.wait(pause_s)

    def _failed(self, error: MlopsError) -> float:
        health = self.health
        if health.error != error.message:
            logger.warning("%s: %s", self.name, error)
        health.error, health.hint = error.message, error.hint
        health.failures += 1
        return min(_SLOWEST_RETRY_S, self._interval_s * 2.0 ** min(health.failures, 8))

    def _succeeded(self) -> None:
        health = self.health
        if health.error:
            logger.info("%s: works again.", self.name)
        health.error = health.hint = ""
        health.failures = 0
        health.last_ok = time.time()

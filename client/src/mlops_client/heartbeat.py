"""A sign of life of each running run, every 15 seconds: a run without one is shown as lost.

One daemon thread beats for all runs of the process. It only does HTTP: MLX must never run in it.
"""

import threading
import time
from collections.abc import Callable

from mlops_client.presence import Presence

INTERVAL_S = 15.0
TAG = "mlops.heartbeat"

Beat = Callable[[str, str], None]


def now() -> str:
    """Return the time as the tag says it: epoch seconds."""
    return f"{time.time():.0f}"


class Heart:
    """Beats for the runs of one store while there are any."""

    def __init__(
        self, beat: Beat, interval_s: float = INTERVAL_S, presence: Presence | None = None
    ) -> None:
        self._beat = beat
        self._presence = presence or Presence()
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._runs: set[str] = set()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def runs(self) -> frozenset[str]:
        """The runs that live."""
        return frozenset(self._runs)

    def start(self, run_id: str) -> None:
        """Begin to beat for a run."""
        self._presence.begin(run_id)
        with self._lock:
            self._runs.add(run_id)
            if self._thread is not None and self._thread.is_alive():
                return
            self._stopped = threading.Event()
            self._thread = threading.Thread(
                target=self._work, args=(self._stopped,), name="mlops-heartbeat", daemon=True
            )
            self._thread.start()

    def stop(self, run_id: str) -> None:
        """Stop beating for a run; with the last one the thread ends."""
        self._presence.end(run_id)
        with self._lock:
            self._runs.discard(run_id)
            if not self._runs:
                self._stopped.set()
                self._thread = None

    def stop_all(self) -> None:
        """Stop, at the end of the process."""
        self._presence.clear()
        with self._lock:
            self._runs.clear()
            self._stopped.set()
            self._thread = None

    def _work(self, stopped: threading.Event) -> None:
        while not stopped.wait(self._interval_s):
            self._presence.refresh()
            for run_id in self.runs:
                self._beat(run_id, now())

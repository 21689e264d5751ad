"""How this machine is, for the prediction log: read from the telemetry every few seconds."""

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime

from services.engines.silicon.machine import own_id
from services.errors import MlopsError
from services.home import Home
from services.telemetry.models import HostState
from services.telemetry.store import Store

logger = logging.getLogger(__name__)

EVERY_S = 5.0
OLD_S = 15.0
"""An older sample says nothing of now."""
_TOLD = ("thermal_level", "memory_pressure", "low_power_mode")
_POWER = "package_w"
"""CPU, GPU and Neural Engine together: what a model's work is part of."""


class Machine:
    """The last sample of this machine's telemetry."""

    def __init__(self, home: Home) -> None:
        self.host = own_id(home.run / "host-id")
        self._store = Store(home.telemetry)
        self._said: Mapping[str, float] | None = None
        self._power_w: float | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="machine", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._store.close()

    def now(self) -> Mapping[str, float] | None:
        """Return thermal level, memory pressure and Low Power Mode, as far as they were read."""
        return self._said

    def energy_j(self, busy_s: float | None) -> float | None:
        """Return the chip's power over a model's busy time: allocated, not measured.

        None where the chip's power cannot be read, as on Linux.
        """
        return None if busy_s is None or self._power_w is None else self._power_w * busy_s

    def _follow(self) -> None:
        while True:
            try:
                self._take(
                    next((s for s in self._store.hosts() if s.machine.host == self.host), None)
                )
            except (MlopsError, OSError) as error:
                logger.warning("The telemetry cannot be read: %s", error)
                self._take(None)
            if self._ended.wait(EVERY_S):
                return

    def _take(self, state: HostState | None) -> None:
        at = None if state is None else state.last_at
        if state is None or at is None or (datetime.now(UTC) - at).total_seconds() > OLD_S:
            self._said, self._power_w = None, None
            return
        found = {name: _value(state, name) for name in _TOLD}
        self._said = {name: value for name, value in found.items() if value is not None} or None
        self._power_w = _value(state, _POWER)


def _value(state: HostState, metric: str) -> float | None:
    reading = state.reading(metric)
    return None if reading is None else reading.value

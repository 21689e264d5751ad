"""What model servers took while they served is noted for the planner's next estimate."""

import time
from collections.abc import Iterable

from services.serving.endpoint import EndpointRun
from services.serving.measured import GROWN, Measured, from_memory
from services.serving.pulse import Pulse
from services.serving.versions import Server, VersionRun

NOTED_S = 10.0


class Noting:
    """Notes the peaks of model servers when they grew. Used from one thread."""

    def __init__(self, measured: Measured, host: str) -> None:
        self._measured = measured
        self._host = host
        self._noted: dict[str, int] = {}
        self._at = 0.0

    def turn(self, runs: Iterable[EndpointRun], pulse: Pulse) -> None:
        """Note what is new, now and then.

        Raises:
            PlatformError: It cannot be written.
        """
        if time.monotonic() - self._at < NOTED_S:
            return
        self._at = time.monotonic()
        there = [(version, one) for run in runs for version in run.runs for one in version.ready]
        kept = {one.spec.id for _, one in there}
        self._noted = {name: peak for name, peak in self._noted.items() if name in kept}
        for version, one in there:
            self._note(version, one, pulse)

    def _note(self, version: VersionRun, one: Server, pulse: Pulse) -> None:
        peak = pulse.peak_bytes(one.spec.id)
        backend, _ = version.backend()
        if peak is None or backend is None or version.prepared is None:
            return
        if peak <= self._noted.get(one.spec.id, 0) * GROWN:
            return
        seen = from_memory(
            version.prepared.info,
            backend,
            one.spec.max_batch,
            pulse.said(one.spec.id),
            host=self._host,
        )
        if seen is not None:
            self._measured.note(seen)
            self._noted[one.spec.id] = peak

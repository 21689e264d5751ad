"""One sample after the other of this machine: readings, and what each owner's processes used."""

import logging
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from services.engines.command import Run, run
from services.engines.silicon.chain import Host
from services.engines.silicon.commands import gpu_times
from services.engines.silicon.models import Sample
from services.engines.silicon.uses import Uses
from services.errors import EngineError
from services.telemetry.engine_processes import EngineProcesses
from services.telemetry.presence import FOLDER, Presence

logger = logging.getLogger(__name__)

INTERVAL_S = 2.0
_GAP_INTERVALS = 1.5
"""So much later than due, and by these seconds at least, a sample is the first after a gap."""
_GAP_S = 3.0

_GPU_CLIENTS = ("ioreg", "-r", "-d", "1", "-w", "0", "-c", "AGXDeviceUserClient")
_TIMEOUT_S = 3.0


class Schedule:
    """Moments an interval apart that do not drift; those that were missed are left out."""

    def __init__(self, interval_s: float, now: Callable[[], float] = time.monotonic) -> None:
        """Begin now: the first moment is due at once."""
        self._interval_s = interval_s
        self._now = now
        self._due = now()

    def wait_s(self) -> float:
        """Return how long it is to the next moment; 0 when it is here."""
        return max(0.0, self._due - self._now())

    def advance(self) -> None:
        """Go on to the first moment that is still to come."""
        missed = int(max(0.0, self._now() - self._due) / self._interval_s)
        self._due += (missed + 1) * self._interval_s


class Sampling:
    """Takes the samples of this machine. Used from one thread."""

    def __init__(
        self,
        host: Host,
        run_folder: Path,
        interval_s: float = INTERVAL_S,
        *,
        uses: Uses | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin.

        Args:
            host: Its readings.
            run_folder: ``MLOPS_HOME/run``: whose the processes are.
            interval_s: How often ``take`` will be called.
            uses: What follows the processes.
            clock: What time it is.
            now: Seconds of a clock that nobody sets.
        """
        self._host = host
        self._uses = uses or Uses(gpu_teller(host.machine.apple_silicon))
        self._presence = Presence(run_folder / FOLDER)
        self._engines = EngineProcesses(run_folder / "state.json")
        self._late_s = max(_GAP_INTERVALS * interval_s, _GAP_S)
        self._interval_s = interval_s
        self._clock, self._now = clock, now
        self._before: tuple[datetime, float] | None = None
        self._after_gap = False

    def take(self) -> Sample | None:
        """Return a sample; None for the first one and the first after a gap.

        That one only says where the counters stand. Counted over the time in which the lid was
        closed or the process was stopped, its window would claim as measured what nobody saw.
        """
        at, moment = self._clock(), self._now()
        tags = self._presence.tags()
        owned = {tag.pid for tag in tags}
        sample = self._host.sample(at)
        processes = self._uses.take((*self._engines.tags(owned), *tags))
        before, self._before = self._before, (at, moment)
        if before is None:
            return None
        gap = self._is_gap(before, at, moment, sample.window_s)
        # Two in a row are no gap: a provider is that slow, and its long window is the true one.
        dropped = gap and not self._after_gap
        self._after_gap = gap
        return None if dropped else replace(sample, processes=processes)

    def _is_gap(
        self, last: tuple[datetime, float], at: datetime, moment: float, window_s: float
    ) -> bool:
        before_at, before = last
        # Asleep, this clock stands still on a Mac and on Linux; the one on the wall goes on.
        slept_s = (at - before_at).total_seconds() - (moment - before)
        return window_s > self._interval_s + self._late_s or slept_s > self._late_s

    def troubles(self) -> tuple[str, ...]:
        """Return a sentence for everything that keeps figures away and should not."""
        failing = [f"{p.name}: {p.reason}" for p in self._host.providers() if p.usable and p.reason]
        return (*failing, *filter(None, [self._presence.problem]))

    def close(self) -> None:
        """End what the providers run."""
        self._host.close()


def gpu_teller(
    apple_silicon: bool,  # noqa: FBT001 - a fact of the machine, not a switch
    ask: Run = run,
) -> Callable[[], Mapping[int, float]] | None:
    """Return what tells the GPU seconds of each process; None where nobody can."""
    if not apple_silicon or sys.platform != "darwin":
        return None

    def told() -> Mapping[int, float]:
        try:
            return gpu_times(ask(_GPU_CLIENTS, _TIMEOUT_S).decode(errors="replace"))
        except EngineError as error:
            logger.debug("GPU time of processes: %s", error)
            return {}

    return told

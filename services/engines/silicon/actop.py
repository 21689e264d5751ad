"""actop: Apple's counters read in process (ctypes), for Macs without macmon."""

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from services.engines.silicon.macmon import INTERVAL_S, Tiers, tiers_of
from services.engines.silicon.models import ProviderState, Reading
from services.engines.silicon.provider import measured, unavailable
from services.errors import EngineMissingError, EngineUnreachableError


class Monitor(Protocol):
    """actop's monitor: each call waits for its interval."""

    def get_snapshot(self) -> Any:  # noqa: ANN401 - actop's own record
        """Return the averages of the interval."""

    def close(self) -> None:
        """Let go of the counters."""


def load() -> tuple[str, Callable[[float], Monitor]]:
    """Return actop's version and its monitor.

    Raises:
        EngineMissingError: It is not installed; it exists for Apple Silicon alone.
    """
    try:
        import actop
    except (ImportError, OSError) as error:
        raise EngineMissingError(
            "The package actop is not installed.", "pip install actop"
        ) from error
    return str(actop.__version__), actop.Monitor


def to_readings(said: Any, tiers: Tiers, source: str) -> tuple[Reading, ...]:  # noqa: ANN401
    """Return the readings of a snapshot. actop writes 0 for what it could not read."""
    window = INTERVAL_S
    share = (("gpu_ratio", said.gpu_util_pct),)
    low, high = said.e_cores, said.p_cores
    cores = [core.active_pct for core in (*low, *high)]
    out = [
        measured(
            "cpu_ratio", sum(cores) / len(cores) / 100 if cores else None, source, window_s=window
        ),
        *(measured(name, value / 100, source, window_s=window) for name, value in share),
    ]
    for tier, members, busy, clock in (
        (tiers.low, low, said.ecpu_util_pct, said.ecpu_freq_mhz),
        (tiers.high, high, said.pcpu_util_pct, said.pcpu_freq_mhz),
    ):
        there = bool(members)
        if tier is None:
            continue
        out += [
            measured(f"cpu_{tier}_ratio", busy / 100 if there else None, source, window_s=window),
            measured(
                f"cpu_{tier}_mhz", clock if there and clock else None, source, window_s=window
            ),
        ]
    return (*out, *_power(said, cores, source), *_rest(said, source))


def _power(said: Any, cores: list[float], source: str) -> list[Reading]:  # noqa: ANN401
    names = ("cpu_w", "gpu_w", "ane_w", "package_w")
    if said.cpu_watts == 0 and cores and max(cores) >= 10:
        reason = "actop says 0 W of a CPU that is busy: its counters cannot be read"
        return [unavailable(name, source, reason) for name in names]
    watts = (said.cpu_watts, said.gpu_watts, said.ane_watts, said.package_watts)
    pairs = zip(names, watts, strict=True)
    return [measured(name, value, source, window_s=INTERVAL_S) for name, value in pairs]


def _rest(said: Any, source: str) -> list[Reading]:  # noqa: ANN401
    fans = list(said.fans) if said.fan_available else []
    shares = [fan.current / fan.max for fan in fans if fan.max]
    return [
        measured("gpu_mhz", said.gpu_freq_mhz or None, source, window_s=INTERVAL_S),
        measured("cpu_temperature_c", said.cpu_temp_c or None, source),
        measured("gpu_temperature_c", said.gpu_temp_c or None, source),
        measured("memory_total_bytes", said.ram_total_bytes or None, source),
        measured("memory_used_bytes", said.ram_used_bytes or None, source),
        measured("fan_rpm", max((fan.current for fan in fans), default=None), source),
        measured("fan_ratio", max(shares, default=None), source),
    ]


class Actop:
    """actop's monitor on a thread of its own, since each of its answers takes an interval."""

    name = "actop"

    def __init__(
        self,
        chip: str | None = None,
        *,
        kinds: int = 2,
        load: Callable[[], tuple[str, Callable[[float], Monitor]]] = load,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tiers = tiers_of(chip, kinds=kinds)
        self._load = load
        self._now = now
        self._source = "actop"
        self._make: Callable[[float], Monitor] | None = None
        self._news = threading.Condition()
        self._newest: tuple[float, Any] | None = None
        self._failed = ""
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def preflight(self) -> ProviderState:
        """Return whether the package is here."""
        try:
            version, self._make = self._load()
        except EngineMissingError as error:
            return ProviderState(self.name, reason=error.message, hint=error.hint)
        self._source = f"actop {version}"
        return ProviderState(self.name, version, usable=True)

    def readings(self) -> tuple[Reading, ...]:
        """Return the newest snapshot; the first call waits for one.

        Raises:
            EngineUnreachableError: There was none for three intervals.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="actop", daemon=True)
            self._thread.start()
        wait_s = INTERVAL_S * 3
        with self._news:
            self._news.wait_for(lambda: self._fresh(wait_s) or self._failed, wait_s)
            newest, failed = self._newest, self._failed
        if newest is None or not self._fresh(wait_s):
            raise EngineUnreachableError(
                f"actop does not answer ({failed or 'no sample in time'})."
            )
        return to_readings(newest[1], self._tiers, self._source)

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(INTERVAL_S * 2)
            self._thread = None
        self._ended.clear()
        self._newest, self._failed = None, ""

    def _fresh(self, within_s: float) -> bool:
        return self._newest is not None and self._now() - self._newest[0] <= within_s

    def _work(self) -> None:
        try:
            monitor = self._make(INTERVAL_S) if self._make else None
            while monitor is not None and not self._ended.is_set():
                said = monitor.get_snapshot()
                with self._news:
                    self._newest = (self._now(), said)
                    self._news.notify_all()
            if monitor is not None:
                monitor.close()
        except Exception as error:  # noqa: BLE001 - whatever it raises is told by the next readings()
            with self._news:
                self._failed = f"{type(error).__name__}: {error}"
                self._news.notify_all()

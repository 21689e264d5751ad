"""Machines with prepared readings, for the tests of the sampler and of agents."""

from datetime import UTC, datetime, timedelta

from services.engines.silicon.chain import Host
from services.engines.silicon.models import CoreTier, Machine, ProviderState, Reading, Sample
from services.engines.silicon.provider import measured, unavailable

MAC = Machine(
    "mac-b", "Apple M3 Pro", apple_silicon=True, os="macOS 27.0", model="Mac15,6",
    tiers=(CoreTier("performance", 6, 4056.0), CoreTier("efficiency", 6)),
    gpu="Apple M3 Pro", gpu_cores=18, memory_bytes=38_654_705_664,
    recommended_working_set_bytes=28_991_029_248,
)  # fmt: skip
PROVIDER = ProviderState("macmon", "0.8.2", usable=True, gives=("cpu_w",))
BEGIN = datetime(2026, 11, 3, 10, tzinfo=UTC)


class Prepared:
    """A provider that says what it was given."""

    name = "macmon"

    def __init__(self, *readings: Reading) -> None:
        self.readings_now: tuple[Reading, ...] | Exception = readings
        self.closed = 0
        self.on_reading = lambda: None

    def preflight(self) -> ProviderState:
        return PROVIDER

    def readings(self) -> tuple[Reading, ...]:
        self.on_reading()
        if isinstance(self.readings_now, Exception):
            raise self.readings_now
        return self.readings_now

    def close(self) -> None:
        self.closed += 1


class Clocks:
    """The clock on the wall and the one nobody sets; asleep only the first goes on."""

    def __init__(self, at: datetime = BEGIN) -> None:
        self.at = at
        self.seconds = 100.0

    def wall(self) -> datetime:
        return self.at

    def now(self) -> float:
        return self.seconds

    def on(self, seconds: float, *, asleep_s: float = 0.0) -> None:
        self.seconds += seconds
        self.at += timedelta(seconds=seconds + asleep_s)


def host(provider: Prepared | None = None, machine: Machine = MAC, clocks: Clocks | None = None):
    made = provider or Prepared(measured("cpu_w", 4.0, "macmon 0.8.2", window_s=2.0))
    return Host(machine, [made], now=(clocks or Clocks()).now)


def sample(seconds: float, *, name: str = MAC.host, begin: datetime = BEGIN) -> Sample:
    """Return a sample like a Mac's: one figure, one without."""
    readings = (
        measured("cpu_w", seconds / 8, "macmon 0.8.2", window_s=2.0),
        unavailable("gpu_mhz", "macmon 0.8.2", "the GPU was not listed"),
    )
    return Sample(name, begin + timedelta(seconds=seconds), 2.0, readings)

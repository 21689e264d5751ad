"""Builds recordings of a machine: what its samples look like in each state, second by second.

Figures are those of an M3 Pro that trains with MLX (macmon 0.8.2's ranges): GPU at 1,380 MHz and
14 W when nothing is in its way. Linux is what psutil alone gives.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.engines.silicon.models import (
    METRICS,
    CoreTier,
    Machine,
    ProcessUse,
    Reading,
    Sample,
)
from services.telemetry.models import Event, HostState, Series

BEGIN = datetime(2026, 11, 3, 10, tzinfo=UTC)
HOST = "studio-0123abcd"
RUN = "run:aaaa"
OTHER_RUN = "run:bbbb"
GB = 1024**3

MAC = Machine(
    host=HOST,
    chip="Apple M3 Pro",
    apple_silicon=True,
    os="macOS 27.0",
    tiers=(CoreTier("performance", 6), CoreTier("efficiency", 6)),
    gpu="Apple M3 Pro",
    gpu_cores=18,
    memory_bytes=36 * GB,
    recommended_working_set_bytes=27 * GB,
)
LINUX = Machine(
    host=HOST, chip="AMD EPYC", apple_silicon=False, os="Linux 6.1", tiers=(CoreTier("all", 2),)
)

BUSY: Mapping[str, float] = {
    "cpu_ratio": 0.12, "cpu_performance_mhz": 3500.0, "gpu_ratio": 0.97, "gpu_mhz": 1375.0,
    "memory_total_bytes": 36 * GB, "memory_used_bytes": 20 * GB, "memory_available_bytes": 16 * GB,
    "memory_wired_bytes": 9 * GB, "memory_pressure": 1, "swap_used_bytes": 0, "swap_in_bytes_s": 0,
    "cpu_w": 2.0, "gpu_w": 14.0, "ane_w": 0.0, "dram_w": 1.5, "package_w": 16.0, "system_w": 28.0,
    "cpu_temperature_c": 62.0, "gpu_temperature_c": 64.0, "thermal_level": 0, "low_power_mode": 0,
    "on_battery": 0, "battery_ratio": 1.0, "disk_read_bytes_s": 2e6, "disk_write_bytes_s": 1e6,
}  # fmt: skip
"""A Mac whose GPU one run keeps busy, undisturbed."""

IDLE: Mapping[str, float] = {
    **BUSY, "cpu_ratio": 0.03, "gpu_ratio": 0.01, "gpu_mhz": 338.0, "cpu_w": 0.3, "gpu_w": 0.02,
    "package_w": 0.32,
}  # fmt: skip

PSUTIL: Mapping[str, float] = {
    "cpu_ratio": 0.95, "cpu_mhz": 2600.0, "memory_total_bytes": 24 * GB,
    "memory_used_bytes": 8 * GB, "memory_available_bytes": 16 * GB, "swap_used_bytes": 0,
    "swap_in_bytes_s": 0, "disk_read_bytes_s": 1e5, "disk_write_bytes_s": 1e5,
}  # fmt: skip

State = Mapping[str, float | None]


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def use(owner: str = RUN, *, pid: int = 100, **given: object) -> ProcessUse:
    """A process that kept the GPU of the Mac busy for a window."""
    figures = {
        "cpu_s": 2.4,
        "gpu_s": 1.92,
        "memory_bytes": 5 * GB,
        "mlx_active_bytes": 4 * GB,
        "mlx_peak_bytes": 5 * GB,
    }
    figures |= given  # type: ignore[arg-type]
    names = {"name": "python", "project": "lora-finetuning" if owner else ""}
    names |= {key: figures.pop(key) for key in ("name", "project") if key in figures}  # type: ignore[misc]
    return ProcessUse(pid=pid, started_at=1.0, owner=owner, **names, **figures)  # type: ignore[arg-type]


def sample(
    seconds: float,
    state: State = BUSY,
    *processes: ProcessUse,
    window_s: float = 2.0,
    machine: Machine = MAC,
) -> Sample:
    """One sample, with every metric: those without a value carry the reason of the machine."""
    return Sample(
        machine.host,
        at(seconds),
        window_s,
        tuple(_reading(name, state.get(name), machine) for name in METRICS),
        processes,
    )


def recording(
    length_s: float,
    state: State | Callable[[float], State] = BUSY,
    processes: tuple[ProcessUse, ...] | Callable[[float], tuple[ProcessUse, ...]] | None = None,
    *,
    begin_s: float = 0.0,
    every_s: float = 2.0,
    machine: Machine = MAC,
) -> tuple[Sample, ...]:
    """Samples whose windows fill ``[begin_s, begin_s + length_s)``; states may change with time."""
    count = round(length_s / every_s)
    out = []
    for number in range(1, count + 1):
        moment = begin_s + number * every_s
        figures = state(moment) if callable(state) else state
        busy = processes(moment) if callable(processes) else processes
        busy = (use(),) if busy is None else busy
        out.append(sample(moment, figures, *busy, window_s=every_s, machine=machine))
    return tuple(out)


def without(state: State, *names: str) -> dict[str, float | None]:
    return {name: value for name, value in state.items() if name not in names}


def moved(samples: tuple[Sample, ...], seconds: float) -> tuple[Sample, ...]:
    return tuple(replace(one, at=one.at + timedelta(seconds=seconds)) for one in samples)


class Kept:
    """Telemetry of recordings, as the store answers: the half-open interval that is asked for."""

    def __init__(self, *states: HostState, samples: tuple[Sample, ...] = ()) -> None:
        self._states = states
        self._samples = samples
        self.asked: list[tuple[str, datetime, datetime]] = []

    def hosts(self) -> tuple[HostState, ...]:
        return self._states

    def series(
        self, host: str, metrics: object, start: datetime, end: datetime, /, points: int = 600
    ) -> tuple[Series, ...]:
        raise AssertionError("nothing here reads series")

    def samples(self, host: str, start: datetime, end: datetime, /) -> tuple[Sample, ...]:
        self.asked.append((host, start, end))
        return tuple(s for s in self._samples if s.host == host and start <= s.at < end)

    def events(
        self, start: datetime, end: datetime, /, host: str | None = None
    ) -> tuple[Event, ...]:
        return ()


def _reading(name: str, value: float | None, machine: Machine) -> Reading:
    if value is not None:
        source = "macmon 0.8.2" if machine.apple_silicon else "psutil 7.1.0"
        window = 2.0 if METRICS[name].unit in {"W", "ratio", "MHz"} else None
        return Reading(name, float(value), "measured", source, window_s=window)
    if METRICS[name].apple_only and not machine.apple_silicon:
        return Reading(name, None, "unavailable", reason="not Apple Silicon")
    reason = "no NVIDIA GPU here" if name.startswith("gpu_") else "this machine does not report it"
    if name in {"on_battery", "battery_ratio"}:
        reason = "this machine has no battery"
    if machine.apple_silicon:
        reason = "no provider reports it"
    return Reading(name, None, "unavailable", reason=reason)

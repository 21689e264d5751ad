"""What a machine says of itself: readings with unit, quality and source; never a made-up figure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Quality = Literal["measured", "estimated", "unavailable"]

Unit = Literal[
    "ratio", "MHz", "W", "°C", "rpm", "bytes", "bytes/s", "level", "flag", "W·h", "count"
]


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that can be read of a machine."""

    name: str
    unit: Unit
    title: str
    group: Literal[
        "cpu", "gpu", "memory", "power", "temperature", "fan", "state", "disk", "network"
    ]
    what: str = ""
    apple_only: bool = False
    """Elsewhere it is unavailable because the machine is no Apple Silicon."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One figure: its value, or why there is none."""

    metric: str
    value: float | None
    """In the metric's unit; ratios are 0–1, flags 0 or 1. None exactly when it is unavailable."""
    quality: Quality
    source: str = ""
    """Who said it, e.g. ``macmon 0.8.2``; of an unavailable one, who was asked last."""
    reason: str = ""
    """Why it is unavailable, or what an estimate rests on."""
    window_s: float | None = None
    """Over how long it was averaged; None is one moment."""


@dataclass(frozen=True, slots=True)
class CoreTier:
    """Cores of one kind."""

    name: Literal["super", "performance", "efficiency", "all"]
    """``all`` where the machine does not tell them apart."""
    cores: int
    max_mhz: float | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """What does not change while a machine is up."""

    host: str
    """Its id: stable over restarts, unique in the team; shown to people."""
    chip: str | None
    apple_silicon: bool
    os: str
    model: str | None = None
    tiers: tuple[CoreTier, ...] = ()
    gpu: str | None = None
    gpu_cores: int | None = None
    memory_bytes: int | None = None
    recommended_working_set_bytes: int | None = None
    """What Metal lets one process wire; None off Apple Silicon or when MLX is not there."""


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """What one tagged process used since the sample before."""

    pid: int
    started_at: float
    """Seconds since 1970: with the pid it names a process for good."""
    name: str
    owner: str = ""
    """``run:<run_id>``, ``task:…``, ``replica:…``, ``engine:mlflow``; empty is somebody else's."""
    project: str = ""
    cpu_s: float | None = None
    """Seconds of CPU over all cores in the sample's window."""
    gpu_s: float | None = None
    memory_bytes: int | None = None
    mlx_active_bytes: int | None = None
    mlx_peak_bytes: int | None = None
    mlx_cache_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything a machine said at one time."""

    host: str
    at: datetime
    window_s: float
    """How long ago the sample before was taken: what rates and CPU times are over."""
    readings: tuple[Reading, ...]
    processes: tuple[ProcessUse, ...] = ()

    def reading(self, metric: str) -> Reading | None:
        """Return one reading, None when the machine was not asked for it."""
        return next((r for r in self.readings if r.metric == metric), None)


@dataclass(frozen=True, slots=True)
class ProviderState:
    """One provider of the chain after its preflight."""

    name: str
    version: str = ""
    usable: bool = False
    reason: str = ""
    """Why not, or what of it is missing."""
    hint: str = ""
    """What a person does to get it, e.g. ``brew install macmon``."""
    gives: tuple[str, ...] = field(default=())
    """Names of the metrics taken from it."""


def _apple(name: str, unit: Unit, title: str, group: str, what: str = "") -> Metric:
    return Metric(name, unit, title, group, what, apple_only=True)  # type: ignore[arg-type]


_ALL = (
    Metric("cpu_ratio", "ratio", "CPU", "cpu", "Busy share of all cores."),
    _apple("cpu_super_ratio", "ratio", "CPU super cores", "cpu"),
    _apple("cpu_performance_ratio", "ratio", "CPU performance cores", "cpu"),
    _apple("cpu_efficiency_ratio", "ratio", "CPU efficiency cores", "cpu"),
    Metric("cpu_mhz", "MHz", "CPU clock", "cpu"),
    _apple("cpu_super_mhz", "MHz", "Clock of super cores", "cpu"),
    _apple("cpu_performance_mhz", "MHz", "Clock of performance cores", "cpu"),
    _apple("cpu_efficiency_mhz", "MHz", "Clock of efficiency cores", "cpu"),
    Metric("gpu_ratio", "ratio", "GPU", "gpu", "Share of the time in which the GPU was active."),
    Metric("gpu_mhz", "MHz", "GPU clock", "gpu"),
    Metric("gpu_memory_used_bytes", "bytes", "GPU memory used", "gpu"),
    Metric("memory_total_bytes", "bytes", "Memory", "memory"),
    Metric("memory_used_bytes", "bytes", "Memory used", "memory"),
    Metric("memory_available_bytes", "bytes", "Memory available", "memory"),
    _apple("memory_wired_bytes", "bytes", "Memory wired", "memory", "It cannot be paged out."),
    _apple("gpu_wired_limit_bytes", "bytes", "Wired budget of the GPU", "memory",
           "What GPU work may wire: iogpu.wired_limit, else Metal's choice."),
    _apple("memory_compressed_bytes", "bytes", "Memory compressed", "memory"),
    _apple("memory_pressure", "level", "Memory pressure", "memory", "1 normal to 4 critical."),
    Metric("swap_used_bytes", "bytes", "Swap used", "memory"),
    Metric("swap_in_bytes_s", "bytes/s", "Swap-ins", "memory"),
    Metric("cpu_w", "W", "CPU power", "power"),
    Metric("gpu_w", "W", "GPU power", "power"),
    _apple("ane_w", "W", "Neural Engine power", "power", "Its use cannot be read."),
    Metric("dram_w", "W", "Memory power", "power"),
    Metric("package_w", "W", "Chip power", "power", "CPU + GPU + Neural Engine."),
    Metric("system_w", "W", "System power", "power", "The whole machine."),
    Metric("cpu_temperature_c", "°C", "CPU temperature", "temperature"),
    Metric("gpu_temperature_c", "°C", "GPU temperature", "temperature"),
    Metric("fan_rpm", "rpm", "Fan", "fan", "The fastest of all fans."),
    Metric("fan_ratio", "ratio", "Fan, share of its maximum", "fan"),
    _apple("thermal_level", "level", "Thermal level", "state", "0 nominal to 4 sleeping."),
    _apple("low_power_mode", "flag", "Low Power Mode", "state"),
    Metric("on_battery", "flag", "On battery", "state"),
    Metric("battery_ratio", "ratio", "Battery", "state"),
    Metric("disk_used_ratio", "ratio", "Disk used", "disk"),
    Metric("disk_free_bytes", "bytes", "Disk free", "disk"),
    Metric("disk_read_bytes_s", "bytes/s", "Disk reads", "disk"),
    Metric("disk_write_bytes_s", "bytes/s", "Disk writes", "disk"),
    Metric("network_in_bytes_s", "bytes/s", "Network in", "network"),
    Metric("network_out_bytes_s", "bytes/s", "Network out", "network"),
)  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
"""Every metric by name, in the order in which they are shown. A new one is one more line."""

"""What macOS's own commands tell without sudo: GPU, thermal level, memory, swap, power mode.

Parsers are pure functions of what a command prints; ``MacCommands`` runs the commands.
"""

import re
import time
from collections.abc import Callable

from services.engines.command import Run, run
from services.engines.silicon.models import ProviderState, Reading
from services.engines.silicon.provider import measured, unavailable
from services.errors import EngineError, EngineProtocolError

_TIMEOUT_S = 3.0
THERMAL_KEY = "com.apple.system.thermalpressurelevel"
_SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "": 1}
_SYSCTL = (
    "hw.memsize", "vm.swapusage", "kern.memorystatus_vm_pressure_level", "iogpu.wired_limit_mb",
)  # fmt: skip

_MEMORY_S, _POWER_S = 4.0, 10.0
"""How often memory and the power source are looked at: a program costs more than its answer, and
the whole sampler may take one per cent of a core."""
_VM_STAT = (
    "memory_used_bytes",
    "memory_available_bytes",
    "memory_wired_bytes",
    "memory_compressed_bytes",
    "swap_in_bytes_s",
)
_EARLY_S = 0.5
"""A sample that comes a little early is no reason to wait for the next."""


def thermal(said: str) -> Reading:
    """Return the thermal level that ``notifyutil -g`` printed: 0 nominal to 4 sleeping.

    A key that does not exist prints 0 as well, so the name must be the one that was asked for.
    """
    found = re.fullmatch(rf"{re.escape(THERMAL_KEY)} ([0-4])", said.strip())
    if found is None:
        words = said.strip()[:80] or "nothing"
        return unavailable("thermal_level", "notifyutil", f"notifyutil said: {words}")
    return measured("thermal_level", int(found[1]), "notifyutil")


def accelerator(said: str) -> tuple[Reading, ...]:
    """Return what ``ioreg -c IOAccelerator`` tells of the GPU.

    "In use system memory (driver)" is the driver's own and not what the GPU uses.
    """
    if "PerformanceStatistics" not in said:
        reason = "the GPU is not listed; over ssh or without a display it can vanish"
        names = ("gpu_ratio", "gpu_memory_used_bytes")
        return tuple(unavailable(name, "ioreg", reason) for name in names)
    used = _figure(said, "Device Utilization %")
    return (
        measured("gpu_ratio", None if used is None else min(used / 100, 1.0), "ioreg"),
        measured("gpu_memory_used_bytes", _figure(said, "In use system memory"), "ioreg"),
    )


def gpu_core_count(said: str) -> int | None:
    """Return the number of GPU cores that ``ioreg`` lists."""
    found = re.search(r'"gpu-core-count" = (\d+)', said)
    return int(found[1]) if found else None


def gpu_times(said: str) -> dict[int, float]:
    """Return the GPU seconds of each process since it began, from ``ioreg`` of the user clients.

    ``ioreg`` sorts the keys of a record, so a client's usage comes before its creator: each record
    is read as a whole, and one without a creator is nobody's.
    """
    times: dict[int, float] = {}
    for record in said.split("+-o ")[1:]:
        owner = re.search(r'"IOUserClientCreator"\s*=\s*"pid (\d+),', record)
        if owner is None:
            continue
        used = re.findall(r'"accumulatedGPUTime"\s*=\s*(\d+)', record)
        pid = int(owner[1])
        times[pid] = times.get(pid, 0.0) + sum(map(int, used)) / 1e9
    return times


def _figure(said: str, key: str) -> float | None:
    found = re.search(rf'"{re.escape(key)}"=(\d+)', said)
    return float(found[1]) if found else None


def kernel(said: str) -> tuple[Reading, ...]:
    """Return swap and memory pressure from ``sysctl -i``, and all memory where it was asked for."""
    pressure = re.search(r"memorystatus_vm_pressure_level: ([124])\b", said)
    swap = re.search(r"vm\.swapusage:.*?used = ([\d.]+)([KMG]?)", said)
    used = float(swap[1]) * _SIZES[swap[2]] if swap else None
    total = re.search(r"hw\.memsize: (\d+)", said)
    whole = (measured("memory_total_bytes", int(total[1]), "sysctl"),) if total else ()
    return (
        *whole,
        measured("swap_used_bytes", used, "sysctl"),
        measured("memory_pressure", int(pressure[1]) if pressure else None, "sysctl"),
    )


def wired_limit_bytes(said: str) -> int | None:
    """Return how much the GPU may wire where somebody set it; 0 is the system's own choice."""
    found = re.search(r"iogpu\.wired_limit_mb: (\d+)", said)
    return int(found[1]) << 20 if found and int(found[1]) else None


def wired_budget(said: str, recommended_bytes: int | None) -> Reading:
    """Return what GPU work may wire: as somebody set it now, else as Metal recommends.

    Args:
        said: What ``sysctl -i`` printed.
        recommended_bytes: What Metal recommended when the machine was described; None: not known.
    """
    name, source = "gpu_wired_limit_bytes", "sysctl"
    if limit := wired_limit_bytes(said):
        return measured(name, limit, source)
    if recommended_bytes is None:
        reason = "nobody set iogpu.wired_limit, and without MLX Metal's own choice is not known"
        return unavailable(name, source, reason)
    reason = "nobody set iogpu.wired_limit: what Metal recommended when the sampler began"
    return measured(name, recommended_bytes, source, quality="estimated", reason=reason)


def pages(said: str) -> dict[str, int]:
    """Return what ``vm_stat`` prints, in bytes where it counts pages.

    Raises:
        EngineProtocolError: It is not what ``vm_stat`` prints.
    """
    head = re.search(r"page size of (\d+) bytes", said)
    if head is None:
        raise EngineProtocolError("vm_stat printed no page size.")
    size = int(head[1])
    found = re.findall(r'^"?([^":\n]+)"?:\s+(\d+)\.?$', said, re.MULTILINE)
    return {name.strip(): int(count) * size for name, count in found}


def memory(counted: dict[str, int]) -> tuple[Reading, ...]:
    """Return memory from ``vm_stat``, counted as Activity Monitor does.

    Used is app memory (anonymous less purgeable), wired and compressed.
    """
    get = counted.get
    wired = get("Pages wired down")
    compressed = get("Pages occupied by compressor")
    anonymous, purgeable = get("Anonymous pages"), get("Pages purgeable", 0)
    used = None
    if wired is not None and compressed is not None and anonymous is not None:
        used = anonymous - purgeable + wired + compressed
    free = [get(n) for n in ("Pages free", "Pages inactive", "Pages speculative")]
    known = [n for n in free if n is not None]
    return (
        measured("memory_used_bytes", used, "vm_stat"),
        measured("memory_available_bytes", sum(known) if len(known) == 3 else None, "vm_stat"),
        measured("memory_wired_bytes", wired, "vm_stat"),
        measured("memory_compressed_bytes", compressed, "vm_stat"),
    )


def power_mode(said: str) -> Reading:
    """Return Low Power Mode from ``pmset -g``.

    Newer systems have one dial: ``powermode`` is 0 automatic, 1 low power, 2 high power.
    """
    found = re.search(r"^\s*lowpowermode\s+([01])\b", said, re.MULTILINE) or re.search(
        r"^\s*powermode\s+([012])\b", said, re.MULTILINE
    )
    return measured(
        "low_power_mode",
        float(found[1] == "1") if found else None,
        "pmset",
        reason="" if found else "this machine has no Low Power Mode",
    )


def battery(said: str) -> tuple[Reading, ...]:
    """Return the power source and the charge from ``pmset -g batt``."""
    source = re.search(r"drawing from '([^']+)'", said)
    charge = re.search(r"InternalBattery.*?(\d+)%", said, re.DOTALL)
    on = None if source is None else float(source[1] == "Battery Power")
    none = "this machine has no battery"
    return (
        measured("on_battery", on, "pmset"),
        measured("battery_ratio", int(charge[1]) / 100 if charge else None, "pmset", reason=none),
    )


class MacCommands:
    """macOS's own commands, each asked apart: one that fails costs only its own figures."""

    name = "macOS commands"

    def __init__(
        self,
        ask: Run = run,
        now: Callable[[], float] = time.monotonic,
        recommended_bytes: int | None = None,
    ) -> None:
        self._ask = ask
        self._recommended_bytes = recommended_bytes
        self._now = now
        self._swapped: tuple[float, int] | None = None
        self._kept: dict[tuple[str, ...], tuple[float, tuple[Reading, ...]]] = {}

    def preflight(self) -> ProviderState:
        """Return whether this is a Mac: then they are there."""
        try:
            version = self._ask(("sw_vers", "-productVersion"), _TIMEOUT_S).decode().strip()
        except EngineError as error:
            return ProviderState(self.name, reason=error.message)
        return ProviderState(self.name, version, usable=True)

    def readings(self) -> tuple[Reading, ...]:
        """Return what all of them say now; memory and power source are up to some seconds old."""
        return (
            *self._say(
                ("notifyutil", "-g", THERMAL_KEY), ("thermal_level",), lambda s: (thermal(s),)
            ),
            *self._say(
                ("ioreg", "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator"),
                ("gpu_ratio", "gpu_memory_used_bytes"),
                accelerator,
            ),
            *self._say(
                ("sysctl", "-i", *_SYSCTL),
                (
                    "memory_total_bytes",
                    "swap_used_bytes",
                    "memory_pressure",
                    "gpu_wired_limit_bytes",
                ),
                lambda s: (*kernel(s), wired_budget(s, self._recommended_bytes)),
                _MEMORY_S,
            ),
            *self._say(("vm_stat",), _VM_STAT, self._vm_stat, _MEMORY_S),
            *self._say(("pmset", "-g"), ("low_power_mode",), lambda s: (power_mode(s),), _POWER_S),
            *self._say(("pmset", "-g", "batt"), ("on_battery", "battery_ratio"), battery, _POWER_S),
        )

    def close(self) -> None:
        """Hold nothing."""
        self._kept.clear()

    def _say(
        self,
        arguments: tuple[str, ...],
        metrics: tuple[str, ...],
        read: Callable[[str], tuple[Reading, ...]],
        every_s: float = 0.0,
    ) -> tuple[Reading, ...]:
        kept, now = self._kept.get(arguments), self._now()
        if kept is not None and now - kept[0] < every_s - _EARLY_S:
            return kept[1]
        try:
            said = read(self._ask(arguments, _TIMEOUT_S).decode(errors="replace"))
        except EngineError as error:
            return tuple(unavailable(metric, arguments[0], error.message) for metric in metrics)
        self._kept[arguments] = now, said
        return said

    def _vm_stat(self, said: str) -> tuple[Reading, ...]:
        counted = pages(said)
        now, total = self._now(), counted.get("Swapins")
        rate, window = None, None
        if total is not None and self._swapped is not None:
            before_at, before = self._swapped
            window = now - before_at
            rate = max(0, total - before) / window if window > 0 else None
        if total is not None:
            self._swapped = (now, total)
        reason = "needs two samples" if self._swapped and window is None else ""
        return (
            *memory(counted),
            measured("swap_in_bytes_s", rate, "vm_stat", window_s=window, reason=reason),
        )

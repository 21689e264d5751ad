"""psutil: what every machine tells, Linux and macOS alike."""

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from services.engines.silicon.models import ProviderState, Reading
from services.engines.silicon.provider import measured, unavailable

_CHIP_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "soc_thermal")


_BLOCK, _NICS = Path("/sys/block"), Path("/sys/class/net")
_NO_DISK = ("loop", "ram", "zram", "dm-", "md", "sr", "nbd", "zd")
_NO_NIC = (
    "lo", "docker", "veth", "br-", "bridge", "virbr", "vnet", "cni", "flannel", "cali", "tun",
    "tap", "utun", "wg", "ifb", "dummy", "gif", "stf", "awdl", "llw", "ap", "anpi", "vmenet",
)  # fmt: skip


def real(names: Iterable[str], folder: Path, virtual: tuple[str, ...]) -> list[str]:
    """Return the devices that are hardware: what passes through a virtual one is counted there.

    Linux tells which ones have a device behind them; where none has (a container sees one end of a
    virtual cable), and on macOS, the names tell.
    """
    all_of_them = list(names)
    found = [name for name in all_of_them if (folder / name / "device").exists()]
    # A partition is counted with its disk: psutil lists both, /sys/block has disks alone.
    whole = [n for n in all_of_them if (folder / n).exists()] if folder.is_dir() else all_of_them
    return found or [name for name in whole if not name.startswith(virtual)]


class Rates:
    """Turns counters that only grow into rates; a counter that fell was reset and says nothing."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._before: dict[str, tuple[float, float]] = {}

    def rate(self, metric: str, total: float | None, source: str) -> Reading:
        """Return the growth per second since the call before."""
        if total is None:
            return unavailable(metric, source, f"{source} does not report it")
        at, before = self._now(), self._before.get(metric)
        self._before[metric] = (at, total)
        if before is None or at <= before[0] or total < before[1]:
            return unavailable(metric, source, "needs two samples")
        window = at - before[0]
        return measured(metric, (total - before[1]) / window, source, window_s=window)


class System:
    """psutil as a provider. One call that fails costs only its own figures."""

    name = "psutil"

    def __init__(self, disk: Path = Path("/"), now: Callable[[], float] = time.monotonic) -> None:
        self._disk = disk
        self._rates = Rates(now)
        self._cpu_at: float | None = None
        self._now = now

    def preflight(self) -> ProviderState:
        """Return that it is here: it is part of this product."""
        return ProviderState(self.name, psutil.__version__, usable=True)

    def readings(self) -> tuple[Reading, ...]:
        """Return what the system says now."""
        parts: tuple[tuple[Callable[[], Iterable[Reading]], tuple[str, ...]], ...] = (
            (self._cpu, ("cpu_ratio",)),
            (self._clock, ("cpu_mhz",)),
            (
                self._memory,
                ("memory_total_bytes", "memory_used_bytes", "memory_available_bytes"),
            ),
            (self._swap, ("swap_used_bytes", "swap_in_bytes_s")),
            (self._disk_space, ("disk_used_ratio", "disk_free_bytes")),
            (self._disk_traffic, ("disk_read_bytes_s", "disk_write_bytes_s")),
            (self._network, ("network_in_bytes_s", "network_out_bytes_s")),
            (self._sensors, ("cpu_temperature_c", "fan_rpm")),
            (self._battery, ("on_battery", "battery_ratio")),
        )
        out: list[Reading] = []
        for ask, metrics in parts:
            # psutil raises what the system gives it: of memory on macOS 27 even a RuntimeError.
            try:
                out += ask()
            except (OSError, RuntimeError, ValueError, AttributeError, psutil.Error) as error:
                reason = f"psutil cannot read it here ({error})"
                out += [unavailable(metric, self.name, reason) for metric in metrics]
        return tuple(out)

    def close(self) -> None:
        """Hold nothing."""

    def _cpu(self) -> Iterable[Reading]:
        at, before = self._now(), self._cpu_at
        share = psutil.cpu_percent(interval=None) / 100
        self._cpu_at = at
        if before is None:  # psutil's first answer is a 0 that means nothing
            return [unavailable("cpu_ratio", self.name, "needs two samples")]
        return [measured("cpu_ratio", share, self.name, window_s=at - before)]

    def _clock(self) -> Iterable[Reading]:
        if sys.platform == "darwin":  # a constant there, not a measurement
            reason = "macOS tells no clock of all cores together; macmon tells that of each tier"
            return [unavailable("cpu_mhz", self.name, reason)]
        clock = psutil.cpu_freq()
        return [measured("cpu_mhz", clock.current or None if clock else None, self.name)]

    def _memory(self) -> Iterable[Reading]:
        said = psutil.virtual_memory()
        return [
            measured("memory_total_bytes", said.total, self.name),
            measured("memory_used_bytes", said.total - said.available, self.name),
            measured("memory_available_bytes", said.available, self.name),
        ]

    def _swap(self) -> Iterable[Reading]:
        said = psutil.swap_memory()
        return [
            measured("swap_used_bytes", said.used, self.name),
            self._rates.rate("swap_in_bytes_s", said.sin, self.name),
        ]

    def _disk_space(self) -> Iterable[Reading]:
        said = psutil.disk_usage(str(self._disk))
        return [
            measured(
                "disk_used_ratio",
                said.used / (said.used + said.free) if said.used + said.free else None,
                self.name,
            ),
            measured("disk_free_bytes", said.free, self.name),
        ]

    def _disk_traffic(self) -> Iterable[Reading]:
        by_name = psutil.disk_io_counters(perdisk=True) or {}
        said = [by_name[name] for name in real(by_name, _BLOCK, _NO_DISK)]
        read = sum(disk.read_bytes for disk in said) if said else None
        written = sum(disk.write_bytes for disk in said) if said else None
        return [
            self._rates.rate("disk_read_bytes_s", read, self.name),
            self._rates.rate("disk_write_bytes_s", written, self.name),
        ]

    def _network(self) -> Iterable[Reading]:
        by_name = psutil.net_io_counters(pernic=True)
        said = [by_name[name] for name in real(by_name, _NICS, _NO_NIC)]
        into = sum(n.bytes_recv for n in said) if said else None
        out = sum(n.bytes_sent for n in said) if said else None
        return [
            self._rates.rate("network_in_bytes_s", into, self.name),
            self._rates.rate("network_out_bytes_s", out, self.name),
        ]

    def _sensors(self) -> Iterable[Reading]:
        if sys.platform == "darwin":
            return []
        found = psutil.sensors_temperatures()
        chips = [s.current for name in _CHIP_SENSORS for s in found.get(name, ())]
        fans = [fan.current for fans in psutil.sensors_fans().values() for fan in fans]
        no_sensor = "this machine shows no sensor of it"
        return [
            measured("cpu_temperature_c", max(chips, default=None), self.name, reason=no_sensor),
            measured("fan_rpm", max(fans, default=None), self.name, reason=no_sensor),
        ]

    def _battery(self) -> Iterable[Reading]:
        said = psutil.sensors_battery()
        if said is None:
            reason = "this machine has no battery"
            return [unavailable(m, self.name, reason) for m in ("on_battery", "battery_ratio")]
        plugged = said.power_plugged
        return [
            measured("on_battery", None if plugged is None else float(not plugged), self.name),
            measured("battery_ratio", said.percent / 100, self.name),
        ]

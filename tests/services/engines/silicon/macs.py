"""Whole machines as providers would find them, each built from what its tools printed."""

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from services.engines.silicon import system
from services.engines.silicon.actop import Actop
from services.engines.silicon.chain import Host
from services.engines.silicon.commands import MacCommands
from services.engines.silicon.macmon import Macmon
from services.engines.silicon.models import CoreTier, Machine
from services.engines.silicon.nvidia import Nvidia
from services.engines.silicon.system import System
from services.errors import EngineMissingError
from tests.services.engines.silicon.replay import MAC, programs, recorded

Patch = pytest.MonkeyPatch

M3_PRO = Machine(
    "book", "Apple M3 Pro", apple_silicon=True, os="macOS 27.0",
    tiers=(CoreTier("performance", 6), CoreTier("efficiency", 6)),
    recommended_working_set_bytes=28_991_029_248,
)  # fmt: skip
M5_PRO = Machine(
    "studio", "Apple M5 Pro", apple_silicon=True, os="macOS 27.0",
    tiers=(CoreTier("super", 5), CoreTier("performance", 10)),
)  # fmt: skip
M4 = Machine(
    "mini", "Apple M4", apple_silicon=True, os="macOS 26.1",
    tiers=(CoreTier("performance", 4), CoreTier("efficiency", 6)),
)  # fmt: skip
LINUX = Machine("ci", "AMD EPYC", apple_silicon=False, os="Linux", tiers=(CoreTier("all", 2),))


class _Line:
    def __init__(self, said: str) -> None:
        self._said = said.encode()

    def newest(self, within_s: float) -> bytes:
        return self._said

    def close(self) -> None:
        """Hold nothing."""


class _Snapshots:
    """actop's monitor with one snapshot; the layout of 1.9."""

    def __init__(self, interval_s: float) -> None:
        core = SimpleNamespace(active_pct=50)
        fan = SimpleNamespace(current=1500.0, max=6000.0)
        self._said = SimpleNamespace(
            cpu_watts=4.0, gpu_watts=7.0, ane_watts=0.0, package_watts=11.0, ecpu_util_pct=25.0,
            pcpu_util_pct=50.0, gpu_util_pct=90.0, cpu_temp_c=55.0, gpu_temp_c=52.0,
            ecpu_freq_mhz=1200, pcpu_freq_mhz=3000, gpu_freq_mhz=1300,
            ram_used_bytes=8_000_000_000, ram_total_bytes=16_000_000_000,
            fan_available=True, fans=[fan], e_cores=[core], p_cores=[core],
        )  # fmt: skip

    def get_snapshot(self) -> SimpleNamespace:
        return self._said

    def close(self) -> None:
        """Hold nothing."""


def _no_actop() -> tuple[str, Callable[[float], _Snapshots]]:
    raise EngineMissingError("The package actop is not installed.", "pip install actop")


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def mac(
    patch: Patch,
    machine: Machine,
    line: str | None,
    *,
    actop: bool = False,
    answers: Mapping[str, str] = MAC,
) -> Host:
    """Return a Mac after one sample, so that rates are there with the next.

    Args:
        patch: Makes psutil answer as on macOS.
        machine: What it is.
        line: What macmon prints; None: it is not installed.
        actop: Whether that is.
        answers: What macOS's commands print.
    """
    clock = _Clock()
    _psutil(patch)
    patch.setattr(sys, "platform", "darwin")
    said = {k: v for k, v in answers.items() if line is not None or not k.startswith("macmon")}
    ask = programs(said)
    providers = [
        Macmon(machine.chip, ask=ask, open_stream=lambda _: _Line(line or "")),  # type: ignore[arg-type, return-value]
        Actop(machine.chip, load=(lambda: ("1.9.12", _Snapshots)) if actop else _no_actop),
        MacCommands(ask, clock, recommended_bytes=machine.recommended_working_set_bytes),
        System(now=clock),
    ]
    return _warmed(Host(machine, providers, now=clock), clock)


def linux(patch: Patch, nvml: object | None) -> Host:
    """Return a Linux machine, with NVIDIA cards or without."""
    clock = _Clock()
    _psutil(patch)
    patch.setattr(psutil, "cpu_freq", lambda: SimpleNamespace(current=2600.0))
    patch.setattr(psutil, "sensors_temperatures", dict, raising=False)
    patch.setattr(psutil, "sensors_fans", dict, raising=False)
    cards = Nvidia(nvml if nvml is not None else SimpleNamespace(nvmlInit=_no_driver))
    return _warmed(Host(LINUX, [System(now=clock), cards], now=clock), clock)


def _no_driver() -> None:
    raise RuntimeError("Driver Not Loaded")


def _warmed(host: Host, clock: _Clock) -> Host:
    host.sample(datetime(2026, 11, 1, 12, tzinfo=UTC))
    clock.now += 5.0
    return host


def _psutil(patch: Patch) -> None:
    """Let psutil answer the same on every machine that runs the tests."""
    disk = SimpleNamespace(read_bytes=1 << 30, write_bytes=1 << 29)
    card = SimpleNamespace(bytes_recv=1 << 20, bytes_sent=1 << 19)
    nowhere = Path("/nowhere")  # else the names of disks and cards are looked up on this machine
    patch.setattr(system, "_BLOCK", nowhere)
    patch.setattr(system, "_NICS", nowhere)
    patch.setattr(psutil, "cpu_percent", lambda interval=None: 25.0)
    patch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=16e9, available=6e9))
    patch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(used=0, sin=4096))
    patch.setattr(psutil, "disk_usage", lambda _path: SimpleNamespace(used=40, free=60))
    patch.setattr(psutil, "disk_io_counters", lambda perdisk: {"disk0": disk})
    patch.setattr(psutil, "net_io_counters", lambda pernic: {"en0": card})
    patch.setattr(psutil, "sensors_battery", lambda: None)


def m3_pro_line() -> str:
    """Return a line of macmon 0.8.2."""
    return recorded("macmon_0.8.2_m3_pro.json")

"""Machines as a team has them, written the way the sampler writes: figures that waves make."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from services.engines.silicon.models import (
    METRICS,
    CoreTier,
    Machine,
    ProcessUse,
    ProviderState,
    Reading,
    Sample,
)
from services.engines.silicon.provider import measured, unavailable
from services.telemetry.models import Event
from services.telemetry.store import Store
from tests import seed

STUDIO = Machine(
    "studio-1a2b3c4d", "Apple M3 Max", apple_silicon=True, os="macOS 27.0", model="Mac15,11",
    tiers=(CoreTier("performance", 12), CoreTier("efficiency", 4)), gpu="Apple M3 Max",
    gpu_cores=40, memory_bytes=64 * 10**9, recommended_working_set_bytes=48 * 10**9,
)  # fmt: skip
BOOK = Machine(
    "book-5e6f7a8b", "Apple M5 Pro", apple_silicon=True, os="macOS 27.0", model="Mac17,9",
    tiers=(CoreTier("super", 5), CoreTier("performance", 10)), gpu="Apple M5 Pro", gpu_cores=16,
    memory_bytes=48 * 10**9,
)  # fmt: skip
LINUX = Machine(
    "runner-9c0d1e2f", "AMD EPYC 7763", apple_silicon=False, os="Linux 6.8",
    tiers=(CoreTier("all", 2),), memory_bytes=24 * 10**9,
)  # fmt: skip
LOST = Machine(
    "mini-3a4b5c6d", "Apple M2", apple_silicon=True, os="macOS 26.4",
    tiers=(CoreTier("performance", 4), CoreTier("efficiency", 4)), gpu="Apple M2", gpu_cores=10,
    memory_bytes=16 * 10**9,
)  # fmt: skip
_MACMON = ProviderState("macmon", "0.8.2", usable=True, gives=("cpu_w", "gpu_w", "gpu_ratio"))
_PSUTIL = ProviderState("psutil", "7.2.2", usable=True, gives=("cpu_ratio", "memory_used_bytes"))
_ABSENT = ProviderState("macmon", reason="It is not installed.", hint="brew install macmon")


def fill(folder: Path, now: datetime, minutes: int = 20, step_s: float = 2.0) -> None:
    """Write four machines up to ``now``; the last of them fell silent ten minutes ago."""
    store = Store(folder, merge_in_background=False)
    store.introduce(STUDIO, (_MACMON, _PSUTIL))
    store.introduce(BOOK, (_ABSENT, _PSUTIL))
    store.introduce(LINUX, (_PSUTIL,))
    store.introduce(LOST, (_MACMON, _PSUTIL))
    steps = int(minutes * 60 / step_s)
    for number in range(steps + 1):
        at = now - timedelta(seconds=(steps - number) * step_s)
        x = number / steps
        store.append(Sample(STUDIO.host, at, step_s, tuple(_mac(STUDIO, x)), _uses(x, step_s)))
        store.append(Sample(BOOK.host, at, step_s, tuple(_mac(BOOK, x * 0.5))))
        store.append(Sample(LINUX.host, at, step_s, tuple(_linux(x))))
        if at <= now - timedelta(minutes=10):
            store.append(Sample(LOST.host, at, step_s, tuple(_mac(LOST, x * 0.3))))
    begun = now - timedelta(minutes=minutes * 0.6)
    title = "Run baseline-0 of CLIP fine-tuning started"
    store.note(Event(begun, STUDIO.host, "run.started", title, seed.run_id(1, 0)))
    store.close()


def _mac(machine: Machine, x: float) -> Iterable[Reading]:
    """Return readings of a Mac that works the harder the larger x is, and gets hot after 0.7."""
    load = 0.15 + 0.75 * max(0.0, math.sin(math.pi * min(1.0, x * 1.1)))
    ripple = 0.05 * math.sin(x * 90)
    hot = 2.0 if x > 0.7 else 0.0
    total = float(machine.memory_bytes or 0)
    said = {
        "cpu_ratio": load * 0.5 + ripple + 0.05, "gpu_ratio": min(1.0, load + ripple + 0.05),
        "gpu_mhz": 1380 - 200 * (hot > 0), "cpu_w": 6 + 20 * load, "gpu_w": 2 + 40 * load,
        "ane_w": 0.0, "dram_w": 1.5 + 3 * load, "package_w": 8 + 60 * load,
        "system_w": 15 + 70 * load, "cpu_temperature_c": 45 + 45 * load,
        "gpu_temperature_c": 42 + 47 * load, "fan_rpm": 1300 + 2500 * load, "fan_ratio": load * 0.6,
        "memory_total_bytes": total, "memory_used_bytes": total * (0.4 + 0.3 * load),
        "memory_wired_bytes": total * 0.2, "memory_compressed_bytes": total * 0.03,
        "memory_pressure": 1.0, "swap_used_bytes": 0.0, "thermal_level": hot,
        "low_power_mode": 0.0, "on_battery": 0.0, "disk_free_bytes": 4e11, "disk_used_ratio": 0.6,
        "disk_read_bytes_s": 2e6 * load, "disk_write_bytes_s": 5e6 * load,
        "network_in_bytes_s": 1e5, "network_out_bytes_s": 4e4,
    }  # fmt: skip
    for tier in machine.tiers:
        said[f"cpu_{tier.name}_ratio"] = load * 0.6 + ripple + 0.05
        said[f"cpu_{tier.name}_mhz"] = 1200 + 2600 * load
    for name in METRICS:
        if name in said:
            yield measured(name, said[name], "macmon 0.8.2", window_s=2.0)
        else:
            yield unavailable(name, "", "this chip has no such cores")


def _linux(x: float) -> Iterable[Reading]:
    said = {
        "cpu_ratio": 0.3 + 0.2 * math.sin(x * 30), "cpu_mhz": 2595.0,
        "memory_total_bytes": 24e9, "memory_used_bytes": 6e9, "memory_available_bytes": 18e9,
        "swap_used_bytes": 0.0, "disk_free_bytes": 8e10, "disk_used_ratio": 0.3,
        "disk_read_bytes_s": 0.0, "disk_write_bytes_s": 3e5,
        "network_in_bytes_s": 0.0, "network_out_bytes_s": 0.0,
    }  # fmt: skip
    for name, metric in METRICS.items():
        if name in said:
            yield measured(name, said[name], "psutil", window_s=2.0)
        else:
            why = "not Apple Silicon" if metric.apple_only else "this machine does not report it"
            yield unavailable(name, "", why)


def _uses(x: float, step_s: float) -> tuple[ProcessUse, ...]:
    run = f"run:{seed.run_id(1, 0)}"
    return (
        ProcessUse(4242, 1.0, "python3.12", run, "clip-finetuning", cpu_s=1.6 * step_s,
                   gpu_s=0.9 * step_s * min(1.0, x + 0.3), memory_bytes=9_400_000_000,
                   mlx_active_bytes=7_200_000_000, mlx_peak_bytes=8_100_000_000),
        ProcessUse(4250, 1.0, "python3.12", "run:" + "e" * 32, "federated-learning",
                   cpu_s=0.8 * step_s, gpu_s=0.05 * step_s, memory_bytes=1_200_000_000),
        ProcessUse(300, 1.0, "mlflow", "engine:mlflow", cpu_s=0.02 * step_s,
                   memory_bytes=590_000_000),
        ProcessUse(431, 1.0, "WindowServer", cpu_s=0.1 * step_s, gpu_s=0.04 * step_s,
                   memory_bytes=310_000_000),
    )  # fmt: skip

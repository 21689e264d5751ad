"""Machines of a team, written the way the sampler writes them: load that comes and goes, one that
gets hot, one without power figures, one that stopped reporting."""

import math
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.engines.mlflow.models import Metric, Point, TrackedRun
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
from services.mirror.store import Store as MirrorStore
from services.telemetry.conditions import Conditions, Neighbour
from services.telemetry.models import Event
from services.telemetry.store import Store
from tests import seed

STEP_S = 2.0
STUDIO = Machine(
    "studio-1a2b3c4d", "Apple M3 Max", apple_silicon=True, os="macOS 27.0", model="Mac15,11",
    tiers=(CoreTier("performance", 12, 4056), CoreTier("efficiency", 4, 2748)), gpu="Apple M3 Max",
    gpu_cores=40, memory_bytes=64 * 2**30, recommended_working_set_bytes=48 * 2**30,
)  # fmt: skip
BOOK = Machine(
    "book-5e6f7a8b", "Apple M5 Pro", apple_silicon=True, os="macOS 27.1", model="Mac17,9",
    tiers=(CoreTier("super", 5), CoreTier("performance", 10)), gpu="Apple M5 Pro", gpu_cores=16,
    memory_bytes=48 * 2**30, recommended_working_set_bytes=36 * 2**30,
)  # fmt: skip
RUNNER = Machine(
    "runner-9c0d1e2f", "AMD EPYC 7763", apple_silicon=False, os="Linux 6.8.0",
    tiers=(CoreTier("all", 2),), memory_bytes=24 * 10**9,
)  # fmt: skip
MINI = Machine(
    "mini-3a4b5c6d", "Apple M2", apple_silicon=True, os="macOS 26.4", model="Mac14,3",
    tiers=(CoreTier("performance", 4), CoreTier("efficiency", 4)), gpu="Apple M2", gpu_cores=10,
    memory_bytes=16 * 2**30, recommended_working_set_bytes=11 * 2**30,
)  # fmt: skip
RUN = "5a" * 16
USED = {
    "system/energy_j": 73_400.0, "system/mean_power_w": 51.0, "system/cpu_s": 2_310.0,
    "system/gpu_s": 1_120.0, "system/peak_memory_bytes": 9.4e9, "system/mlx_peak_bytes": 8.1e9,
}  # fmt: skip
HEAT = Conditions(
    STUDIO.host, 1440.0, 0.97, chip="Apple M3 Max", gpu_cores=40, thermal_max=2, thermal_mean=0.4,
    thermal_s={"0": 1000.0, "1": 220.0, "2": 220.0}, low_power=0.11, battery=0.0, pressure=0.13,
    pressure_max=2, swap_in_bytes=2.9e8, fallback=False,
    neighbours=(Neighbour(f"run:{seed.run_id(5, 4)}", 0.05, 0.05),),
)  # fmt: skip
"""What such a run ran under."""

SILENT_FOR = timedelta(minutes=12)
"""How long MINI has not reported."""

GAP = (0.30, 0.36)
"""The part of the time in which STUDIO was asleep, as shares of the whole."""

HOT, LOW_POWER = (0.62, 0.80), (0.84, 0.92)
"""When STUDIO was throttled, and when it was in Low Power Mode."""

_POWER = ("cpu_w", "gpu_w", "ane_w", "dram_w", "package_w", "system_w")
_MACMON = ProviderState("macmon", "0.8.2", usable=True, gives=(*_POWER, "gpu_ratio", "gpu_mhz"))
_COMMANDS = ProviderState(
    "macOS commands", "27.0", usable=True, gives=("thermal_level", "low_power_mode")
)
_PSUTIL = ProviderState("psutil", "7.2.2", usable=True, gives=("cpu_ratio", "memory_used_bytes"))
_NO_MACMON = ProviderState("macmon", reason="It is not installed.", hint="brew install macmon")
_NO_NVIDIA = ProviderState("NVIDIA", reason="There is no NVIDIA driver on this machine.")


def fill(folder: Path, now: datetime | None = None, minutes: float = 40.0) -> None:
    """Write the four machines up to ``now``."""
    now = now or datetime.now(UTC)
    store = Store(folder, merge_in_background=False)
    store.introduce(STUDIO, (_MACMON, _COMMANDS, _PSUTIL, _NO_NVIDIA))
    store.introduce(BOOK, (_NO_MACMON, _COMMANDS, _PSUTIL))
    store.introduce(RUNNER, (_PSUTIL, _NO_NVIDIA))
    store.introduce(MINI, (_MACMON, _COMMANDS, _PSUTIL))
    steps = int(minutes * 60 / STEP_S)
    for number in range(steps + 1):
        at = now - timedelta(seconds=(steps - number) * STEP_S)
        for one in samples(at, number / steps):
            if one.host != MINI.host or at <= now - SILENT_FOR:
                store.append(one)
    begun = now - timedelta(minutes=minutes * 0.5)
    told = "Run baseline-0 of Stable diffusion started"
    store.note(Event(begun, STUDIO.host, "run.started", told, seed.run_id(1, 0)))
    deployed = now - timedelta(minutes=minutes * 0.2)
    store.note(Event(deployed, STUDIO.host, "deploy", "clip-finetuning version 2 deployed"))
    store.close()


def beat(folder: Path) -> None:
    """Write one more sample of each machine that lives, as the sampler does every two seconds."""
    store = Store(folder, merge_in_background=False)
    _beat(store)
    store.close()


def keep_fresh(folder: Path, over: threading.Event) -> None:
    """Go on reporting every two seconds until ``over``."""
    store = Store(folder, merge_in_background=False)
    while not over.wait(STEP_S):
        _beat(store)
    store.close()


def _beat(store: Store) -> None:
    now = datetime.now(UTC)
    for one in samples(now, 0.5 + 0.06 * math.sin(now.timestamp() / 9)):
        if one.host != MINI.host:
            store.append(one)


def copied(mould: Path, folder: Path) -> None:
    """Put a copy of a filled folder where a test wants it, its machines heard just now."""
    shutil.copytree(mould, folder, dirs_exist_ok=True)
    beat(folder)


def samples(at: datetime, x: float) -> Iterator[Sample]:
    """Yield one sample a machine; ``x`` is how far through the time it is, 0–1."""
    if not GAP[0] < x < GAP[1]:
        yield Sample(STUDIO.host, at, STEP_S, tuple(_readings(_mac(STUDIO, x))), _uses(x))
    yield Sample(
        BOOK.host,
        at,
        STEP_S,
        tuple(_readings(_book(x), _BOOK_LACKS, "macOS commands 27.1")),
        _book_uses(),
    )
    yield Sample(RUNNER.host, at, STEP_S, tuple(_readings(_linux(x), _LINUX_LACKS, "psutil")))
    yield Sample(MINI.host, at, STEP_S, tuple(_readings(_mac(MINI, x * 0.5))))


def sampled_run(
    mirror: MirrorStore,
    begun: datetime,
    ended: datetime | None,
    *,
    run_id: str = RUN,
    host: str = "Studio.local",
    params: Mapping[str, str] | None = None,
    **more: str,
) -> None:
    """Write a run that trained on STUDIO in that time, as the controller leaves it behind."""
    project, until = "stable-diffusion", ended or datetime.now(UTC)
    steps = 120
    each_ms = (until - begun).total_seconds() * 1000 / steps
    start_ms = round(begun.timestamp() * 1000)
    curves = {
        key: [Point(shape(n / steps), n, start_ms + round(n * each_ms)) for n in range(steps + 1)]
        for key, shape in (
            ("loss", lambda x: 0.2 + 1.6 * math.exp(-3 * x)),
            ("sample_quality", lambda x: 0.85 - 0.6 * math.exp(-4 * x)),
            ("step_time_ms", lambda x: 180.0 if x < 0.6 else 265.0),
        )
    }
    last = {key: Metric(points[-1].value, steps, points[-1].at_ms)
            for key, points in curves.items()}  # fmt: skip
    used = USED if ended else {}
    tags = {"mlops.project": project, "mlops.host": host, "mlops.chip": "Apple M3 Max"}
    if ended:
        tags |= {"mlops.energy.quality": "measured", "mlops.energy.boundary": "cpu+gpu+ane"}
    mirror.write_runs(
        project,
        [
            TrackedRun(
                run_id=run_id,
                experiment_id="1",
                name="hot-and-bothered",
                status="finished" if ended else "running",
                user="mira",
                started_ms=start_ms,
                ended_ms=round(ended.timestamp() * 1000) if ended else None,
                deleted=False,
                artifact_uri=None,
                metrics=last | {k: Metric(v, 0, start_ms) for k, v in used.items()},
                params=dict(params or {}),
                tags=tags | more,
            )
        ],
    )
    for key, points in curves.items():
        mirror.extend_curve(run_id, key, points)


def _readings(
    said: Mapping[str, float], lacks: Mapping[str, str] | None = None, source: str = "macmon 0.8.2"
) -> Iterator[Reading]:
    for name, metric in METRICS.items():
        if name in said:
            yield measured(name, said[name], source, window_s=STEP_S)
            continue
        apple = "This chip has no such cores." if metric.group == "cpu" else "Nobody reports it."
        why = (lacks or {}).get(name) or (lacks or {}).get(metric.group) or apple
        yield unavailable(name, source, why)


def _mac(machine: Machine, x: float) -> dict[str, float]:
    load = 0.12 + 0.80 * max(0.0, math.sin(math.pi * x * 1.05)) ** 1.4
    ripple = 0.06 * math.sin(x * 310) * math.sin(x * 47)
    hot = (2.0 if x > sum(HOT) / 2 else 1.0) if HOT[0] < x < HOT[1] else 0.0
    saving = 1.0 if LOW_POWER[0] < x < LOW_POWER[1] else 0.0
    slow = 1.0 - 0.14 * hot - 0.3 * saving
    busy = max(0.0, min(1.0, load + ripple + 0.04))
    total = float(machine.memory_bytes or 0)
    watts = {
        "cpu_w": (3 + 20 * busy) * slow, "gpu_w": (1 + 41 * busy) * slow,
        "ane_w": 0.0 if x < 0.4 else 1.2 * busy, "dram_w": 1.2 + 3.4 * busy,
    }  # fmt: skip
    return watts | {
        "cpu_ratio": busy * 0.6, "cpu_performance_ratio": busy * 0.7,
        "cpu_efficiency_ratio": min(1.0, busy * 0.35 + 0.1), "gpu_ratio": busy,
        "gpu_mhz": 338 + 1040 * min(1.0, busy * 1.3) * slow, "package_w": sum(watts.values()),
        "cpu_performance_mhz": 900 + 3100 * busy * slow,
        "cpu_efficiency_mhz": 800 + 1900 * busy * slow,
        "system_w": 14 + 1.25 * sum(watts.values()), "cpu_temperature_c": 44 + 48 * busy,
        "gpu_temperature_c": 41 + 45 * busy, "fan_rpm": 1350 + 2600 * busy,
        "fan_ratio": 0.2 + 0.5 * busy, "memory_total_bytes": total,
        "memory_used_bytes": total * (0.38 + 0.42 * load), "memory_wired_bytes": total * 0.17,
        "memory_available_bytes": total * (0.62 - 0.42 * load),
        "memory_compressed_bytes": total * (0.02 + 0.05 * load), "swap_used_bytes": 1.1e9 * load,
        "memory_pressure": 2.0 if 0.66 < x < 0.74 else 1.0, "swap_in_bytes_s": 2e5 * load,
        "thermal_level": hot, "low_power_mode": saving, "on_battery": 0.0, "battery_ratio": 0.93,
        "disk_used_ratio": 0.61, "disk_free_bytes": 7.8e11, "disk_read_bytes_s": 4e7 * busy,
        "disk_write_bytes_s": 1.3e7 * busy * busy, "network_in_bytes_s": 1.2e6 * abs(ripple) * 30,
        "network_out_bytes_s": 3e5 * busy,
    }  # fmt: skip


def _book(x: float) -> dict[str, float]:
    """Return what a Mac without macmon says: no power, no clocks, no temperatures; no E cores."""
    busy = 0.25 + 0.15 * math.sin(x * 25) + 0.05 * math.sin(x * 190)
    total = float(BOOK.memory_bytes or 0)
    return {
        "cpu_ratio": busy, "gpu_ratio": busy * 0.4, "memory_total_bytes": total,
        "memory_used_bytes": total * (0.5 + 0.1 * math.sin(x * 9)),
        "memory_available_bytes": total * 0.4, "memory_wired_bytes": total * 0.12,
        "memory_compressed_bytes": total * 0.04, "memory_pressure": 1.0, "swap_used_bytes": 0.0,
        "thermal_level": 0.0, "low_power_mode": 1.0, "on_battery": 1.0,
        "battery_ratio": 0.81 - 0.4 * x, "disk_used_ratio": 0.42, "disk_free_bytes": 5.2e11,
        "disk_read_bytes_s": 1e6 * busy, "disk_write_bytes_s": 2e6 * busy,
        "network_in_bytes_s": 9e5 * busy, "network_out_bytes_s": 1e5,
    }  # fmt: skip


_NO_POWER = "macmon is not installed: brew install macmon"
_BOOK_LACKS = dict.fromkeys((*_POWER, "gpu_mhz", "power", "temperature", "fan"), _NO_POWER) | {
    "cpu_efficiency_ratio": "This chip has no efficiency cores.",
    "cpu_efficiency_mhz": "This chip has no efficiency cores.",
    "cpu": _NO_POWER,
}
_LINUX_LACKS = {
    "gpu": "There is no GPU this machine can report.",
    "cpu": "Not Apple Silicon: its cores are not told apart.",
    "power": "psutil reports no power.",
    "temperature": "This machine has no sensor that can be read.",
    "fan": "This machine has no fan that can be read.",
    "state": "Not Apple Silicon.",
    "memory": "Not Apple Silicon.",
}


def _linux(x: float) -> dict[str, float]:
    return {
        "cpu_ratio": 0.35 + 0.3 * math.sin(x * 30), "cpu_mhz": 2595.0, "memory_total_bytes": 24e9,
        "memory_used_bytes": 6.1e9 + 1e9 * math.sin(x * 12), "memory_available_bytes": 17.2e9,
        "swap_used_bytes": 0.0, "swap_in_bytes_s": 0.0, "disk_used_ratio": 0.31,
        "disk_free_bytes": 8e10, "disk_read_bytes_s": 0.0,
        "disk_write_bytes_s": 3e5 * (1 + math.sin(x * 40)), "network_in_bytes_s": 2e3,
        "network_out_bytes_s": 1e3,
    }  # fmt: skip


def _uses(x: float) -> tuple[ProcessUse, ...]:
    run = f"run:{seed.run_id(1, 0)}"
    main = ProcessUse(
        4242, 1.0, "python3.12", run, "stable-diffusion", cpu_s=1.6 * STEP_S,
        gpu_s=0.8 * STEP_S * min(1.0, x + 0.2), memory_bytes=9_400_000_000,
        mlx_active_bytes=7_200_000_000, mlx_peak_bytes=8_100_000_000, mlx_cache_bytes=350_000_000,
    )  # fmt: skip
    return (
        main,
        replace(main, pid=4243, cpu_s=0.4, gpu_s=0.0, memory_bytes=400_000_000,
                mlx_active_bytes=None, mlx_peak_bytes=None, mlx_cache_bytes=None),
        ProcessUse(4250, 1.0, "python3.12", f"run:{seed.run_id(5, 4)}", "federated-learning",
                   cpu_s=0.8 * STEP_S, gpu_s=0.05 * STEP_S, memory_bytes=1_200_000_000),
        ProcessUse(300, 1.0, "mlflow", "engine:mlflow", cpu_s=0.04, memory_bytes=590_000_000),
        ProcessUse(431, 1.0, "WindowServer", cpu_s=0.2, gpu_s=0.08, memory_bytes=310_000_000),
    )  # fmt: skip


def _book_uses() -> tuple[ProcessUse, ...]:
    return (
        ProcessUse(911, 2.0, "python3.12", f"run:{seed.run_id(4, 4)}", "clip-finetuning",
                   cpu_s=1.1 * STEP_S, memory_bytes=3_100_000_000),
    )  # fmt: skip

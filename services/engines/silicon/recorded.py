"""Readers of what other tools print of Apple's chips, so that their recordings replay.

powermetrics (needs sudo, so it is never run by us), mactop, macmon's Prometheus text,
zeus-apple-silicon's energy channels. Each function takes the printed text and returns readings.
"""

import json
import plistlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from services.engines.silicon.macmon import Tiers
from services.engines.silicon.models import Reading
from services.engines.silicon.provider import measured, unavailable
from services.errors import EngineProtocolError

_POWERMETRICS = "powermetrics"


def powermetrics_plist(said: bytes, tiers: Tiers | None = None) -> tuple[Reading, ...]:
    """Return the readings of ``powermetrics -f plist``: CPU clocks are in Hz, the GPU's in MHz.

    Raises:
        EngineProtocolError: It is no such document.
    """
    try:
        document = plistlib.loads(said.strip(b"\0\n"))
        elapsed_s = document["elapsed_ns"] / 1e9
        clusters = document["processor"]["clusters"]
    except (ValueError, KeyError, TypeError, plistlib.InvalidFileException) as error:
        raise EngineProtocolError("powermetrics printed no sample that can be read.") from error
    tiers = tiers or Tiers()
    low = [c for c in clusters if c["name"].startswith("E")]
    high = [c for c in clusters if not c["name"].startswith("E")]
    processor = document["processor"]
    gpu = document.get("gpu", {})
    idle = gpu.get("idle_ratio")
    out = [
        measured("cpu_ratio", _busy(clusters), _POWERMETRICS, window_s=elapsed_s),
        measured(
            "gpu_ratio", None if idle is None else 1 - idle, _POWERMETRICS, window_s=elapsed_s
        ),
        measured("gpu_mhz", gpu.get("freq_hz"), _POWERMETRICS, window_s=elapsed_s),
    ]
    for name, members in ((tiers.low, low), (tiers.high, high)):
        clock = max((c["freq_hz"] / 1e6 for c in members), default=None)
        busy = _busy(members)
        out.append(measured(f"cpu_{name}_mhz", clock, _POWERMETRICS, window_s=elapsed_s))
        out.append(measured(f"cpu_{name}_ratio", busy, _POWERMETRICS, window_s=elapsed_s))
    for metric, part in (("cpu_w", "cpu"), ("gpu_w", "gpu"), ("ane_w", "ane")):
        joules = processor.get(f"{part}_energy")
        watts = None if joules is None else joules / 1000 / elapsed_s  # counted in mJ
        out.append(measured(metric, watts, _POWERMETRICS, window_s=elapsed_s))
    whole = processor.get("combined_power")
    watts = None if whole is None else whole / 1000
    out.append(measured("package_w", watts, _POWERMETRICS, window_s=elapsed_s))
    return tuple(out)


def _busy(clusters: Iterable[Mapping[str, Any]]) -> float | None:
    idle = [cpu["idle_ratio"] for c in clusters for cpu in c.get("cpus", ()) if "idle_ratio" in cpu]
    return 1 - sum(idle) / len(idle) if idle else None


def powermetrics_text(said: str) -> tuple[Reading, ...]:
    """Return the readings of the GPU section of ``powermetrics`` as text."""
    window = re.search(r"\(([\d.]+)ms elapsed\)", said)
    window_s = float(window[1]) / 1000 if window else None
    clock = re.search(r"GPU HW active frequency: (\d+) MHz", said)
    busy = re.search(r"GPU HW active residency:\s+([\d.]+)%", said)
    power = re.search(r"GPU Power: (\d+) mW", said)
    return (
        measured("gpu_mhz", _of(clock), _POWERMETRICS, window_s=window_s),
        measured("gpu_ratio", _of(busy, 100), _POWERMETRICS, window_s=window_s),
        measured("gpu_w", _of(power, 1000), _POWERMETRICS, window_s=window_s),
    )


def _of(found: "re.Match[str] | None", divisor: float = 1) -> float | None:
    return float(found[1]) / divisor if found else None


def mactop(said: bytes) -> tuple[Reading, ...]:
    """Return the readings of ``mactop --headless``; its ``thermal_state`` is none and left out.

    Raises:
        EngineProtocolError: It is not what mactop prints.
    """
    try:
        sample = json.loads(said)[-1]
        soc, memory, traffic = sample["soc_metrics"], sample["memory"], sample["net_disk"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise EngineProtocolError("mactop printed no sample that can be read.") from error
    system = soc.get("system_power")
    return (
        measured("cpu_ratio", sample["cpu_usage"] / 100, "mactop"),
        measured("gpu_ratio", sample["gpu_usage"] / 100, "mactop"),
        measured("gpu_mhz", soc.get("gpu_freq_mhz"), "mactop"),
        measured("cpu_w", soc.get("cpu_power"), "mactop"),
        measured("gpu_w", soc.get("gpu_power"), "mactop"),
        measured("ane_w", soc.get("ane_power"), "mactop"),
        measured("dram_w", soc.get("dram_power"), "mactop"),
        measured("system_w", system or None, "mactop"),
        measured("cpu_temperature_c", soc.get("cpu_temp") or None, "mactop"),
        measured("gpu_temperature_c", soc.get("gpu_temp") or None, "mactop"),
        measured("memory_total_bytes", memory["total"], "mactop"),
        measured("memory_used_bytes", memory["used"], "mactop"),
        measured("memory_available_bytes", memory["available"], "mactop"),
        measured("swap_used_bytes", memory["swap_used"], "mactop"),
        measured("network_in_bytes_s", traffic["in_bytes_per_sec"], "mactop"),
        measured("network_out_bytes_s", traffic["out_bytes_per_sec"], "mactop"),
        measured("disk_read_bytes_s", traffic["read_kbytes_per_sec"] * 1024, "mactop"),
        measured("disk_write_bytes_s", traffic["write_kbytes_per_sec"] * 1024, "mactop"),
        unavailable("thermal_level", "mactop", "mactop's thermal_state is not a reading"),
    )


_PROMETHEUS = {
    "macmon_cpu_temp_celsius": "cpu_temperature_c",
    "macmon_gpu_temp_celsius": "gpu_temperature_c",
    "macmon_cpu_power_watts": "cpu_w",
    "macmon_gpu_power_watts": "gpu_w",
    "macmon_ane_power_watts": "ane_w",
    "macmon_all_power_watts": "package_w",
    "macmon_sys_power_watts": "system_w",
    "macmon_cpu_active_ratio": "cpu_ratio",
    "macmon_gpu_active_ratio": "gpu_ratio",
    "macmon_gpu_freq_mhz": "gpu_mhz",
    "macmon_fan_speed_rpm": "fan_rpm",
}
_TIERED = {"freq_mhz": "mhz", "active_ratio": "ratio"}


def macmon_prometheus(said: str, tiers: Tiers | None = None) -> tuple[Reading, ...]:
    """Return the readings of macmon's Prometheus endpoint; of several fans the fastest."""
    tiers = tiers or Tiers()
    names = dict(_PROMETHEUS)
    for prefix, tier in (("ecpu", tiers.low), ("pcpu", tiers.high)):
        names |= {f"macmon_{prefix}_{k}": f"cpu_{tier}_{v}" for k, v in _TIERED.items()}
    found: dict[str, float] = {}
    for name, value in re.findall(r"^(\w+)(?:\{[^}]*\})? ([-+.\deE]+)$", said, re.MULTILINE):
        if metric := names.get(name):
            found[metric] = max(found.get(metric, float(value)), float(value))
    return tuple(measured(metric, value, "macmon") for metric, value in found.items())


_JOULES = {"mJ": 1e-3, "uJ": 1e-6, "µJ": 1e-6, "nJ": 1e-9, "J": 1.0}


def energy(channels: Mapping[str, tuple[float, str]]) -> dict[str, float]:
    """Return the joules of CPU, GPU, Neural Engine and memory from Apple's energy channels.

    The sums the chip makes itself ("CPU Energy", "GPU Energy") are taken where they are there; the
    Neural Engine and the memory are summed over their channels. A part without a channel is left
    out: it is unknown, not 0.
    """
    out: dict[str, float] = {}
    for name, (value, unit) in channels.items():
        part = _part(name)
        if part is None or unit not in _JOULES:
            continue
        joules = value * _JOULES[unit]
        # On two dies the sum is told once a die ("DIE_0_CPU Energy"): they add up.
        out[part] = out.get(part, 0.0) + joules
    return out


def _part(name: str) -> str | None:
    if re.fullmatch(r"(DIE_\d_)?CPU Energy", name):
        return "cpu"
    if re.fullmatch(r"(DIE_\d_)?GPU Energy", name):
        return "gpu"
    if re.fullmatch(r"(DIE_\d_)?ANE\d*(_\d)?", name):
        return "ane"
    return "dram" if re.fullmatch(r"(DIE_\d_)?DRAM\d*(_\d)?", name) else None

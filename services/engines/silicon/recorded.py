"""Readers of what other tools print of Apple's chips, so that their recordings replay.

powermetrics (needs sudo, so it is never run by us), mactop, macmon's Prometheus text,
zeus-apple-silicon's energy channels. Each function takes the printed text and returns readings.
"""

import json
import plistlib
import re
from collections.abc import Iterable, Mapping
from typing import Any
from xml.parsers.expat import ExpatError

from services.engines.silicon.macmon import Tiers
from services.engines.silicon.models import Reading
from services.engines.silicon.provider import measured, unavailable
from services.errors import EngineProtocolError

_POWERMETRICS = "powermetrics"
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_LEVELS = ("Nominal", "Moderate", "Heavy", "Trapping", "Sleeping")
_DAMAGED = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError,
    plistlib.InvalidFileException, ExpatError,
)  # fmt: skip


def powermetrics_plist(said: bytes, tiers: Tiers | None = None) -> tuple[Reading, ...]:
    """Return the readings of ``powermetrics -f plist``: CPU clocks are in Hz, the GPU's in MHz.

    Raises:
        EngineProtocolError: It is no such document.
    """
    try:
        document = plistlib.loads(said.strip(b"\0\n"))
        # A damaged document may be anything at any depth; nothing below has another effect.
        return _powermetrics(document, tiers or Tiers())
    except _DAMAGED as error:
        raise EngineProtocolError("powermetrics printed no sample that can be read.") from error


def _powermetrics(document: Any, tiers: Tiers) -> tuple[Reading, ...]:  # noqa: ANN401 - a plist
    window_s = document["elapsed_ns"] / 1e9
    processor, gpu = document["processor"], document.get("gpu", {})
    clusters = processor["clusters"]
    # Of an M5 Pro the slower cores are M clusters; its faster ones are P clusters as ever.
    low = [c for c in clusters if c["name"].startswith(("E", "M"))]
    high = [c for c in clusters if not c["name"].startswith(("E", "M"))]
    idle = gpu.get("idle_ratio")
    values = {
        "cpu_ratio": _busy(clusters),
        "gpu_ratio": None if idle is None else 1 - idle,
        "gpu_mhz": gpu.get("freq_hz"),
    }
    for tier, members in ((tiers.low, low), (tiers.high, high)):
        if tier is not None:
            values[f"cpu_{tier}_mhz"] = max((c["freq_hz"] / 1e6 for c in members), default=None)
            values[f"cpu_{tier}_ratio"] = _busy(members)
    for metric, part in (("cpu_w", "cpu"), ("gpu_w", "gpu"), ("ane_w", "ane")):
        millijoules = processor.get(f"{part}_energy")
        values[metric] = None if millijoules is None else millijoules / 1000 / window_s
    milliwatts = processor.get("combined_power")
    values["package_w"] = None if milliwatts is None else milliwatts / 1000
    return (
        *(measured(m, value, _POWERMETRICS, window_s=window_s) for m, value in values.items()),
        _pressure(document.get("thermal_pressure")),
    )


def _pressure(said: object) -> Reading:
    if said not in _LEVELS:
        words = f"powermetrics said {str(said)[:40]!r}" if said else ""
        return measured("thermal_level", None, _POWERMETRICS, reason=words)
    return measured("thermal_level", _LEVELS.index(str(said)), _POWERMETRICS)


def _busy(clusters: Iterable[Mapping[str, Any]]) -> float | None:
    idle = [cpu["idle_ratio"] for c in clusters for cpu in c.get("cpus", ()) if "idle_ratio" in cpu]
    return 1 - sum(idle) / len(idle) if idle else None


def powermetrics_text(said: str) -> tuple[Reading, ...]:
    """Return the readings of ``powermetrics`` as text; of the CPU and heat where they are told."""
    window = re.search(rf"\(({_NUMBER})ms elapsed\)", said)
    window_s = float(window[1]) / 1000 if window else None
    gpu = {
        "gpu_mhz": _figure(r"GPU HW active frequency: (\d+) MHz", said),
        "gpu_ratio": _figure(rf"GPU HW active residency:\s+({_NUMBER})%", said, 100),
        "gpu_w": _figure(r"GPU Power: (\d+) mW", said, 1000),
    }
    rest = {
        "cpu_w": _figure(r"CPU Power: (\d+) mW", said, 1000),
        "ane_w": _figure(r"ANE Power: (\d+) mW", said, 1000),
        "package_w": _figure(r"Combined Power \(CPU \+ GPU \+ ANE\): (\d+) mW", said, 1000),
    }
    told = gpu | {metric: value for metric, value in rest.items() if value is not None}
    out = [measured(m, value, _POWERMETRICS, window_s=window_s) for m, value in told.items()]
    pressure = re.search(r"^Current pressure level: (\w+)", said, re.MULTILINE)
    return (*out, *([_pressure(pressure[1])] if pressure else []))


def _figure(pattern: str, said: str, divisor: float = 1) -> float | None:
    found = re.search(rf"^{pattern}", said, re.MULTILINE)
    return float(found[1]) / divisor if found else None


def mactop(said: bytes) -> tuple[Reading, ...]:
    """Return the readings of ``mactop --headless``; its ``thermal_state`` is none and left out.

    Raises:
        EngineProtocolError: It is not what mactop prints.
    """
    try:
        return _mactop(json.loads(said)[-1])
    except _DAMAGED as error:
        raise EngineProtocolError("mactop printed no sample that can be read.") from error


def _mactop(sample: Any) -> tuple[Reading, ...]:  # noqa: ANN401 - JSON
    soc, memory, traffic = sample["soc_metrics"], sample["memory"], sample["net_disk"]
    values = {
        "cpu_ratio": sample["cpu_usage"] / 100,
        "gpu_ratio": sample["gpu_usage"] / 100,
        "gpu_mhz": soc.get("gpu_freq_mhz") or None,
        "cpu_w": soc.get("cpu_power"),
        "gpu_w": soc.get("gpu_power"),
        "ane_w": soc.get("ane_power"),
        "dram_w": soc.get("dram_power") or None,
        "system_w": soc.get("system_power") or None,
        "cpu_temperature_c": soc.get("cpu_temp") or None,
        "gpu_temperature_c": soc.get("gpu_temp") or None,
        "memory_total_bytes": memory["total"],
        "memory_used_bytes": memory["used"],
        "memory_available_bytes": memory["available"],
        "swap_used_bytes": memory["swap_used"],
        "network_in_bytes_s": traffic["in_bytes_per_sec"],
        "network_out_bytes_s": traffic["out_bytes_per_sec"],
        "disk_read_bytes_s": traffic["read_kbytes_per_sec"] * 1024,
        "disk_write_bytes_s": traffic["write_kbytes_per_sec"] * 1024,
    }
    return (
        *(measured(metric, value, "mactop") for metric, value in values.items()),
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
    "macmon_ram_power_watts": "dram_w",
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
        if tier is None:
            continue
        names |= {f"macmon_{prefix}_{k}": f"cpu_{tier}_{v}" for k, v in _TIERED.items()}
    found: dict[str, float] = {}
    for name, value in re.findall(rf"^(\w+)(?:\{{[^}}]*\}})? ({_NUMBER})$", said, re.MULTILINE):
        if metric := names.get(name):
            found[metric] = max(found.get(metric, float(value)), float(value))
    return tuple(
        measured(metric, None if value == 0.0 and metric in _NEVER_ZERO else value, "macmon")
        for metric, value in found.items()
    )


_NEVER_ZERO = {"system_w", "dram_w", "cpu_temperature_c", "gpu_temperature_c", "gpu_mhz"}
"""0 is how macmon says that it could not read them."""


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

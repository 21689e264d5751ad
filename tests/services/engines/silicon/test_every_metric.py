"""Every metric on every provider: who gives it, or why nobody does.

A row a metric, a column a machine; a word is who gave it, a number the reason why nobody did. A new
metric wants a row, and a provider that gives more or less changes its column.
"""

import dataclasses
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.engines.silicon.chain import Host
from services.engines.silicon.models import METRICS, Reading, Sample
from tests.services.engines.silicon import macs
from tests.services.engines.silicon.replay import MAC
from tests.services.engines.silicon.test_nvidia_and_actop import Nvml

REASONS = {
    "1": "this chip has no such cores",
    "2": "macOS tells no clock of all cores together; macmon tells that of each tier",
    "3": "macmon would tell: The program macmon is not installed. brew install macmon",
    "4": "not Apple Silicon",
    "5": "no NVIDIA GPU here",
    "6": "this machine does not report it",
    "7": "this machine shows no sensor of it",
    "8": "this machine has no battery",
    "9": "nobody set iogpu.wired_limit, and without MLX Metal's own choice is not known",
    "10": "actop would tell: The package actop is not installed. pip install actop",
}

# macmon, actop and neither of them on a recorded M3 Pro; Linux without and with NVIDIA; then the
# recordings of an M5 Pro (macmon 0.8.2) and an M4 (the older layout).
TABLE = """
cpu_ratio               macmon     actop      psutil     psutil     psutil     macmon     psutil
cpu_super_ratio         1          1          1          4          4          macmon     1
cpu_performance_ratio   macmon     actop      3          4          4          macmon     macmon
cpu_efficiency_ratio    macmon     actop      3          4          4          1          macmon
cpu_mhz                 2          2          2          psutil     psutil     2          2
cpu_super_mhz           1          1          1          4          4          macmon     1
cpu_performance_mhz     macmon     actop      3          4          4          macmon     macmon
cpu_efficiency_mhz      macmon     actop      3          4          4          1          macmon
gpu_ratio               macmon     actop      ioreg      5          NVML       macmon     macmon
gpu_mhz                 macmon     actop      3          5          NVML       macmon     macmon
gpu_memory_used_bytes   ioreg      ioreg      ioreg      5          NVML       ioreg      ioreg
memory_total_bytes      macmon     actop      psutil     psutil     psutil     macmon     macmon
memory_used_bytes       macmon     actop      vm_stat    psutil     psutil     macmon     macmon
memory_available_bytes  vm_stat    vm_stat    vm_stat    psutil     psutil     vm_stat    vm_stat
memory_wired_bytes      vm_stat    vm_stat    vm_stat    4          4          vm_stat    vm_stat
gpu_wired_limit_bytes   sysctl     sysctl     sysctl     4          4          9          9
memory_compressed_bytes vm_stat    vm_stat    vm_stat    4          4          vm_stat    vm_stat
memory_pressure         sysctl     sysctl     sysctl     4          4          sysctl     sysctl
swap_used_bytes         macmon     sysctl     sysctl     psutil     psutil     macmon     macmon
swap_in_bytes_s         vm_stat    vm_stat    vm_stat    psutil     psutil     vm_stat    vm_stat
cpu_w                   macmon     actop      3          6          6          macmon     macmon
gpu_w                   macmon     actop      3          5          NVML       macmon     macmon
ane_w                   macmon     actop      3          4          4          macmon     macmon
dram_w                  macmon     3          3          6          6          macmon     macmon
package_w               macmon     actop      3          6          6          macmon     macmon
system_w                macmon     3          3          6          6          macmon     macmon
cpu_temperature_c       macmon     actop      3          7          7          macmon     macmon
gpu_temperature_c       macmon     actop      3          5          NVML       macmon     macmon
fan_rpm                 macmon     actop      3          7          7          macmon     10
fan_ratio               macmon     actop      3          6          6          macmon     10
thermal_level           notifyutil notifyutil notifyutil 4          4          notifyutil notifyutil
low_power_mode          pmset      pmset      pmset      4          4          pmset      pmset
on_battery              pmset      pmset      pmset      8          8          pmset      pmset
battery_ratio           pmset      pmset      pmset      8          8          pmset      pmset
disk_used_ratio         psutil     psutil     psutil     psutil     psutil     psutil     psutil
disk_free_bytes         psutil     psutil     psutil     psutil     psutil     psutil     psutil
disk_read_bytes_s       psutil     psutil     psutil     psutil     psutil     psutil     psutil
disk_write_bytes_s      psutil     psutil     psutil     psutil     psutil     psutil     psutil
network_in_bytes_s      psutil     psutil     psutil     psutil     psutil     psutil     psutil
network_out_bytes_s     psutil     psutil     psutil     psutil     psutil     psutil     psutil
"""
ROWS = {row.split()[0]: row.split()[1:] for row in TABLE.strip().splitlines()}
ROOT = Path(__file__).resolve().parents[4]
SHARED = Path(os.environ.get("MLOPS_APPLE_SILICON", ROOT.parent / "shared" / "apple-silicon"))
AT = datetime(2026, 11, 1, 12, 0, 5, tzinfo=UTC)
_RECORDED = {
    5: (macs.M5_PRO, "macmon/v0.8.2_full_schema_m5pro_SYNTHETIC_mlx-scope.jsonl"),
    6: (macs.M4, "macmon/beszel_16gb_idle_v0.7.jsonl"),
}


def sampled(host: Host) -> Sample:
    sample = host.sample(AT)
    host.close()
    return sample


def _replayed(column: int) -> Callable[[pytest.MonkeyPatch], Host]:
    machine, name = _RECORDED[column]
    return lambda patch: macs.mac(patch, machine, (SHARED / name).read_text().splitlines()[0])


MACHINES: dict[int, Callable[[pytest.MonkeyPatch], Host]] = {
    0: lambda patch: macs.mac(patch, macs.M3_PRO, macs.m3_pro_line()),
    1: lambda patch: macs.mac(patch, macs.M3_PRO, None, actop=True),
    2: lambda patch: macs.mac(patch, macs.M3_PRO, None),
    3: lambda patch: macs.linux(patch, None),
    4: lambda patch: macs.linux(patch, Nvml()),
    5: _replayed(5),
    6: _replayed(6),
}


def told(reading: Reading) -> str:
    return reading.reason if reading.value is None else reading.source.split()[0]


def test_the_table_has_every_metric():
    assert list(ROWS) == list(METRICS)


@pytest.mark.parametrize("column", MACHINES)
def test_each_is_given_or_says_why_not(column: int, monkeypatch: pytest.MonkeyPatch):
    if column in _RECORDED and not SHARED.is_dir():
        pytest.skip("the recordings are not beside this tree")
    sample = sampled(MACHINES[column](monkeypatch))
    found = {reading.metric: told(reading) for reading in sample.readings}
    assert found == {m: REASONS.get(row[column], row[column]) for m, row in ROWS.items()}
    for reading in sample.readings:
        assert (reading.value is None) == (reading.quality == "unavailable")
        assert reading.value is not None or reading.reason


def test_the_wired_budget_is_what_somebody_set_even_while_the_sampler_runs(monkeypatch):
    host = macs.mac(monkeypatch, macs.M3_PRO, macs.m3_pro_line())
    reading = host.sample(AT).reading("gpu_wired_limit_bytes")
    assert reading is not None
    assert (reading.value, reading.quality) == (28_991_029_248, "estimated")
    assert "what Metal recommended" in reading.reason
    set_by_hand = MAC["sysctl"].replace("wired_limit_mb: 0", "wired_limit_mb: 30000")
    host = macs.mac(
        monkeypatch, macs.M3_PRO, macs.m3_pro_line(), answers={**MAC, "sysctl": set_by_hand}
    )
    reading = host.sample(AT).reading("gpu_wired_limit_bytes")
    assert reading == Reading("gpu_wired_limit_bytes", 30000 * 2.0**20, "measured", "sysctl")


def test_a_system_without_such_a_limit_says_nothing_of_it(monkeypatch):
    without = "\n".join(x for x in MAC["sysctl"].splitlines() if "iogpu" not in x)
    machine = dataclasses.replace(macs.M3_PRO, recommended_working_set_bytes=None)
    host = macs.mac(monkeypatch, machine, macs.m3_pro_line(), answers={**MAC, "sysctl": without})
    reading = host.sample(AT).reading("gpu_wired_limit_bytes")
    assert reading is not None
    assert (reading.value, reading.reason) == (None, REASONS["9"])

"""Recordings of other tools, ours always, and those of the shared folder where it is there."""

import contextlib
import json
import math
import plistlib
import random

import pytest

from services.engines.silicon import commands, recorded
from services.engines.silicon.macmon import tiers_of
from services.errors import EngineProtocolError
from tests.services.engines.silicon.replay import of, values
from tests.services.engines.silicon.replay import recorded as fixture


def test_the_clock_of_the_cpu_is_in_hz_and_that_of_the_gpu_in_mhz():
    document = {
        "elapsed_ns": 2_000_000_000,
        "processor": {
            "clusters": [
                {"name": "E-Cluster", "freq_hz": 1.0e9, "cpus": [{"idle_ratio": 0.75}]},
                {"name": "P0-Cluster", "freq_hz": 3.2e9, "cpus": [{"idle_ratio": 0.5}] * 2},
            ],
            "cpu_energy": 6000,
            "gpu_energy": 0,
            "combined_power": 3100.0,
        },
        "gpu": {"freq_hz": 712.0, "idle_ratio": 0.25},
        "thermal_pressure": "Heavy",
    }
    assert values(recorded.powermetrics_plist(plistlib.dumps(document))) == {
        "cpu_ratio": pytest.approx(1 - 1.75 / 3),
        "cpu_efficiency_mhz": 1000,
        "cpu_efficiency_ratio": 0.25,
        "cpu_performance_mhz": 3200,
        "cpu_performance_ratio": 0.5,
        "gpu_ratio": 0.75,
        "gpu_mhz": 712,
        "cpu_w": 3.0,
        "gpu_w": 0.0,
        "ane_w": None,
        "package_w": 3.1,
        "thermal_level": 2,
    }


def test_the_slower_clusters_of_an_m5_pro_are_its_performance_cores():
    clusters = [
        {"name": "M0-Cluster", "freq_hz": 2.0e9, "cpus": [{"idle_ratio": 0.5}]},
        {"name": "P-Cluster", "freq_hz": 4.0e9, "cpus": [{"idle_ratio": 0.75}]},
    ]
    document = {"elapsed_ns": 1_000_000_000, "processor": {"clusters": clusters}}
    readings = recorded.powermetrics_plist(plistlib.dumps(document), tiers_of("Apple M5 Pro"))
    said = values(readings)
    assert (said["cpu_performance_mhz"], said["cpu_super_mhz"]) == (2000, 4000)
    assert "cpu_efficiency_mhz" not in said
    assert said["thermal_level"] is None
    assert said["gpu_ratio"] is None


@pytest.mark.parametrize(
    ("level", "name"),
    list(enumerate(["Nominal", "Moderate", "Heavy", "Trapping", "Sleeping"])),
)
def test_powermetrics_names_the_five_thermal_levels(level, name):
    said = f"**** Thermal pressure ****\n\nCurrent pressure level: {name}\n"
    assert of(recorded.powermetrics_text(said), "thermal_level").value == level


def test_a_thermal_level_nobody_knows_is_none():
    reading = of(recorded.powermetrics_text("Current pressure level: Warm\n"), "thermal_level")
    assert reading.value is None
    assert "Warm" in reading.reason


@pytest.mark.parametrize("said", [b"", b"<plist/>", b"no", plistlib.dumps({"elapsed_ns": 1})])
def test_what_is_no_document_of_powermetrics_is_refused(said):
    with pytest.raises(EngineProtocolError):
        recorded.powermetrics_plist(said)


def test_powermetrics_as_text():
    said = (
        "*** Sampled system activity (Sat) (503.05ms elapsed) ***\n"
        "GPU HW active frequency: 444 MHz\nGPU HW active residency:   50.5% (444 MHz: 50%)\n"
        "GPU idle residency:  49.5%\nGPU Power: 4 mW\n"
    )
    readings = recorded.powermetrics_text(said)
    assert values(readings) == {"gpu_mhz": 444, "gpu_ratio": 0.505, "gpu_w": 0.004}
    assert of(readings, "gpu_w").window_s == 0.50305


def test_powermetrics_as_text_tells_of_the_cpu_where_it_was_asked_of_it():
    said = (
        "CPU Power: 372 mW\nGPU Power: 46 mW\nANE Power: 0 mW\n"
        "Combined Power (CPU + GPU + ANE): 418 mW\n"
    )
    told = values(recorded.powermetrics_text(said))
    assert (told["cpu_w"], told["ane_w"], told["package_w"]) == (0.372, 0.0, 0.418)


def test_prometheus_zeros_that_are_no_readings_and_lines_that_are_no_numbers():
    said = (
        "macmon_sys_power_watts 0\nmacmon_ram_power_watts 0\nmacmon_gpu_power_watts 0\n"
        "macmon_cpu_power_watts -\nmacmon_cpu_temp_celsius NaN\n"
        'macmon_fan_speed_rpm{fan="fan0"} 0\nmacmon_cpu_active_ratio 2.5e-2\n'
    )
    assert values(recorded.macmon_prometheus(said)) == {
        "system_w": None,
        "dram_w": None,
        "gpu_w": 0.0,
        "fan_rpm": 0.0,
        "cpu_ratio": 0.025,
    }


POWERMETRICS = plistlib.dumps(
    {
        "elapsed_ns": 2_000_000_000,
        "processor": {
            "clusters": [{"name": "E-Cluster", "freq_hz": 1e9, "cpus": [{"idle_ratio": 0.75}]}],
            "cpu_energy": 6000,
            "combined_power": 3100.0,
        },
        "gpu": {"freq_hz": 712.0, "idle_ratio": 0.25},
        "thermal_pressure": "Nominal",
    }
)
MACTOP = json.dumps(
    [
        {
            "soc_metrics": {"cpu_power": 2.5, "system_power": 0, "gpu_freq_mhz": 640},
            "memory": {"total": 1 << 34, "used": 1 << 33, "available": 1 << 33, "swap_used": 0},
            "net_disk": {
                "in_bytes_per_sec": 10.0,
                "out_bytes_per_sec": 0,
                "read_kbytes_per_sec": 2.0,
                "write_kbytes_per_sec": 1.5,
            },
            "cpu_usage": 12.5,
            "gpu_usage": 50,
            "thermal_state": "Normal",
        }
    ]
).encode()


def test_mactop_zeros_that_are_no_readings():
    said = values(recorded.mactop(MACTOP))
    assert (said["cpu_ratio"], said["gpu_ratio"], said["cpu_w"]) == (0.125, 0.5, 2.5)
    assert (said["system_w"], said["thermal_level"]) == (None, None)
    assert (said["swap_used_bytes"], said["network_out_bytes_s"]) == (0, 0)
    assert said["disk_write_bytes_s"] == 1536


READERS = {
    "powermetrics": (recorded.powermetrics_plist, POWERMETRICS),
    "mactop": (recorded.mactop, MACTOP),
    "powermetrics as text": (
        lambda b: recorded.powermetrics_text(b.decode(errors="replace")),
        b"(503.05ms elapsed)\nGPU HW active residency:   50.5% (\nGPU Power: 4 mW\n",
    ),
    "macmon's metrics": (
        lambda b: recorded.macmon_prometheus(b.decode(errors="replace")),
        b'macmon_cpu_power_watts{chip="M3"} 8.42\nmacmon_fan_speed_rpm 1e3\n',
    ),
    "vm_stat": (
        lambda b: commands.memory(commands.pages(b.decode(errors="replace"))),
        fixture("vm_stat_macos_27.txt").encode(),
    ),
    "ioreg": (
        lambda b: commands.accelerator(b.decode(errors="replace")),
        fixture("ioreg_accelerator.txt").encode(),
    ),
    "sysctl": (
        lambda b: commands.kernel(b.decode(errors="replace")),
        fixture("sysctl_warning.txt").encode(),
    ),
    "pmset": (
        lambda b: commands.battery(b.decode(errors="replace")),
        fixture("pmset_batt.txt").encode(),
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_what_is_cut_or_damaged_is_read_or_refused_and_nothing_stops(name):
    read, whole = READERS[name]
    dice = random.Random(name)  # noqa: S311 - examples, the same each time
    for _ in range(400):
        damaged = bytearray(whole[: dice.randrange(len(whole) + 1)])
        for _ in range(dice.randrange(6) if damaged else 0):
            damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
        with contextlib.suppress(EngineProtocolError):
            for reading in read(bytes(damaged)):
                assert (reading.value is None) == (reading.quality == "unavailable")
                assert reading.value is None or math.isfinite(reading.value)


def test_the_channels_of_energy_are_summed_over_the_dies():
    channels = {
        "DIE_0_CPU Energy": (1500, "mJ"),
        "DIE_1_CPU Energy": (1600, "mJ"),
        "DIE_0_EACC_CPU": (30, "mJ"),
        "GPU Energy": (50_000_000, "nJ"),
        "GPU SRAM0": (40, "mJ"),
        "ANE0": (20, "mJ"),
        "ANE1": (15, "mJ"),
    }
    assert recorded.energy({k: (float(v), u) for k, (v, u) in channels.items()}) == {
        "cpu": pytest.approx(3.1),
        "gpu": pytest.approx(0.05),
        "ane": pytest.approx(0.035),
    }

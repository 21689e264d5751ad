"""Recordings of other tools, ours always, and those of the shared folder where it is there."""

import csv
import json
import os
import plistlib
from pathlib import Path

import pytest

from services.engines.silicon import commands, recorded
from services.engines.silicon.chips import CHIPS, chip
from services.engines.silicon.macmon import parse, tiers_of, to_readings
from services.engines.silicon.models import METRICS
from services.errors import EngineProtocolError
from tests.services.engines.silicon.replay import of, values

ROOT = Path(__file__).resolve().parents[4]
SHARED = Path(os.environ.get("MLOPS_APPLE_SILICON", ROOT.parent / "shared" / "apple-silicon"))


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
    }


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


shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the recordings are not beside this tree")


def lines(name: str) -> list[str]:
    return (SHARED / name).read_text().splitlines()


@shared
@pytest.mark.parametrize(
    ("name", "chip_name", "wanted"),
    [
        ("macmon/beszel_16gb_idle_v0.7.jsonl", "Apple M4",
         {"cpu_w": 0.6359732151031494, "system_w": 10.4955415725708, "gpu_mhz": 503,
          "cpu_performance_mhz": 1248, "cpu_performance_ratio": 0.11792058497667313,
          "swap_used_bytes": 0, "ane_w": 0.0}),
        ("macmon/v0.8.2_full_schema_m5pro_SYNTHETIC_mlx-scope.jsonl", "Apple M5 Pro",
         {"cpu_super_ratio": 0.235, "cpu_performance_ratio": 0.24500002, "gpu_ratio": 0.97,
          "system_w": 41.25, "fan_rpm": 2608, "swap_used_bytes": 1375731712}),
    ],
)  # fmt: skip
def test_recorded_macmon_lines_replay(name, chip_name, wanted):
    said = values(to_readings(parse(lines(name)[0]), tiers_of(chip_name)))
    assert {metric: said.get(metric) for metric in wanted} == wanted
    for line in lines(name):
        if line.strip():
            readings = to_readings(parse(line), tiers_of(chip_name))
            assert {r.metric for r in readings} <= set(METRICS)


@shared
def test_the_example_of_macmons_documentation_replays():
    said = values(
        to_readings(
            parse((SHARED / "macmon/macmon_v0.8_readme_example.json").read_bytes()),
            tiers_of("Apple M3 Pro"),
        )
    )
    assert said["system_w"] == 5.876533
    assert said["fan_rpm"] == 1200
    assert said["cpu_performance_mhz"] == 1800
    assert said["memory_used_bytes"] == 20985479168
    text = (SHARED / "macmon/macmon_v0.8_prometheus_m3pro_readme.txt").read_text()
    assert values(recorded.macmon_prometheus(text)) == {
        "cpu_temperature_c": 47.3,
        "cpu_w": 8.42,
        "fan_rpm": 1234,
        "cpu_ratio": 0.092,
        "cpu_efficiency_mhz": 1100,
        "cpu_efficiency_ratio": 0.18,
    }


@shared
def test_recorded_mactop_replays_without_its_thermal_state():
    readings = recorded.mactop((SHARED / "mactop/mactop_headless_m1_ultra_v2.json").read_bytes())
    said = values(readings)
    assert said["system_w"] == 37.47166092432617
    assert said["gpu_ratio"] == pytest.approx(0.5351970510465884)
    assert said["memory_used_bytes"] == 74062512128
    assert said["disk_write_bytes_s"] == pytest.approx(308.4904461592754 * 1024)
    assert said["thermal_level"] is None


@shared
def test_recorded_powermetrics_replays():
    m1 = (SHARED / "powermetrics/pumas-powermetrics-output-m1.xml").read_bytes()
    said = values(recorded.powermetrics_plist(m1))
    assert said["cpu_efficiency_mhz"] == pytest.approx(1022.87)
    assert 0 <= said["gpu_ratio"] <= 1
    assert 300 < said["gpu_mhz"] < 1400
    ultra = (SHARED / "powermetrics/pumas-powermetrics-output-m2ultra.xml").read_bytes()
    said = values(recorded.powermetrics_plist(ultra))
    assert 0 < said["cpu_performance_mhz"] < 3700
    assert said["cpu_w"] is not None
    text = (SHARED / "powermetrics/m2pro_gpu_power_text_idle_beszel.txt").read_text()
    assert values(recorded.powermetrics_text(text)) == {
        "gpu_mhz": 444,
        "gpu_ratio": pytest.approx(0.0097),
        "gpu_w": 0.004,
    }


@shared
@pytest.mark.parametrize("level", range(5))
def test_recorded_thermal_levels_replay(level):
    said = (SHARED / f"thermal/notifyutil.level-{level}.txt").read_text()
    assert commands.thermal(said).value == level
    failed = commands.thermal((SHARED / "thermal/notifyutil.failed.txt").read_text())
    assert failed.quality == "unavailable"


@shared
def test_recorded_memory_replays():
    normal = (SHARED / "sysctl/memory_normal_wired_default_SYNTHETIC.txt").read_text()
    assert values(commands.kernel(normal)) == {
        "swap_used_bytes": 96.5 * 2**20,
        "memory_pressure": 1,
    }
    critical = (SHARED / "sysctl/memory_pressure_4_critical_SYNTHETIC.txt").read_text()
    assert values(commands.kernel(critical))["memory_pressure"] == 4
    assert commands.wired_limit_bytes(critical) == 40960 * 2**20
    counted = commands.pages(
        (SHARED / "sysctl/vm_stat_pressure_macos27_m5_SYNTHETIC.txt").read_text()
    )
    said = values(commands.memory(counted))
    assert said["memory_wired_bytes"] == 2211904 * 16384
    assert counted["Swapins"] == 9120334 * 16384


@shared
def test_every_chips_energy_channels_add_up_as_their_recording_asserts():
    chips = json.loads((SHARED / "zeus/ioreport_energy_channels_by_chip.json").read_text())
    parts = {"cpu": "cpu_total_mj", "gpu": "gpu_mj", "ane": "ane_mj", "dram": "dram_mj"}
    for name, recording in chips.items():
        first, last = recording["samples"][0], recording["samples"][-1]
        # Each sample tells what was used since the one before; the first is the base.
        used = {k: (float(v), unit) for k, (v, unit) in last.items()}
        found = recorded.energy(used)
        asserted = {
            k: float(v) for k, v in recording["asserts"] if str(v).replace(".", "").isdigit()
        }
        for part, key in parts.items():
            if key in asserted:
                assert found[part] * 1000 == pytest.approx(asserted[key]), (name, part)
        assert set(first) <= set(last) or first


@shared
def test_the_channels_of_an_m5_max_are_known_by_name():
    rows = (
        line.split("\t") for line in lines("ioreport/m5_max_macos27_energy_channels_nonDTL.tsv")
    )
    channels = {row[0]: (1.0, row[1]) for row in rows if len(row) == 2}
    assert set(recorded.energy(channels)) == {"cpu", "gpu", "ane", "dram"}


@shared
def test_our_table_of_chips_agrees_with_the_recorded_one():
    with (SHARED / "chips.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(CHIPS)
    for row in rows:
        ours = chip(row["chip"])
        assert ours is not None, row["chip"]
        numbers = lambda key: tuple(float(n) for n in row[key].split("|") if n)  # noqa: B023, E731
        assert ours.high_cores == numbers("cpu_high_cores")
        assert ours.low_cores == numbers("cpu_low_cores")
        assert ours.gpu_cores == numbers("gpu_cores_options")
        assert ours.bandwidth_gb_s == numbers("mem_bw_gbs")
        assert ours.high[0].upper() == row["cpu_high_label"]
        assert ours.low[0].upper() == row["cpu_low_label"]
        if row["fp32_tflops_est"]:
            flops = ours.fp32_flops(ours.gpu_cores[-1])
            assert flops == pytest.approx(float(row["fp32_tflops_est"]) * 1e12, rel=0.01)


@shared
def test_recorded_system_profiler_names_the_chip():
    said = json.loads((SHARED / "system_profiler/m3_max_40.json").read_text())
    display = said["SPDisplaysDataType"][0]
    found = chip(display["sppci_model"])
    assert found is not None
    assert int(display["sppci_cores"]) in found.gpu_cores

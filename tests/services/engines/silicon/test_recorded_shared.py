"""Recordings of real machines and of their documentation, where they are beside this tree."""

import csv
import json
import os
from pathlib import Path

import pytest

from services.engines.silicon import commands, recorded
from services.engines.silicon.chips import CHIPS, chip
from services.engines.silicon.macmon import parse, tiers_of, to_readings
from services.engines.silicon.models import METRICS
from tests.services.engines.silicon.replay import values

ROOT = Path(__file__).resolve().parents[4]
SHARED = Path(os.environ.get("MLOPS_APPLE_SILICON", ROOT.parent / "shared" / "apple-silicon"))


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
    assert said["cpu_performance_mhz"] == pytest.approx(618.173)
    assert said["gpu_ratio"] == pytest.approx(1 - 0.983341)
    assert said["gpu_mhz"] == pytest.approx(714.836)
    assert said["cpu_w"] == pytest.approx(0.0440773, rel=1e-3)
    assert said["gpu_w"] == pytest.approx(0.0153528, rel=1e-3)
    assert said["package_w"] == pytest.approx(0.0594301)
    assert (said["ane_w"], said["thermal_level"]) == (0.0, 0)
    ultra = (SHARED / "powermetrics/pumas-powermetrics-output-m2ultra.xml").read_bytes()
    said = values(recorded.powermetrics_plist(ultra))
    assert said["cpu_performance_mhz"] == pytest.approx(3481.97)  # the fastest of four clusters
    assert said["gpu_mhz"] == pytest.approx(1360.85)
    assert said["cpu_w"] == pytest.approx(0.835188, rel=1e-3)
    assert said["gpu_w"] == pytest.approx(70.9246, rel=1e-3)
    assert said["package_w"] == pytest.approx(71.7598)
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
        # Each sample tells what was used since the one before; the first is the base.
        used = {k: (float(v), unit) for k, (v, unit) in recording["samples"][-1].items()}
        found = recorded.energy(used)
        whole = sum(v for k, (v, _) in used.items() if k.endswith("CPU Energy"))
        assert found["cpu"] * 1000 == pytest.approx(whole), name
        assert set(found) == set(parts), name
        asserted = {
            k: float(v) for k, v in recording["asserts"] if str(v).replace(".", "").isdigit()
        }
        for part, key in parts.items():
            if key in asserted:
                assert found[part] * 1000 == pytest.approx(asserted[key]), (name, part)


REPLAYED = {
    "chips.csv", "ioreport/m5_max_macos27_energy_channels_nonDTL.tsv",
    "macmon/beszel_16gb_idle_v0.7.jsonl", "macmon/macmon_v0.8_prometheus_m3pro_readme.txt",
    "macmon/macmon_v0.8_readme_example.json",
    "macmon/v0.8.2_full_schema_m5pro_SYNTHETIC_mlx-scope.jsonl",
    "mactop/mactop_headless_m1_ultra_v2.json",
    "powermetrics/m2pro_gpu_power_text_idle_beszel.txt",
    "powermetrics/pumas-powermetrics-output-m1.xml",
    "powermetrics/pumas-powermetrics-output-m2ultra.xml",
    "sysctl/memory_normal_wired_default_SYNTHETIC.txt",
    "sysctl/memory_pressure_4_critical_SYNTHETIC.txt",
    "sysctl/vm_stat_pressure_macos27_m5_SYNTHETIC.txt", "system_profiler/m3_max_40.json",
    "thermal/notifyutil.failed.txt", *(f"thermal/notifyutil.level-{n}.txt" for n in range(5)),
    "zeus/ioreport_energy_channels_by_chip.json",
}  # fmt: skip


@shared
def test_no_recording_is_left_out():
    there = {str(p.relative_to(SHARED)) for p in SHARED.rglob("*") if p.is_file()}
    assert there - REPLAYED == set(), "a new recording wants a test that replays it"


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

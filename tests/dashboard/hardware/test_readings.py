import pytest

from dashboard.hardware import readings
from services.engines.silicon.models import METRICS, Machine, Reading
from services.telemetry.models import HostState
from tests import hardware_seed


def measured(metric: str, value: float) -> Reading:
    return Reading(metric, value, "measured", "macmon 0.8.2", window_s=2.0)


def host(*said: Reading, machine: Machine = hardware_seed.STUDIO) -> HostState:
    return HostState(machine, None, said)


@pytest.mark.parametrize(
    ("metric", "value", "told"),
    [
        ("cpu_ratio", 0.634, "63 %"),
        ("gpu_w", 0.0, "0.0 W"),
        ("gpu_w", 41.26, "41.3 W"),
        ("system_w", 163.2, "163 W"),
        ("gpu_mhz", 1378.0, "1,378 MHz"),
        ("cpu_temperature_c", 88.4, "88 °C"),
        ("memory_used_bytes", 28.9e9, "28.9 GB"),
        ("disk_read_bytes_s", 4e6, "4.00 MB/s"),
        ("thermal_level", 2.0, "2 heavy"),
        ("thermal_level", 9.0, "9 unknown"),
        ("memory_pressure", 4.0, "4 critical"),
        ("memory_pressure", 3.0, "3 raised"),
        ("low_power_mode", 1.0, "on"),
        ("on_battery", 0.0, "off"),
        ("a_metric_of_tomorrow", 3.5, "3.50"),
    ],
)
def test_a_figure_has_its_unit(metric: str, value: float, told: str):
    assert readings.figure(measured(metric, value)) == told


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_is_told_with_a_unit_or_a_word(metric: str):
    assert not readings.figure(measured(metric, 1.0)).replace(".", "").isdecimal()


def test_a_missing_figure_is_unavailable_with_its_reason_and_never_zero():
    missing = Reading("gpu_w", None, "unavailable", "macmon", "the counters stood still")
    assert readings.figure(missing) == "unavailable"
    assert readings.why(missing) == "the counters stood still."
    assert readings.figure(None) == "unavailable"
    assert readings.why(None) == "The machine has not been asked for it."
    assert readings.why(Reading("gpu_w", None, "unavailable")) == (
        "Nobody who was asked reports it."
    )


def test_an_estimate_is_marked_and_says_what_it_rests_on():
    estimate = Reading("dram_w", 2.0, "estimated", "macmon 0.8.2", "from the chip's table.", 2.0)
    assert readings.figure(estimate) == "≈ 2.0 W"
    assert readings.why(estimate) == (
        "Said by macmon 0.8.2, the mean of 2 s. An estimate: from the chip's table."
    )


def test_power_is_the_widest_that_is_known_and_says_of_what():
    chip, whole = measured("package_w", 40.0), measured("system_w", 60.0)
    assert readings.power(host(chip, whole)) == (whole, "whole machine")
    assert readings.power(host(chip)) == (chip, "CPU + GPU + ANE")
    nobody = Reading("system_w", None, "unavailable", "psutil", "psutil reports no power")
    assert readings.power(host(nobody)) == (nobody, "")


def test_heat_is_that_of_the_hottest_part():
    cpu, gpu = measured("cpu_temperature_c", 70.0), measured("gpu_temperature_c", 80.0)
    assert readings.heat(host(cpu, gpu)) == (gpu, "GPU")
    assert readings.heat(host(cpu)) == (cpu, "CPU")
    assert readings.heat(host()) == (None, "")


def test_memory_is_told_in_one_unit():
    used, total = measured("memory_used_bytes", 800e6), measured("memory_total_bytes", 16e9)
    assert readings.memory(host(used, total)) == "0.8 of 16.0 GB"
    assert readings.memory(host(total)) == "unavailable"


def test_a_chip_line_leaves_out_what_nobody_told():
    bare = Machine("a", None, apple_silicon=False, os="Linux 6.8")
    assert readings.chip_line(bare) == "chip not reported · Linux 6.8"
    assert readings.chip_line(hardware_seed.BOOK) == (
        "Apple M5 Pro · 15 CPU cores · 16 GPU cores · 51.5 GB · macOS 27.1"
    )

import pytest

from dashboard.hardware.figures import cores, figure, hottest, memory, power, why
from services.engines.silicon.models import METRICS, CoreTier, Machine, Reading
from services.engines.silicon.provider import measured, unavailable
from services.telemetry.models import HostState

MAC = Machine("bob", "Apple M3 Max", apple_silicon=True, os="macOS 27.0")


def host(*readings: Reading) -> HostState:
    return HostState(MAC, None, readings)


@pytest.mark.parametrize(
    ("metric", "value", "shown"),
    [
        ("cpu_ratio", 0.0, "0 %"),
        ("gpu_ratio", 0.934, "93 %"),
        ("gpu_mhz", 1380.4, "1,380 MHz"),
        ("system_w", 28.53, "28.5 W"),
        ("cpu_temperature_c", 61.6, "62 °C"),
        ("memory_used_bytes", 9.4e9, "9.40 GB"),
        ("disk_read_bytes_s", 1.5e6, "1.50 MB/s"),
        ("thermal_level", 0.0, "0 nominal"),
        ("thermal_level", 2.0, "2 heavy"),
        ("memory_pressure", 4.0, "critical"),
        ("low_power_mode", 1.0, "yes"),
        ("on_battery", 0.0, "no"),
        ("fan_rpm", 1800.0, "1,800 rpm"),
    ],
)
def test_a_figure_carries_its_unit(metric: str, value: float, shown: str):
    assert figure(measured(metric, value, "macmon")) == shown


def test_every_metric_can_be_written():
    for metric in METRICS:
        assert figure(measured(metric, 1.0, "x"))


def test_an_estimate_is_marked_and_says_what_it_rests_on():
    reading = measured("gpu_w", 10.0, "x", quality="estimated", reason="shared by busy time")
    assert figure(reading) == "≈ 10 W"
    assert why(reading) == "By x. An estimate: shared by busy time."


def test_a_missing_figure_is_never_zero_and_says_why():
    reading = unavailable("system_w", "macmon", "macmon cannot read this machine's power sensor")
    assert figure(reading) == "unavailable"
    assert why(reading) == "Macmon cannot read this machine's power sensor."
    assert figure(None) == "unavailable"
    assert "not been asked" in why(None)
    assert why(measured("cpu_w", 1.0, "macmon 0.8.2", window_s=2.0)) == (
        "By macmon 0.8.2, the mean of 2.0 s."
    )


def test_memory_is_told_of_all_there_is():
    used, total = (
        measured("memory_used_bytes", 28.9e9, "x"),
        measured("memory_total_bytes", 64e9, "x"),
    )
    assert memory(host(used, total)) == "28.9 of 64.0 GB"
    assert memory(host(used)) == "28.9 GB"
    assert memory(host(total)) == "unavailable"


def test_power_is_the_widest_that_is_known():
    system, chip = measured("system_w", 30, "x"), measured("package_w", 20, "x")
    assert power(host(chip, system)) == "30 W system"
    assert power(host(unavailable("system_w", "", "no"), chip)) == "20 W chip"
    assert power(host()) == "unavailable"


def test_the_hotter_of_both_counts():
    cool, hot = measured("cpu_temperature_c", 50, "x"), measured("gpu_temperature_c", 61, "x")
    assert hottest(host(cool, hot)) == "61 °C"
    assert hottest(host(unavailable("cpu_temperature_c", "", "no"))) == "unavailable"


def test_cores_by_tier():
    tiers = (CoreTier("super", 5), CoreTier("performance", 10))
    m5 = Machine("x", "Apple M5 Pro", apple_silicon=True, os="", tiers=tiers)
    assert cores(m5) == "5 super + 10 performance"
    assert cores(Machine("x", None, apple_silicon=False, os="", tiers=(CoreTier("all", 2),))) == "2"
    assert cores(MAC) == "unavailable"

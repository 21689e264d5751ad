import json
import math
import random

import pytest

from services.engines.silicon.macmon import Macmon, Tiers, parse, tiers_of, to_readings
from services.engines.silicon.models import METRICS
from services.errors import EngineProtocolError, EngineUnreachableError
from tests.services.engines.silicon.replay import of, programs, recorded, values

LINE = recorded("macmon_0.8.2_m3_pro.json")


def test_a_sample_becomes_readings():
    assert values(to_readings(parse(LINE), Tiers())) == {
        "cpu_ratio": 0.31,
        "cpu_performance_ratio": 0.2,
        "cpu_efficiency_ratio": 0.42,
        "cpu_performance_mhz": 3600,
        "cpu_efficiency_mhz": 2100,
        "gpu_ratio": 0.93,
        "gpu_mhz": 1380,
        "cpu_temperature_c": 61.5,
        "gpu_temperature_c": 58.25,
        "memory_total_bytes": 38654705664,
        "memory_used_bytes": 20000000000,
        "swap_used_bytes": 0,  # measured: no swap is used
        "cpu_w": 3.5,
        "gpu_w": 7.75,
        "ane_w": 0.25,
        "dram_w": 1.25,
        "package_w": 11.5,
        "system_w": 28.5,
        "fan_rpm": 1800,
        "fan_ratio": 0.3,
    }


def test_the_older_layout_is_read_as_well():
    said = values(to_readings(parse(recorded("macmon_0.7_m2.json")), Tiers()))
    assert (said["cpu_efficiency_mhz"], said["cpu_efficiency_ratio"]) == (1500, 0.25)
    assert (said["gpu_mhz"], said["gpu_ratio"]) == (444, 0.05)
    assert said["cpu_ratio"] is None  # 0.7 of that time did not tell it
    assert "fan_rpm" not in said


def changed(**fields: object) -> dict[str, object]:
    return parse(LINE) | fields


def test_no_system_power_is_no_reading():
    reading = of(to_readings(changed(sys_power=0.0), Tiers()), "system_w")
    assert (reading.value, reading.quality) == (None, "unavailable")
    assert "cannot read" in reading.reason


def test_a_busy_cpu_without_power_makes_all_power_unavailable():
    readings = to_readings(changed(cpu_power=0.0, cpu_active_ratio=0.4), Tiers())
    for metric in ("cpu_w", "gpu_w", "ane_w", "dram_w", "package_w"):
        assert of(readings, metric).value is None
        assert "40% busy" in of(readings, metric).reason
    assert of(readings, "system_w").value == 28.5


def test_an_idle_cpu_may_use_nothing():
    readings = to_readings(changed(cpu_power=0.0, cpu_active_ratio=0.001), Tiers())
    assert of(readings, "cpu_w").value == 0.0


def test_a_sensor_that_reads_zero_degrees_is_missing():
    readings = to_readings(changed(temp={"cpu_temp_avg": 0.0, "gpu_temp_avg": 40.0}), Tiers())
    assert of(readings, "cpu_temperature_c").value is None
    assert of(readings, "gpu_temperature_c").value == 40.0


def test_a_machine_without_fans_says_so():
    reading = of(to_readings(changed(fans=[]), Tiers()), "fan_rpm")
    assert reading.value is None
    assert "no fan" in reading.reason


@pytest.mark.parametrize(
    ("chip", "labels", "tiers"),
    [
        ("Apple M1 Max", ("", ""), Tiers("efficiency", "performance")),
        ("Apple M5", ("", ""), Tiers("efficiency", "super")),
        ("Apple M5 Pro", ("", ""), Tiers("performance", "super")),
        ("Apple M5 Max", ("P", "S"), Tiers("performance", "super")),
        ("Apple M3 Pro", ("E", "P"), Tiers("efficiency", "performance")),
        (None, ("?", ""), Tiers("efficiency", "performance")),
    ],
)
def test_the_lower_cores_of_an_m5_pro_are_no_efficiency_cores(chip, labels, tiers):
    assert tiers_of(chip, *labels) == tiers


def test_ten_thousand_lines_are_read_without_a_wrong_field():
    dice = random.Random(1)  # noqa: S311 - examples, the same each time
    base = parse(LINE)
    for _ in range(10_000):
        wanted = {
            "cpu_power": dice.uniform(0.1, 60),
            "gpu_power": dice.uniform(0, 90),
            "cpu_active_ratio": dice.random(),
            "gpu_active_ratio": dice.random(),
            "gpu_freq_mhz": dice.randrange(338, 1620),
            "sys_power": dice.uniform(3, 200),
        }
        said = values(to_readings(parse(json.dumps(base | wanted)), Tiers()))
        assert [said[m] for m in ("cpu_w", "gpu_w", "cpu_ratio", "gpu_ratio", "gpu_mhz")] == [
            wanted[k]
            for k in (
                "cpu_power",
                "gpu_power",
                "cpu_active_ratio",
                "gpu_active_ratio",
                "gpu_freq_mhz",
            )
        ]
        assert said["system_w"] == wanted["sys_power"]


def damage(dice: random.Random, line: str) -> str:
    kind = dice.randrange(5)
    if kind == 0:
        return line[: dice.randrange(len(line) - 2)]
    if kind == 1:
        return line.replace(
            "0.31", dice.choice(["NaN", "Infinity", '"0.31"', "[0.31]", "-4", "1e999"])
        )
    if kind == 2:
        return line.replace("7.75", dice.choice(["{}", "true", '"x"', "-0.5", "[[[[]]]]"]))
    if kind == 3:
        return line.replace('"memory": {', '"memory": [{', 1)
    return dice.choice(["", "null", "[]", "3", "{}", "Error: no sensor", "[" * 100_000, "\x00\xff"])


def test_a_thousand_damaged_lines_are_refused_and_nothing_stops():
    dice = random.Random(2)  # noqa: S311 - examples, the same each time
    for _ in range(1_000):
        with pytest.raises(EngineProtocolError):
            to_readings(parse(damage(dice, LINE)), Tiers())


def test_no_reading_is_a_number_that_is_none():
    for reading in to_readings(parse(LINE), Tiers()):
        assert reading.metric in METRICS
        assert (reading.value is None) == (reading.quality == "unavailable")
        assert reading.value is None or math.isfinite(reading.value)


class Lines:
    def __init__(self, *lines: str | Exception) -> None:
        self.lines = list(lines)
        self.closed = False

    def newest(self, within_s: float) -> bytes:
        said = self.lines.pop(0)
        if isinstance(said, Exception):
            raise said
        return said.encode()

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("version", "usable", "words"),
    [
        ("macmon 0.8.2\n", True, ""),
        ("macmon 0.10.0\n", True, ""),
        ("macmon 0.8.1\n", False, "0.8.2 is needed"),
        ("hello", False, "hello"),
    ],
)
def test_a_macmon_that_is_too_old_is_not_used(version, usable, words):
    state = Macmon(ask=programs({"macmon": version})).preflight()
    assert state.usable is usable
    assert words in state.reason


def test_a_mac_without_macmon_is_told_how_to_get_it():
    state = Macmon(ask=programs({})).preflight()
    assert (state.usable, state.hint) == (False, "brew install macmon")


def test_the_labels_of_the_chip_name_the_cores():
    soc = {"chip_name": "Apple M5 Max", "ecpu_label": "P", "pcpu_label": "S"}
    lines = Lines(json.dumps(changed(soc=soc)))
    provider = Macmon(ask=programs({"macmon": "macmon 0.8.2"}), open_stream=lambda _: lines)
    provider.preflight()
    readings = provider.readings()
    assert of(readings, "cpu_super_ratio").value == 0.2
    assert of(readings, "cpu_performance_ratio").value == 0.42
    assert of(readings, "cpu_super_ratio").source == "macmon 0.8.2"
    provider.close()
    assert lines.closed


def test_silence_is_an_error_of_the_engine():
    lines = Lines(EngineUnreachableError("macmon has printed nothing for 6 s."))
    with pytest.raises(EngineUnreachableError):
        Macmon(open_stream=lambda _: lines).readings()

import json
import math
import random

import pytest

from services.engines.silicon.macmon import Macmon, Tiers, parse, tiers_of, to_readings
from services.engines.silicon.models import METRICS
from services.engines.silicon.provider import measured
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
    assert said["cpu_ratio"] is None  # two clusters alone do not tell it
    assert "fan_rpm" not in said


def test_the_shares_of_the_older_layout_are_estimates_for_they_are_weighted_with_the_clock():
    line = parse(recorded("macmon_0.7_m2.json")) | {"cpu_usage_pct": 0.1875}
    readings = to_readings(line, Tiers())
    for metric, value in (
        ("cpu_ratio", 0.1875),
        ("gpu_ratio", 0.05),
        ("cpu_performance_ratio", 0.125),
    ):
        reading = of(readings, metric)
        assert (reading.value, reading.quality) == (value, "estimated")
        assert "weighted with the clock" in reading.reason
    assert of(readings, "cpu_performance_mhz").quality == "measured"


def test_the_aliases_of_the_older_layout_do_not_stand_in_for_the_share_of_the_time():
    line = changed(gpu_usage=[1380, 0.5], cpu_usage_pct=0.1, pcpu_usage=[3600, 0.1])
    said = of(to_readings(line, Tiers()), "gpu_ratio")
    assert (said.value, said.quality) == (0.93, "measured")
    assert of(to_readings(line, Tiers()), "cpu_ratio").value == 0.31


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


def test_a_busy_gpu_without_power_makes_its_power_and_the_sum_unavailable():
    readings = to_readings(changed(gpu_power=0.0, gpu_active_ratio=0.9), Tiers())
    for metric in ("gpu_w", "package_w"):
        assert of(readings, metric).value is None
        assert "GPU that is 90% busy" in of(readings, metric).reason
    assert of(readings, "cpu_w").value == 3.5
    idle = to_readings(changed(gpu_power=0.0, gpu_active_ratio=0.0), Tiers())
    assert of(idle, "gpu_w").value == 0.0


def test_a_busy_cpu_without_power_is_seen_in_the_older_layout_too():
    line = parse(recorded("macmon_0.7_m2.json")) | {"cpu_power": 0.0}
    assert of(to_readings(line, Tiers()), "gpu_w").value is None


def test_memory_that_uses_no_power_has_no_counter():
    reading = of(to_readings(changed(ram_power=0.0), Tiers()), "dram_w")
    assert reading.value is None
    assert "no counter" in reading.reason
    assert of(to_readings(changed(ram_power=0.0), Tiers()), "cpu_w").value == 3.5


def test_what_stood_has_a_share_of_zero_and_no_clock():
    readings = to_readings(changed(gpu_freq_mhz=0, gpu_active_ratio=0.0), Tiers())
    assert of(readings, "gpu_ratio") == measured("gpu_ratio", 0.0, "macmon", window_s=2.0)
    assert of(readings, "gpu_mhz").value is None
    assert "stood" in of(readings, "gpu_mhz").reason


def test_the_zeros_of_cores_a_chip_does_not_have_are_no_readings():
    line = changed(ecpu_cores=[], ecpu_freq_mhz=0, ecpu_active_ratio=0.0)
    said = values(to_readings(line, Tiers()))
    assert "cpu_efficiency_ratio" not in said
    assert "cpu_efficiency_mhz" not in said
    assert said["cpu_performance_ratio"] == 0.2


def test_of_three_kinds_of_cores_the_two_that_are_put_together_are_told_of_neither():
    assert tiers_of("Apple M6", "E", "S", kinds=3) == Tiers(None, "super")
    said = values(to_readings(parse(LINE), tiers_of("Apple M6", kinds=3)))
    assert said["cpu_super_ratio"] == 0.2
    assert not {m for m in said if "efficiency" in m or "performance" in m}


def test_an_idle_cpu_may_use_nothing():
    readings = to_readings(changed(cpu_power=0.0, cpu_active_ratio=0.001), Tiers())
    assert of(readings, "cpu_w").value == 0.0


def test_a_sensor_that_reads_zero_degrees_is_missing():
    readings = to_readings(changed(temp={"cpu_temp_avg": 0.0, "gpu_temp_avg": 40.0}), Tiers())
    assert of(readings, "cpu_temperature_c").value is None
    assert of(readings, "gpu_temperature_c").value == 40.0


def test_a_fan_may_turn_a_little_faster_than_its_maximum_says():
    fast = [{"name": "fan0", "rpm": 6100, "max_rpm": 6000}]
    said = values(to_readings(changed(fans=fast), Tiers()))
    assert (said["fan_rpm"], said["fan_ratio"]) == (6100, 1.0)
    with pytest.raises(EngineProtocolError):
        to_readings(changed(fans=[{"rpm": 9800, "max_rpm": 6000}]), Tiers())
    unknown = values(to_readings(changed(fans=[{"rpm": 0, "max_rpm": None}]), Tiers()))
    assert (unknown["fan_rpm"], unknown["fan_ratio"]) == (0, None)


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


def flipped(dice: random.Random, line: str) -> bytes:
    """Return the line with one to four bits turned, as a bad pipe or disk does."""
    damaged = bytearray(line.encode())
    for _ in range(dice.randrange(1, 5)):
        damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
    return bytes(damaged)


LIMITS = {"ratio": 1.0, "MHz": 20_000.0, "°C": 200.0}


def test_turned_bits_are_refused_or_leave_figures_a_machine_could_have():
    dice = random.Random(3)  # noqa: S311 - examples, the same each time
    refused = 0
    for _ in range(1_000):
        try:
            readings = to_readings(parse(flipped(dice, LINE)), Tiers())
        except EngineProtocolError:
            refused += 1
            continue
        for reading in readings:
            assert (reading.value is None) == (reading.quality == "unavailable")
            most = LIMITS.get(METRICS[reading.metric].unit, math.inf)
            assert reading.value is None or reading.value <= most
    assert refused > 300


@pytest.mark.parametrize("nonsense", ["x", True, [], {}, [[]], -1, math.nan, 10**400])
def test_every_field_that_is_read_is_checked(nonsense):
    base = parse(LINE)
    fields = [key for key in base if key not in UNREAD]
    assert len(fields) > 15
    for key in fields:
        wrong = base | {key: nonsense}
        if key in {"fans", "pcpu_cores", "ecpu_cores"} and nonsense == []:
            continue  # none, and no damage
        if key in {"temp", "memory"} and nonsense == {}:
            continue  # temperatures may be missing, and so may be the rest
        with pytest.raises(EngineProtocolError):
            to_readings(wrong, Tiers())


UNREAD = {"timestamp", "soc", "cpu_scaled_ratio", "ecpu_scaled_ratio", "pcpu_scaled_ratio",
          "gpu_scaled_ratio", "gpu_ram_power", "pcpu_cores", "ecpu_cores"}  # fmt: skip


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


def test_it_is_asked_no_more_often_than_the_counters_are_published():
    asked = []

    def start(arguments):
        asked.append(arguments)
        return Lines(LINE)

    readings = Macmon(open_stream=start).readings()
    assert asked == [("macmon", "pipe", "-i", "2000", "--soc-info")]
    assert of(readings, "cpu_w").window_s == 2.0


def test_no_use_of_the_neural_engine_is_told():
    assert not [name for name in METRICS if "ane" in name.split("_") and not name.endswith("_w")]


def test_silence_is_an_error_of_the_engine():
    lines = Lines(EngineUnreachableError("macmon has printed nothing for 6 s."))
    with pytest.raises(EngineUnreachableError):
        Macmon(open_stream=lambda _: lines).readings()

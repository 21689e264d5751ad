import base64
import re
from datetime import UTC, datetime, timedelta

from dashboard.hardware import strip
from services.engines.silicon.models import Machine, Reading
from services.telemetry.models import HostState, Series
from tests.dashboard.charts.test_timeline import HUES
from tests.hardware_seed import BOOK, STUDIO

NOW = datetime(2026, 11, 28, 8, tzinfo=UTC)


def host(*said: tuple[str, float], machine: Machine = STUDIO) -> HostState:
    found = [Reading(name, value, "measured", "macmon") for name, value in said]
    return HostState(machine, NOW, tuple(found))


def course(*values: float | None) -> Series:
    times = tuple(NOW + timedelta(seconds=2 * n) for n in range(len(values)))
    return Series(STUDIO.host, "cpu_ratio", 2.0, times, values, values, values)


def drawn(html: str) -> list[str]:
    return [base64.b64decode(one).decode() for one in re.findall(r"base64,([^\"]+)", html)]


def test_a_row_tells_load_memory_power_heat_and_thermal_level():
    said = host(
        ("cpu_ratio", 0.5), ("cpu_performance_mhz", 3900.0), ("gpu_ratio", 0.0),
        ("memory_used_bytes", 3e10), ("swap_used_bytes", 1e9), ("system_w", 61.0),
        ("gpu_temperature_c", 71.0), ("thermal_level", 1.0), ("fan_rpm", 2400.0),
    )  # fmt: skip
    told = {one.label: (one.value, one.below) for one in strip.cells(said, {})}
    assert told == {
        "CPU": ("50 %", "at 3,900 MHz"),
        "GPU": ("0 %", ""),
        "Memory": ("30.0 GB", "of 68.7 GB · swap 1.00 GB"),
        "Power": ("61.0 W", "whole machine"),
        "Temperature": ("71 °C", "GPU"),
        "Thermal level": ("▲ 1 moderate", "fan 2,400 rpm"),
    }


def test_what_nobody_reads_is_unavailable_with_the_reason_to_read():
    why = "macmon is not installed: brew install macmon"
    said = HostState(BOOK, NOW, (Reading("system_w", None, "unavailable", "macmon", why),))
    html = strip.html(strip.cells(said, {}), HUES, faded=False)
    assert html.count("unavailable") == 6
    assert f">{why}.</div>" in html
    assert ">0 " not in html


def test_pressure_stands_before_swap():
    said = host(("memory_used_bytes", 3e10), ("swap_used_bytes", 1e9), ("memory_pressure", 2.0))
    memory = next(one for one in strip.cells(said, {}) if one.label == "Memory")
    assert memory.below == "of 68.7 GB · pressure 2 warning"
    assert memory.tone == "warn"


def test_a_gap_breaks_the_line():
    said = host(("cpu_ratio", 0.5))
    cells = strip.cells(said, {"cpu_ratio": course(0.1, 0.2, None, 0.9, 1.0)})
    (picture,) = drawn(strip.html(cells, HUES, faded=False))
    assert picture.count("M") == 2 * 2  # the line and the area under it
    assert "NaN" not in picture


def test_a_silent_machine_has_no_line_and_one_sample_makes_none():
    said = host(("cpu_ratio", 0.5))
    cells = strip.cells(said, {"cpu_ratio": course(0.1, 0.2)})
    assert drawn(strip.html(cells, HUES, faded=True)) == []
    alone = strip.cells(said, {"cpu_ratio": course(0.1)})
    assert drawn(strip.html(alone, HUES, faded=False)) == []


def test_names_of_machines_and_sources_cannot_be_markup():
    odd = HostState(STUDIO, NOW, (Reading("gpu_w", None, "unavailable", "", "<b onclick='x'>"),))
    html = strip.html(strip.cells(odd, {}), HUES, faded=False)
    assert "<b onclick" not in html

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.hardware import happenings, panels
from dashboard.hardware.happened import Happening
from services.engines.silicon.models import METRICS
from services.telemetry.models import Series
from tests.hardware_seed import RUNNER, STUDIO

BEGIN = datetime(2026, 11, 28, 8, tzinfo=UTC)


def series(
    metric: str, *values: float | None, width_s: float = 2.0, spread: float = 0.0, reason: str = ""
) -> Series:
    times = tuple(BEGIN + timedelta(seconds=width_s * n) for n in range(len(values)))
    low = tuple(None if v is None else v - spread for v in values)
    high = tuple(None if v is None else v + spread for v in values)
    return Series(STUDIO.host, metric, width_s, times, values, low, high, frozenset(),
                  (reason,) if reason else ())  # fmt: skip


def found(*given: Series) -> dict[str, Series]:
    return {one.metric: one for one in given}


def test_every_metric_that_is_no_state_or_total_has_a_place_in_a_panel():
    drawn = {name for plan in panels.PLANS for name in plan.metrics} | set(panels.STATES)
    rest = METRICS.keys() - drawn
    assert rest == {
        "memory_total_bytes", "memory_available_bytes", "gpu_wired_limit_bytes", "on_battery",
        "fan_ratio",
        "disk_used_ratio", "disk_free_bytes",
    }  # fmt: skip


def test_a_machine_without_a_figure_has_no_line_for_it_and_no_empty_panel():
    made = panels.panels(
        panels.PLANS,
        found(
            series("cpu_ratio", 0.5, 0.6),
            series("cpu_efficiency_ratio", None, None, reason="no such cores"),
            series("gpu_ratio", None, None, reason="no GPU"),
        ),
        RUNNER,
    )
    assert [panel.title for panel in made] == ["CPU"]
    assert [line.name for line in made[0].lines] == ["CPU all cores"]
    assert list(made[0].lines[0].values) == pytest.approx([50, 60])


def test_what_is_missing_is_told_by_its_reason():
    plans = (panels.GPU, panels.TEMPERATURE)
    told = panels.missing(
        plans,
        found(
            series("gpu_ratio", None, reason="no GPU"),
            series("cpu_temperature_c", 50.0),
            series("gpu_temperature_c", None, reason="no GPU"),
        ),
    )
    assert told == {"no GPU": ("GPU", "GPU temperature")}


def test_power_is_stacked_and_its_sum_is_not_drawn_twice():
    power = [series(name, 2.0, 3.0) for name in panels.POWER.metrics]
    (panel,) = panels.panels((panels.POWER,), found(*power), STUDIO)
    assert [(line.name, line.stacked) for line in panel.lines] == [
        ("CPU power", True), ("GPU power", True), ("ANE power", True), ("Memory power", True),
        ("System power", False),
    ]  # fmt: skip


def test_the_sum_is_drawn_when_its_parts_are_not_known():
    (panel,) = panels.panels((panels.POWER,), found(series("package_w", 2.0)), STUDIO)
    assert [line.name for line in panel.lines] == ["Chip power"]


def test_memory_is_drawn_up_to_all_there_is_with_what_metal_lets_one_wire():
    (panel,) = panels.panels(
        (panels.MEMORY,), found(series("memory_used_bytes", 3e10, 4e10)), STUDIO
    )
    assert panel.unit == "GB"
    assert panel.top == pytest.approx(68.7, abs=0.1)
    used, wired = panel.lines
    assert list(used.values) == pytest.approx([30, 40])
    assert list(wired.values) == pytest.approx([51.5, 51.5], abs=0.1)


def test_a_mean_stands_in_the_middle_of_its_bucket_and_a_sample_where_it_was_taken():
    single = series("gpu_ratio", 0.1, 0.2)
    put_together = series("gpu_ratio", 0.1, 0.2, width_s=60, spread=0.05)
    assert panels.middles(single) == single.times
    assert panels.middles(put_together)[0] == BEGIN + timedelta(seconds=30)
    (panel,) = panels.panels((panels.GPU,), found(put_together), STUDIO)
    assert list(panel.lines[0].high) == pytest.approx([15, 25])
    (panel,) = panels.panels((panels.GPU,), found(single), STUDIO)
    assert panel.lines[0].high == ()


def test_stretches_begin_and_end_with_the_level_and_keep_the_worst_of_it():
    hot = series("thermal_level", 0, 1, 2, 1, 0, None, 1)
    seconds = [
        ((a - BEGIN).total_seconds(), (b - BEGIN).total_seconds(), level)
        for a, b, level in panels.stretches(hot, 1)
    ]
    assert seconds == [(2, 8, 2), (12, 14, 1)]
    assert panels.stretches(None, 1) == ()


def test_a_stretch_does_not_reach_over_a_gap():
    times = (BEGIN, BEGIN + timedelta(minutes=30))
    hot = Series(STUDIO.host, "thermal_level", 2.0, times, (2.0, 0.0), (2.0, 0.0), (2.0, 0.0))
    ((begin, end, _),) = panels.stretches(hot, 1)
    assert (end - begin).total_seconds() == 4


def test_bands_say_what_they_are_and_only_memory_has_those_of_pressure():
    bands = happenings.bands(
        found(
            series("thermal_level", 0, 3),
            series("low_power_mode", 1, 0),
            series("memory_pressure", 1, 2),
        )
    )
    assert [(b.label, b.tone, b.panel) for b in bands] == [
        ("thermal level 3 trapping", "bad", ""),
        ("Low Power Mode", "mode", ""),
        ("pressure 2", "warn", "Memory"),
    ]


HOUR = BEGIN + timedelta(hours=1)


def test_what_is_a_band_already_is_no_mark():
    found = [
        Happening(BEGIN, "clip version 2 deployed", "deployed", "mode"),
        Happening(BEGIN, "Low Power Mode on"),
        Happening(BEGIN + timedelta(minutes=1), "Throttling began", "throttling", "warn"),
    ]
    told = happenings.marks(found, BEGIN, HOUR)
    assert [mark.label for mark in told] == ["deployed", "throttling"]


def test_moments_that_would_touch_are_one_mark():
    at = [BEGIN + timedelta(seconds=s) for s in (0, 20, 60, 80, *range(600, 640))]
    found = [Happening(moment, "", f"a{n}", "bad" if n == 30 else "quiet") for n, moment in
             enumerate(at)]  # fmt: skip
    told = happenings.marks(found, BEGIN, HOUR)
    assert [(mark.label, mark.tone) for mark in told] == [
        ("a0, a1", "quiet"), ("a2, a3", "quiet"), ("40 events", "bad"),
    ]  # fmt: skip
    assert [mark.at for mark in told] == [at[0], at[2], at[4]]
    near = happenings.marks(found, BEGIN, BEGIN + timedelta(minutes=11))
    assert len(near) > len(told)

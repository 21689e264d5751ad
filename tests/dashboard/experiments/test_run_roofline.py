"""What a run is held against, and how that is drawn."""

from datetime import timedelta

import pytest

from dashboard.charts import roof
from dashboard.charts.theme import Colours
from dashboard.experiments.run_hardware import within
from dashboard.experiments.run_roofline import bars, html, limits_for
from dashboard.hardware.window import Window
from services.telemetry.models import HostState
from services.telemetry.roofline import Limits, roofline
from tests.dashboard.experiments.examples import START, detail
from tests.hardware_seed import RUNNER, STUDIO

M3_MAX = Limits("Apple M3 Max", 400e9, 14.1e12)
HUES = Colours(("#111111", "#222222"), ("#1",), ("#2",), *["#333333"] * 6, "#bad000", "#a11a11",
               "#acce17")  # fmt: skip
DECODING = {"tokens_per_s": 50, "weight_bytes": 4e9, "batch_size": 1, "flops_per_token": 4e9}


def test_the_limits_are_those_of_the_machine_else_of_the_chip_the_client_told():
    by_machine = limits_for(detail("a"), HostState(STUDIO, None, ()))
    assert by_machine is not None
    assert by_machine.bandwidth_bytes_s == 400e9
    by_tag = limits_for(detail("a", tags={"mlops.chip": "Apple M3 Max"}), None)
    assert by_tag is not None
    assert by_tag.bandwidth_bytes_s is None  # it depends on GPU cores that nobody told
    assert limits_for(detail("a"), HostState(RUNNER, None, ())) is None
    assert limits_for(detail("a", tags={}), None) is None


def test_both_bars_are_there_and_what_is_not_known_says_why():
    both = html(bars(roofline(DECODING, M3_MAX), M3_MAX), HUES)
    assert "Memory bandwidth: <strong>≈ 50 %</strong>" in both
    assert "of 400 GB/s, as Apple publishes" in both
    assert "of 14.1 TFLOPS fp32, estimated" in both
    assert "width:50.0%" in both
    one = html(bars(roofline({"step_time_ms": 10, "flops_per_step": 1e10}, M3_MAX), M3_MAX), HUES)
    assert "Memory bandwidth: <em>unavailable</em>" in one
    assert "it did not log bytes_per_step" in one
    assert ">0 %<" not in one


def test_more_than_the_chip_can_do_stands_out_and_stays_in_its_frame():
    much = html(bars(roofline({"step_time_ms": 1, "flops_per_step": 1e11}, M3_MAX), M3_MAX), HUES)
    assert "width:100.0%" in much
    assert HUES.warn in much


def test_names_of_chips_cannot_write_into_the_page():
    evil = Limits("<b>x</b>", 1e9, 1e12)
    assert "<b>" not in html(bars(roofline(DECODING, evil), evil), HUES)


@pytest.mark.parametrize("intensity", [0.001, 1.0, 35.0, 1e6])
def test_the_roof_bends_where_both_limits_meet_and_every_dot_is_on_the_chart(intensity: float):
    dot = roof.Dot("While it trained", intensity, min(14.1e12, intensity * 400e9) * 0.3)
    drawn = roof.spec([dot], 14.1e12, 400e9, HUES)
    line, point = drawn["series"]
    (left, low), (ridge, high), (right, flat) = line["data"]
    assert low == pytest.approx(left * 0.4)
    assert (ridge, high, flat) == (pytest.approx(35.25), 14.1, 14.1)
    x, y = point["data"][0]
    assert drawn["xAxis"]["min"] <= x <= drawn["xAxis"]["max"] == right
    assert drawn["yAxis"]["min"] <= y <= drawn["yAxis"]["max"]
    assert drawn["yAxis"]["min"] <= low


def test_a_run_is_zoomed_within_its_own_time():
    end = START + timedelta(minutes=10)
    part = Window(START + timedelta(minutes=8), end + timedelta(minutes=3), zoomed=True)
    assert within(None, (START, end)) == (START, end)
    assert within(part, (START, end)) == (part.start, end)
    elsewhere = Window(end + timedelta(hours=1), end + timedelta(hours=2), zoomed=True)
    assert within(elsewhere, (START, end)) == (START, end)

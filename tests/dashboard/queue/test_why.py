from datetime import timedelta

import pytest

from dashboard.queue import stretches, why, why_chart
from dashboard.queue.stretches import Window
from dashboard.scope import Scope
from tests.dashboard.queue.things import HUES, NOW, at, decision, wait

HOUR = Window(at(-60), NOW, "in the last hour")
WAITS = (
    wait("order", -90, -30, "a"),
    wait("thermal", -30, -10, "a"),
    wait("running", -10, None, "a"),
    wait("memory", -20, None, "b", "vision"),
    wait("order", -300, -200, "old"),
)


@pytest.mark.parametrize(
    ("span", "back", "told"),
    [
        ("1h", timedelta(hours=1), "in the last hour"),
        ("30d", timedelta(days=30), "in the last 30 days"),
        ("all", timedelta(days=7), "in the last 7 days"),
    ],
)
def test_the_window_is_the_scope_and_of_all_a_week(span: str, back: timedelta, told: str):
    found = stretches.window(Scope(None, span), NOW)
    assert (found.end - found.start, found.sentence) == (back, told)


def test_lanes_are_jobs_by_how_long_they_waited_in_the_window():
    first, second = stretches.lanes(WAITS, HOUR)
    assert (first.job, first.waited_s, len(first.stretches)) == ("a", 50 * 60, 3)
    assert (second.job, second.project, second.waited_s) == ("b", "vision", 20 * 60)
    assert [one.job for one in stretches.page([second, first], 0, 2)] == ["a", "b"]


def test_hours_are_clipped_to_the_window_and_leave_out_what_ran():
    found = stretches.hours(WAITS, HOUR)
    assert list(found) == ["lora", "vision"]
    assert found["lora"] == pytest.approx({"order": 0.5, "thermal": 1 / 3})
    assert found["vision"] == pytest.approx({"memory": 1 / 3})


def test_readings_are_told_with_source_and_what_is_missing_with_its_reason():
    figures = (
        {"metric": "thermal_level", "value": 2.0, "source": "notifyd"},
        {"metric": "on_battery", "value": 0.0, "source": ""},
        {"metric": "battery_ratio", "value": 0.42, "source": "pmset"},
        {"metric": "memory_pressure", "value": None, "reason": "nothing came for 40 s"},
        {"metric": "later", "value": None},
    )
    assert stretches.readings(decision("hold", *figures)) == (
        "thermal level 2 from notifyd, on battery no, battery 42 % from pmset, memory pressure not "
        "known (nothing came for 40 s), later not known (nobody says why)"
    )
    assert stretches.readings(decision()) == "no reading was kept"
    assert why.stance("hold") == "no heavy job starts"


def test_the_chart_has_a_series_a_reason_and_the_decisions_as_marks():
    lanes = stretches.lanes(WAITS, HOUR)
    spec = why_chart.lanes_spec(lanes, ["one", "two"], HOUR, [decision()], HUES)
    series = {one["name"]: one for one in spec["series"]}  # type: ignore[attr-defined]
    assert list(series) == ["runs", "its turn", "memory", "heat or battery", "thermal policy"]
    (turn,) = series["its turn"]["data"]
    begin, end = (round(one.timestamp() * 1000) for one in (HOUR.start, at(-30)))
    assert turn["coords"] == [[begin, 0], [end, 0]]  # clipped to the window
    assert turn["name"] == "its turn for 1 h\norder."
    assert series["memory"]["data"][0]["name"] == "memory for 20 min, and still\nmemory."
    (mark,) = series["thermal policy"]["data"]
    assert mark["name"] == "It is hot.\nno reading was kept"
    bare = why_chart.lanes_spec(lanes, ["one", "two"], HOUR, [], HUES)
    assert len(bare["series"]) == 4  # type: ignore[arg-type]


def test_the_totals_are_stacked_by_reason():
    spec = why_chart.totals_spec(stretches.hours(WAITS, HOUR), {"lora": "LoRA"}, HUES)
    assert spec["yAxis"]["data"] == ["LoRA", "vision"]  # type: ignore[index]
    bars = {one["name"]: one["data"] for one in spec["series"]}  # type: ignore[attr-defined]
    assert bars == {"its turn": [0.5, 0], "memory": [0, 0.3333], "heat or battery": [0.3333, 0]}

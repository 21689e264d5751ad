from datetime import UTC, datetime, timedelta
from typing import Any, cast

from dashboard.charts import timeline
from dashboard.charts.theme import Colours
from dashboard.charts.timeline import Band, Line, Mark, Panel
from dashboard.charts.timeline_happened import sides

START = datetime(2026, 11, 28, 8, tzinfo=UTC)
END = START + timedelta(minutes=10)
HUES = Colours(
    series=("#000001", "#000002", "#000003"), sequential=(), diverging=(), text="#101010",
    muted="#202020", line="#303030", background="#404040", surface="#505050", good="#00ff00",
    bad="#ff0000", warn="#ffaa00", accent="#0000ff",
)  # fmt: skip
TIMES = tuple(START + timedelta(minutes=n) for n in range(4))


def made(*panels: Panel, **given: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", timeline.spec(panels, START, END, HUES, **given))


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def test_times_go_to_the_browser_once_and_a_missing_value_is_a_gap_not_zero():
    spec = made(
        Panel("CPU", "%", [Line("CPU", TIMES, [1, None, 0, 3.14159265])]),
        Panel("GPU", "%", [Line("GPU", TIMES, [4, 5, 6, 7])]),
    )
    assert spec["dataset"] == [
        {
            "sourceHeader": False,
            "source": [
                [ms(TIMES[0]), 1, 4],
                [ms(TIMES[1]), None, 5],
                [ms(TIMES[2]), 0, 6],
                [ms(TIMES[3]), 3.142, 7],
            ],
        }
    ]
    assert [one["encode"]["y"] for one in spec["series"]] == [1, 2]


def test_lines_of_another_rhythm_have_a_table_of_their_own_on_the_same_axis():
    other = TIMES[::2]
    spec = made(
        Panel("loss", "", [Line("loss", other, [2.0, 1.0])], bottom=None),
        Panel("GPU", "%", [Line("GPU", TIMES, [4, 5, 6, 7])]),
    )
    assert [len(table["source"]) for table in spec["dataset"]] == [2, 4]
    assert {(a["min"], a["max"]) for a in spec["xAxis"]} == {(ms(START), ms(END))}


def test_a_range_is_drawn_from_the_least_to_the_greatest_and_has_no_legend():
    line = Line("GPU", TIMES, [4, 5, None, 7], low=[3, 4, None, 6], high=[5, 8, None, 9])
    spec = made(Panel("GPU", "%", [line]))
    assert [row[2:] for row in spec["dataset"][0]["source"]] == [[3, 2], [4, 4], [None] * 2, [6, 3]]
    assert spec["legend"][0]["data"] == ["GPU"]
    assert [one["tooltip"].get("show", True) for one in spec["series"]] == [True, False, False]


def test_equal_ends_have_no_range():
    same = [4.0, 5.0, 6.0, 7.0]
    spec = made(Panel("GPU", "%", [Line("GPU", TIMES, same, low=same, high=same)]))
    assert len(spec["series"]) == 1


def test_a_point_between_two_gaps_is_seen():
    lonely = made(Panel("GPU", "%", [Line("GPU", TIMES, [None, 5, None, None])]))
    joined = made(Panel("GPU", "%", [Line("GPU", TIMES, [None, 5, 6, None])]))
    assert lonely["series"][0]["showSymbol"]
    assert not joined["series"][0]["showSymbol"]


def test_bands_go_through_all_panels_but_for_one_that_is_of_a_panel():
    hot = Band(TIMES[0], TIMES[1], "thermal level 2")
    pressed = Band(TIMES[1], TIMES[2], "pressure 2", "bad", "Memory")
    panels = [Panel(n, "%", [Line(n, TIMES, [1, 2, 3, 4])]) for n in ("CPU", "Memory")]
    spec = made(*panels, bands=(hot, pressed))
    named = [[area[0]["name"] for area in s["markArea"]["data"]] for s in spec["series"]]
    assert named == [["thermal level 2"], ["thermal level 2", "pressure 2"]]
    shown = [[area[0]["label"]["show"] for area in s["markArea"]["data"]] for s in spec["series"]]
    assert shown == [[True], [False, True]]


def test_moments_are_named_above_and_drawn_through_every_panel():
    panels = [Panel(n, "%", [Line(n, TIMES, [1, 2, 3, 4])]) for n in ("CPU", "GPU")]
    spec = made(*panels, marks=(Mark(TIMES[2], "deployed", "mode"),))
    *lines, strip = spec["series"]
    assert all(one["markLine"]["data"][0]["xAxis"] == ms(TIMES[2]) for one in lines)
    assert strip["data"][0]["name"] == "deployed"
    assert strip["xAxisIndex"] == 2
    assert spec["axisPointer"]["link"] == [{"xAxisIndex": [0, 1]}]
    assert timeline.height_px(2, headed=True) > timeline.height_px(2)


def test_a_percent_sign_in_a_tooltip_is_one():
    spec = made(Panel("CPU", "%", [Line("CPU", TIMES, [10, 20, 30, 40])]))
    assert spec["series"][0]["tooltip"]["valueFormatter"] == "%,.1f %%"


def test_a_dragged_range_is_two_times_and_a_slip_of_the_hand_is_none():
    def dragged(*span: object) -> object:
        return timeline.picked([{"brush_type": "lineX", "coord_range": list(span)}])

    assert dragged(ms(TIMES[2]), ms(TIMES[1])) == (TIMES[1], TIMES[2])
    assert dragged(ms(TIMES[1]), ms(TIMES[1]) + 400) is None
    assert dragged("a", "b") is None
    assert timeline.picked([{"coord_range": [[0, 1], [2, 3]]}, {}]) is None
    assert timeline.picked([]) is None


def at(minutes: float, label: str = "run started") -> Mark:
    return Mark(START + timedelta(minutes=minutes), label)


def test_the_name_of_a_moment_stands_where_it_covers_no_other():
    alone = sides([at(5)], START, END)
    beside = sides([at(5), at(5.5)], START, END)  # 32 pixels apart: its own 75 are not there
    between = sides([at(4.5), at(5), at(5.5)], START, END)
    assert alone == ["right"]
    assert beside == ["left", "right"]
    assert between == ["left", "", "right"]


def test_the_name_of_a_late_moment_stays_on_the_chart():
    assert sides([at(9.9)], START, END) == ["left"]
    assert sides([at(0.1), at(9.9, "x" * 200)], START, END) == ["right", ""]
    assert sides([at(0)], START, START) == ["right"]

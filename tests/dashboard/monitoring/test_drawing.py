"""What the page draws, from plain values: strips, columns, spreads, drivers, accuracy over time."""

import base64
import re
from datetime import UTC, datetime

import pytest

from dashboard.charts.theme import Colours
from dashboard.monitoring import columns, detailed, looks, moved, right, spread
from services.monitoring import breakdown, labels
from services.monitoring.accuracy import Accuracy, Point, Quality
from services.monitoring.models import ColumnVerdict, Histogram

SERIES = ("#000010", "#000011")
HUES = Colours(SERIES, (), (), *(f"#{n:06x}" for n in range(9)))
BAD = "<img src=x>"


def column(name: str = "input.a", **more: object) -> ColumnVerdict:
    given: dict[str, object] = {
        "name": name, "role": "input", "kind": "numeric", "state": "steady", "effect": 0.05,
        "threshold": 0.1, "measure": "m", "p_value": 0.5, "n_reference": 10, "n_current": 20,
        "importance": 0.2, "reference": Histogram((0.0, 1.0, 2.0), (), (0.25, 0.75)),
        "current": Histogram((0.0, 1.0, 2.0), (), (0.5, 0.5)), "said": "said",
    }  # fmt: skip
    return ColumnVerdict(**{**given, **more})  # type: ignore[arg-type]


# Strips


def layers(drawn: str) -> list[tuple[float, float, int]]:
    """(left, width) in percent of the whole, and height in px, of each layer."""
    found = re.findall(r"\) ([\d.]+)% 100%/([\d.]+)% (\d+)px", drawn)
    return [
        (round(float(at) * (1 - float(wide) / 100), 1), round(float(wide), 1), int(high))
        for at, wide, high in found
    ]


def test_a_strip_has_a_layer_a_run_where_it_was():
    drawn = looks.strip((None, "steady", "steady", "high", None, "unknown"), HUES, "told")
    sixth = 100 / 6
    assert layers(drawn) == [
        (round(sixth, 1), round(2 * sixth, 1), 5), (50.0, round(sixth, 1), 14),
        (round(5 * sixth, 1), round(sixth, 1), 2),
    ]  # fmt: skip


def test_the_worse_the_taller():
    heights = [
        layers(looks.strip((None, degree), HUES, ""))[0][2]
        for degree in ("unknown", "steady", "low", "medium", "high")
    ]
    assert heights == sorted(set(heights))


@pytest.mark.parametrize("found", [(), (None, None), ("high",)])
def test_strips_of_nothing_and_of_one(found: tuple[looks.Degree | None, ...]):
    drawn = looks.strip(found, HUES, "told")
    assert "nan" not in drawn
    assert ("background" in drawn) == ("high" in found)


def test_a_strip_is_told_in_words():
    found = (None, "steady", "low", "high", "too few")
    assert looks.told(found, "data", "in the last day") == (
        "In the last day: drifted in 2 of 4 stretches"
    )
    assert looks.told((None,), "data", "in the last day") == "Not checked in the last day"


def test_what_is_not_steady_never_looks_steady():
    steady = looks.overall("steady")
    for degree in looks.DEGREES:
        shown = looks.overall(degree)
        if degree != "steady":
            assert (shown.sign, shown.word, shown.colour) != (
                steady.sign, steady.word, steady.colour,
            )  # fmt: skip
            assert {shown.sign, shown.word, shown.colour}.isdisjoint(
                {steady.sign, steady.word, steady.colour}
            )


# Columns


def test_the_threshold_is_the_same_mark_in_every_bar():
    found = [column("input.a", effect=0.8), column("input.b", effect=0.05)]
    assert columns.scale(found) == 8.0
    drawn = columns.html(found, "input.a", lambda name: f"/m?column={name}", HUES)
    marks = re.findall(r"([\d.]+)px 0/2px", drawn)
    assert len(marks) == 2
    assert len(set(marks)) == 1
    widths = [float(one) for one in re.findall(r"0 50%/([\d.]+)px", drawn)]
    assert widths[0] == pytest.approx(16 * widths[1], rel=0.02)


def test_what_is_not_known_of_a_column_is_a_dash():
    one = column(
        effect=None, threshold=None, p_value=None, importance=None, reference=None, current=None
    )
    drawn = columns.html([one], "", str, HUES)
    assert drawn.count(columns.NONE) == 4
    assert not re.search(r">0(\.0+)?( %)?<", drawn)


def test_every_word_of_a_column_is_text():
    one = column(f"input.{BAD}", measure=BAD, said=BAD)
    drawn = columns.html([one], "", lambda name: f"/m?column={name}", HUES)
    assert BAD not in drawn
    assert "&lt;img" in drawn
    assert BAD not in moved.bars([(one, 1.0)], HUES)


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (0.00001, "&lt; 0.0001"), (0.5, "0.5000"), (0.0, "&lt; 0.0001")],
)
def test_p_values_are_never_rounded_to_nothing(value: float | None, said: str):
    assert columns.p_value(value) == said


# Spreads


def test_figures_are_two_outlines_over_the_same_bars():
    made = spread.outlines(column(), HUES)
    then, now = made["series"]  # type: ignore[misc]
    assert then["data"] == [[0.0, 25.0], [1.0, 75.0], [2.0, 75.0]]
    assert now["data"] == [[0.0, 50.0], [1.0, 50.0], [2.0, 50.0]]
    assert now["itemStyle"]["color"] == SERIES[0]


def test_categories_are_bars_beside_each_other():
    then, now = (Histogram((), ("a", "", "x" * 60), shares) for shares in ((0.5, 0.3, 0.2),) * 2)
    made = spread.bars(then, now, HUES)
    labels = made["yAxis"]["data"]  # type: ignore[index]
    assert labels[:2] == ["a", "(empty text)"]
    assert len(labels[2]) <= 22


def test_the_small_drawing_has_both():
    drawn = spread.small(column(), HUES, "told")
    data = re.search(r"base64,([^\"]+)", drawn)
    assert data is not None
    picture = base64.b64decode(data[1]).decode()
    assert picture.count("<path") == 2
    assert "NaN" not in picture
    assert spread.small(column(current=None), HUES, "told") == ""
    empty = Histogram((), ("a",), (0.0,))
    assert "<img" in spread.small(column(reference=empty, current=empty), HUES, "told")


# Accuracy


def quality(value: float, metric: str = "accuracy") -> Quality:
    return Quality(metric, value, value - 0.01, value + 0.01, 100, 0.3)  # type: ignore[arg-type]


def accuracy(*points: tuple[float, float, bool]) -> Accuracy:
    made = tuple(Point(at, quality(value), is_open) for at, value, is_open in points)
    return Accuracy("classification", quality(0.9), made, 10, 9, 0, 0, 5.0, "said")


def test_a_stretch_without_labels_is_a_gap():
    found = accuracy((0.0, 0.9, False), (60.0, 0.8, False), (240.0, 0.7, True))
    line, before = right.panel(found, quality(0.95), 60.0).lines
    assert line.values == pytest.approx([90.0, 80.0, None, 70.0])
    assert line.low[0] == pytest.approx(89.0)
    assert set(before.values) == {95.0}
    assert before.dashed
    assert list(line.times) == sorted(line.times)


def test_the_stretch_whose_labels_are_to_come_is_shaded():
    end = datetime.fromtimestamp(300.0, UTC)
    found = accuracy((0.0, 0.9, False), (240.0, 0.7, True))
    (band,) = right.bands(found, end)
    assert (band.start.timestamp(), band.end) == (240.0, end)
    assert right.bands(accuracy((0.0, 0.9, False)), end) == []


def test_a_figure_of_another_kind_is_no_line_to_compare_with():
    found = accuracy((0.0, 0.9, False))
    assert len(right.panel(found, quality(3.0, "mae"), 60.0).lines) == 1
    assert len(right.panel(found, None, 60.0).lines) == 1


def test_a_cell_of_the_matrix_is_its_share_of_the_true_class():
    found = breakdown.of(labels.of_rows(["a"] * 4 + ["b"], ["a", "a", "a", "b", "b"]), None)
    assert found is not None
    (series,) = detailed.matrix(found, HUES)["series"]  # type: ignore[misc,call-overload]
    assert [(one["value"], one["name"]) for one in series["data"]] == [
        ([0, 0, 75.0], "3"), ([1, 0, 25.0], "1"), ([1, 1, 100.0], "1"),
    ]  # fmt: skip


def test_errors_are_drawn_without_a_past_too():
    found = breakdown.of(labels.of_rows([0.5, 1.5, 2.5], [0.75, 1.0, 2.5]), None)
    assert found is not None
    assert found.off is not None
    drawn = spread.figures(found.off_then, found.off, "answer − label", HUES)
    assert [one["name"] for one in drawn["series"]] == ["now"]  # type: ignore[attr-defined]

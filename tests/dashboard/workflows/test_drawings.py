"""The drawings: where boxes, cells and bars are, and that all of it is said in words as well."""

import re
from datetime import UTC, timedelta
from html.parser import HTMLParser

import pytest

from dashboard import navigation
from dashboard.workflows import bars, flow, gantt, grid, table, trend
from dashboard.workflows.figures import Line
from dashboard.workflows.flow import Node, placed
from services.mirror.workflow_figures import Record
from tests.dashboard.workflows.made import HUES, NOW, run, task
from tests.services.mirror.workflow_things import STEPS, workflow

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture(autouse=True)
def _addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let links be made outside a page."""

    def made(name: str, **params: str | None) -> str:
        return f"/{name}?" + "&".join(f"{k}={v}" for k, v in params.items() if v is not None)

    monkeypatch.setattr(navigation, "address", made)


class Read(HTMLParser):
    """Checks that tags close in order; collects tags and titles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.titles: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.titles += [found["title"] or ""] if "title" in found else []
        self.links += [found["href"] or ""] if "href" in found else []
        if tag not in {"br", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


# Flows


def test_a_box_is_right_of_all_it_follows():
    found = placed(list("abcd"), [("a", "b"), ("b", "d"), ("a", "d"), ("a", "c"), ("c", "d")])
    assert [found[key][0] for key in "abcd"] == [0, 1, 1, 2]
    assert {found["b"][1], found["c"][1]} == {0, 1}
    assert found["a"][1] == found["d"][1] == 0.5  # the column is centred


def test_lines_do_not_cross_where_they_need_not():
    keys = ["a1", "a2", "a3", "b1", "b2", "b3"]
    found = placed(keys, [("a1", "b3"), ("a2", "b2"), ("a3", "b1")])
    assert [found[k][1] for k in ("b3", "b2", "b1")] == [found[k][1] for k in ("a1", "a2", "a3")]


def test_a_circle_and_unknown_boxes_stop_nothing():
    found = placed(["a", "b"], [("a", "b"), ("b", "a"), ("a", "gone"), ("a", "a")])
    assert set(found) == {"a", "b"}
    assert placed([], []) == {}


def test_a_flow_says_states_in_words_and_escapes_what_people_typed():
    nodes = [
        Node("a", HOSTILE, "failed 2 min ago", "failed", "/workflows?dag=a", HOSTILE),
        Node("b", "asset", round=True),
    ]
    drawn = flow.html(nodes, [("a", "b")], HUES)
    read = Read(drawn)
    assert "script" not in read.tags
    assert read.titles == [HOSTILE, "asset"]
    assert "✕ failed 2 min ago" in drawn
    assert "#bad" in drawn
    assert read.tags.count("img") == 1  # the lines
    assert "img" not in Read(flow.html(nodes, [], HUES)).tags


# Bars


def test_a_bar_is_as_high_as_its_run_was_long():
    assert bars.height_px(60, 60) == bars.HEIGHT_PX
    assert bars.height_px(30, 60) == bars.HEIGHT_PX // 2
    assert bars.height_px(0.01, 60) == bars.height_px(None, 60) == bars.LEAST_PX


def test_bars_lead_to_their_runs_and_say_how_they_ended():
    runs = [run(run_id=HOSTILE), run(run_id="two", state="failed")]
    read = Read(bars.html(runs, HUES, NOW))
    assert read.links[1] == "/workflows?dag=lora.train&run=two"
    assert read.titles[1] == "failed just now, took 2 min, by hand"
    assert "script" not in read.tags


def test_only_the_last_runs_are_drawn():
    runs = [run(run_id=f"r{n}") for n in range(20)]
    assert len(Read(bars.html(runs, HUES, NOW, 5)).links) == 5


# The table


def test_a_row_tells_the_last_run_its_cause_and_what_is_usual():
    one = workflow(title=HOSTILE, paused=True, broken=True)
    found = Line(one, "LoRA", (run(caused_by=("lora.train", "x")),), Record(4, 3, 90.0))
    drawn = table.html([found, Line(workflow("vision"), "Vision", (), Record(0, 0, None))],
                       HUES, NOW, UTC)  # fmt: skip
    read = Read(drawn)
    assert "script" not in read.tags
    told = (
        "✕ broken", "paused", "✓ succeeded just now", "set off by lora.train", "never ran",
        "1 min 30 s", "75 % of 4", "none ended", "by hand",
    )  # fmt: skip
    for words in told:
        assert words in drawn, words


def test_the_next_run_is_told_unless_it_is_paused():
    soon = workflow(schedule="@daily", next_run_at=NOW + timedelta(hours=3))
    paused = workflow(schedule="@daily", next_run_at=NOW + timedelta(hours=3), paused=True)
    assert "in 3 h" in table.html([Line(soon, "", (), Record(0, 0, None))], HUES, NOW, UTC)
    drawn = table.html([Line(paused, "", (), Record(0, 0, None))], HUES, NOW, UTC)
    assert "in 3 h" not in drawn
    assert "@daily, paused" in drawn


# The grid


def test_rows_are_in_the_order_of_the_workflow_and_lost_tasks_at_the_end():
    tasks = [task(task_id="gone"), task(task_id="gate"), task(task_id="train")]
    found = grid.grid(workflow(), [run()], tasks)
    assert [name for name, _ in found.tasks] == [*STEPS, "gone"]
    assert [name for name, _ in grid.grid(None, [run()], tasks).tasks] == ["gone", "gate", "train"]


def test_a_cell_leads_to_the_log_of_what_is_worst_in_it():
    mapped = [task("success", map_index=0), task("failed", map_index=1)]
    found = grid.grid(workflow(), [run(run_id="new"), run()], mapped)
    assert [one.run_id for one in found.runs] == ["one", "new"]
    drawn = grid.html(found, HUES, NOW, UTC)
    read = Read(drawn)
    assert "/workflows?dag=lora.train&run=one&task=train[1]" in read.links
    assert "train: 1 of 2 tasks failed" in read.titles
    assert "not part of this run" in read.titles


def test_a_large_workflow_shows_fewer_runs():
    tasks = [task(task_id=f"t{n}") for n in range(400)]
    runs = [run(run_id=f"r{n}") for n in range(25)]
    assert len(grid.grid(None, runs, tasks).runs) == grid.CELLS // 400


def test_a_cell_tells_length_and_tries():
    assert grid.cell_said("train", [task(tries=3)], "success") == "train: succeeded in 1 min, try 3"
    assert grid.cell_said("train", [task("running")], "running") == "train: running"


# Tasks over time


def test_bars_are_shares_of_the_time_of_the_run():
    shown = gantt.gantt(run(started_at=NOW - timedelta(seconds=100)), [task()], NOW)
    assert shown is not None
    assert shown.length_s == 100
    assert shown.bars[0].wait == (0.0, 0.2)
    assert shown.bars[0].run == (0.2, 0.8)


def test_what_runs_grows_with_the_time():
    running = run(state="running", ended_at=None, started_at=NOW - timedelta(seconds=100))
    later = NOW + timedelta(seconds=100)
    for now, length in ((NOW, 100), (later, 200)):
        shown = gantt.gantt(running, [task("running"), task("queued"), task("none")], now)
        assert shown is not None
        assert shown.length_s == length
        assert shown.bars[0].run == (20 / length, 1.0)
        assert shown.bars[1].wait == (0.0, 1.0)
        assert shown.bars[2].run is None


def test_a_run_without_a_queued_task_has_no_drawing():
    waiting = [task("none", queued_at=None, scheduled_at=None)]
    assert gantt.gantt(run(state="queued", started_at=None), waiting, NOW) is None


def test_a_cleared_task_of_a_run_that_had_ended_is_on_the_axis():
    ended = run(ended_at=NOW - timedelta(hours=1), started_at=NOW - timedelta(hours=2))
    again = task(
        "running", started_at=NOW - timedelta(seconds=60), queued_at=None, scheduled_at=None
    )
    shown = gantt.gantt(ended, [again], NOW)
    assert shown is not None
    assert shown.length_s == 7200
    assert shown.bars[0].run is not None
    assert shown.bars[0].run[1] == 1.0


@pytest.mark.parametrize(
    ("length", "marks"),
    [(4, (1, 2, 3, 4)), (100, (30, 60, 90)), (7200, (1800, 3600, 5400, 7200)), (0.5, ())],
)
def test_the_axis_has_round_marks(length: float, marks: tuple[int, ...]):
    assert gantt.ticks(length) == marks


def test_the_drawing_says_each_row():
    shown = gantt.gantt(run(), [task("failed", title=HOSTILE, tries=2)], NOW)
    assert shown is not None
    drawn = gantt.html(shown, HUES, NOW, "train")
    read = Read(drawn)
    assert "script" not in read.tags
    assert "train: failed, waited 20 s, ran 1 min, try 2" in read.titles
    assert re.search(r"20 s · 1 min", drawn)


# How long runs took


def test_of_many_tasks_the_longest_are_named_and_the_rest_put_together():
    tasks = [
        task(task_id=f"t{n}", started_at=NOW - timedelta(seconds=n + 1), ended_at=NOW)
        for n in range(10)
    ]
    found = trend.series(grid.grid(None, [run()], tasks))
    assert list(found) == ["t4", "t5", "t6", "t7", "t8", "t9", "all others"]
    assert found["all others"] == [1 + 2 + 3 + 4]
    assert sum(values[0] for values in found.values()) == sum(range(1, 11))


def test_lengths_are_in_the_unit_that_fits():
    shown = grid.grid(None, [run()], [task(started_at=NOW - timedelta(hours=3), ended_at=NOW)])
    option = trend.spec(shown, trend.series(shown), HUES)
    assert option["yAxis"]["name"] == "h"  # type: ignore[index]
    assert option["series"][0]["data"] == [3.0]  # type: ignore[index]
    assert trend.series(grid.grid(None, [run()], [])) == {}

"""The log as it is read, searched and drawn."""

from datetime import UTC

import pytest

from dashboard.workflows import logbook, loghtml
from dashboard.workflows.logbook import Line, LogBook, Match, find, matching, shown
from services.engines.airflow.models import LogLine, LogPage
from tests.dashboard.workflows.made import HUES, NOW


def said(*texts: str, level: str = "info", error: str | None = None) -> tuple[LogLine, ...]:
    return tuple(LogLine(NOW, level, None, text, error) for text in texts)


def book(*texts: str) -> LogBook:
    made = LogBook()
    made.add(LogPage(said(*texts), None))
    return made


def test_pages_are_put_behind_each_other():
    made = LogBook()
    made.add(LogPage(said("one", "two\nthree"), "next"))
    assert (made.next_page, made.ended) == ("next", False)
    made.add(LogPage(said("four"), None))
    assert [(line.number, line.text) for line in made.lines] == [
        (1, "one"), (2, "two"), (3, "three"), (4, "four"),
    ]  # fmt: skip
    assert made.ended


def test_what_airflow_says_of_itself_is_left_out_over_pages():
    made = LogBook()
    made.add(LogPage(said("::group::Sources", "a path"), "next"))
    made.add(LogPage(said("another", "::endgroup::", "epoch 1"), None))
    assert [line.text for line in made.lines] == ["epoch 1"]


def test_a_traceback_is_lines_of_its_own():
    made = LogBook()
    made.add(LogPage(said("it failed", level="ERROR", error='  File "x"\nKeyError: 1'), None))
    assert [line.text for line in made.lines] == ["it failed", '  File "x"', "KeyError: 1"]
    assert made.text().splitlines()[0] == "2026-03-01 12:00:00 ERROR it failed"


def test_a_long_log_keeps_its_newest_lines():
    made = LogBook()
    made.add(LogPage(said(*(f"line {n}" for n in range(logbook.HELD + 5))), None))
    assert made.dropped == 5
    assert made.lines[0].number == 6
    assert made.count == logbook.HELD + 5


def test_a_text_is_found_whatever_its_case_and_as_it_is():
    lines = book("Loss 0.5 loss", "nothing", "a.b LOSS").lines
    assert find(lines, "loss") == (Match(0, 0, 4), Match(0, 9, 13), Match(2, 4, 8))
    assert find(lines, ".b") == (Match(2, 1, 3),)
    assert find(lines, "  ") == ()
    assert find(book("İx İx").lines, "x") == (Match(0, 1, 2), Match(0, 4, 5))


def test_of_too_many_matches_the_newest_are_kept():
    found = find(book("a", "a" * logbook.LINE_LIMIT, *["a"] * 3).lines, "a")
    assert len(found) == logbook.MATCHES
    assert found[0] == Match(1, 3, 4)


@pytest.mark.parametrize(
    ("total", "most", "around", "span"),
    [
        (10, 4, None, (6, 10)),
        (3, 4, None, (0, 3)),
        (100, 10, 50, (45, 55)),
        (100, 10, 1, (0, 10)),
        (100, 10, 99, (90, 100)),
        (100, 10, 93, (90, 100)),
    ],
)
def test_what_is_shown_is_the_end_or_what_is_round_a_match(
    total: int, most: int, around: int | None, span: tuple[int, int]
):
    assert shown(total, most, around) == span


def test_only_lines_that_match():
    lines = list(book("a", "b", "ab", "a a").lines)
    kept = matching(lines, find(lines, "a"), 2)
    assert [(place, line.text) for place, line in kept] == [(2, "ab"), (3, "a a")]


def test_what_was_looked_for_is_marked_and_nothing_is_taken_for_html():
    line = Line(1, None, "error", "<b>x</b> & <b>")
    found = find([line], "<b>")
    drawn = loghtml.html([(0, line)], found, found[1], HUES, UTC)
    assert "<b>" not in drawn
    assert drawn.count("<mark ") == 2
    assert drawn.count(f'id="{loghtml.HERE}"') == 1
    assert "&lt;/b&gt; &amp; <mark id=" in drawn
    assert "ERROR" in drawn


def test_a_line_of_many_letters_is_cut():
    line = Line(1, NOW, "", "x" * 10_000)
    assert len(loghtml.html([(0, line)], (), None, HUES, UTC)) < logbook.LINE_LIMIT + 1_000


def test_a_traceback_is_of_the_level_of_its_first_line():
    made = LogBook()
    made.add(LogPage(said("it failed", level="error", error="one\ntwo"), None))
    assert made.text().count("ERROR") == 1
    drawn = loghtml.html(list(enumerate(made.lines)), (), None, HUES, UTC)
    assert drawn.count("ERROR") == 1
    assert drawn.count("#bad") == 3

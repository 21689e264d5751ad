"""Each cause has a chart of what its check compared, and a link that names it."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from services.causes import explain
from services.causes.case import Side
from services.causes.models import Cause, Chart
from services.monitoring.models import Histogram, State
from tests.services.causes.blamed import DRAWN, FIRST, one_sided
from tests.services.causes.scenes import COUNT, HOUR_S, ONSET, column, failing, scene, since_onset

SAME = {"relation"}
"""Here the circumstance is as it was, and that is the point."""


def first(kind: str) -> tuple[Cause, Chart]:
    cause = explain(FIRST[kind]()).first
    assert cause is not None
    assert cause.chart is not None
    return cause, cause.chart


@pytest.mark.parametrize("kind", FIRST)
def test_the_link_of_a_cause_names_its_chart_and_the_time_that_is_compared(kind: str):
    case = FIRST[kind]()
    cause, _ = first(kind)
    told = urlsplit(cause.link)
    said = {name: values[0] for name, values in parse_qs(told.query).items()}
    assert told.path == "/monitoring"
    assert (said["deployment"], said["part"]) == ("lora.net", "causes")
    assert (said["symptom"], said["cause"]) == (case.symptom, kind)
    assert said.get("column", "") == cause.column
    assert (float(said["since"]), float(said["until"])) == (ONSET, ONSET + HOUR_S)


@pytest.mark.parametrize("kind", FIRST)
def test_the_chart_of_each_kind_shows_what_moved_and_what_got_worse(kind: str):
    _, chart = first(kind)
    assert chart.title
    assert len(chart.labels) == len(chart.then) == len(chart.now) >= 1
    assert sum(chart.then) == pytest.approx(100 if chart.begins else COUNT)
    moved = max(abs(then - now) for then, now in zip(chart.then, chart.now, strict=True))
    assert (moved > 4) == (kind not in SAME), (chart.then, chart.now)
    if kind == "lost":  # the verdict alone tells of it: there are no rows of that column
        assert (chart.of, chart.begins) == ("values", ())
        return
    before = np.array(chart.begins) < ONSET
    assert ONSET in chart.begins
    worse = np.array([np.nan if v is None else v for v in chart.outcome_course])
    assert np.nanmean(worse[~before]) > 1.2 * np.nanmean(worse[before])
    known = [v for v in (*chart.then_outcome, *chart.now_outcome) if v is not None]
    assert len(known) >= 2


def test_a_figure_is_drawn_as_the_mean_of_each_step():
    _, chart = first("replicas")
    (course,) = chart.courses
    before = np.array(chart.begins) < ONSET
    assert course.name == "Model servers"
    assert set(np.array(course.values)[before]) == {2.0}
    assert set(np.array(course.values)[~before]) == {1.0}


def test_a_mix_is_drawn_as_the_share_of_each_label():
    _, chart = first("clients")
    assert {one.name for one in chart.courses} == {"key k1", "key k2"}
    sums = np.sum([one.values for one in chart.courses], axis=0)
    assert sums == pytest.approx(100.0)
    assert chart.labels == ("key k1", "key k2")
    assert chart.then == (100.0, 0.0)
    assert 30 < chart.now[1] < 50
    assert chart.then_outcome[1] is None  # nobody asked with it then


def test_many_labels_are_the_most_frequent_and_the_rest_together():
    keys = [f"n{place % 30}" for place in range(COUNT)]
    case = scene(now={"key": keys}, symptom="errors", outcome=failing(since_onset))
    (cause,) = (one for one in explain(case).causes if one.kind == "clients")
    assert cause.chart is not None
    assert len(cause.chart.labels) == 8
    assert cause.chart.labels[-1] == "others"
    assert sum(cause.chart.now) == pytest.approx(100.0)
    assert len(cause.chart.courses) == 5


def test_an_input_that_a_verdict_alone_tells_of_is_drawn_as_the_verdict_keeps_it():
    told = replace(
        column("a", 0.9, 0.6),
        reference=Histogram((0.0, 1.0, 2.0), (), (0.75, 0.25)),
        current=Histogram((0.0, 1.0, 2.0), (), (0.25, 0.75)),
    )
    case = scene(symptom="data", worse=True, moved=(told,))
    empty = case.then.rows.take(np.zeros(0, dtype=np.int64))
    cause = explain(replace(case, then=Side(ONSET - HOUR_S, ONSET, empty))).first
    assert cause is not None
    chart = cause.chart
    assert chart is not None
    assert (chart.title, chart.of, chart.begins) == ("The input a", "% of the values", ())
    assert chart.labels == ("0 to 1", "1 to 2")
    assert (chart.then, chart.now) == ((75.0, 25.0), (25.0, 75.0))


def test_an_input_that_stopped_coming_is_drawn_as_rows_with_and_without_a_value():
    told = column("a", None, 0.6, "missing")
    case = scene(symptom="quality", worse=True, outcome=failing(since_onset), moved=(told,),
                 columns=(DRAWN[0], {"input.b": DRAWN[1]["input.b"]}))  # fmt: skip
    (cause,) = (one for one in explain(case).causes if one.kind == "lost")
    assert cause.chart is not None
    assert cause.chart.labels == ("with a value", "without a value")
    assert (cause.chart.then, cause.chart.now) == ((100.0, 0.0), (0.0, 100.0))


@pytest.mark.parametrize(("state", "came"), [("missing", 0), ("new", 1)])
def test_an_input_that_came_or_went_without_a_region_has_no_outcome(state: State, came: int):
    chart = explain(one_sided(state, came)).causes[0].chart
    assert chart is not None
    shares = (100.0, 0.0), (0.0, 100.0)
    assert (chart.then, chart.now) == (shares[came], shares[1 - came])
    assert chart.then_outcome == chart.now_outcome == (None, None)

"""Labels that are late, labels that come first and are no fair sample, and rows that are alike."""

from itertools import count

import numpy as np
import pytest

from services.home import Home
from services.monitoring import accuracy, labels_window
from services.monitoring.labels import Labelled
from services.objectives import asking
from services.objectives.models import Objective
from services.predictions import monitoring as log
from services.predictions.columns import table
from services.predictions.folder import Folder, day
from services.predictions.labels import MATCHED_TYPES
from services.predictions.parquet import write
from tests.services.predictions.records import NOON, request_id

DAY_S, M = 86_400.0, ("p", "m")
_names = count()


def matched(home: Home, at: float, number: int, *, delay_s: float, right: bool, version: int = 3):
    """Keep labels beside predictions of a moment, as the compactor does."""
    rows = [
        (request_id(at + n / 100), round((at + delay_s) * 1e6), round((at + n / 100) * 1e6),
         version, "", "full", "1" if right else "0", '{"y": [1]}')
        for n in range(number)
    ]  # fmt: skip
    write(Folder(home).of_feedback(*M, day(at)), f"f{next(_names)}", table(rows, MATCHED_TYPES))


def judged(home: Home) -> labels_window.Labels:
    return labels_window.read(home, *M, 3, NOON)


def test_labels_that_take_ten_days_are_judged(home: Home):
    for ago in range(10, 40):
        matched(home, NOON - ago * DAY_S - 60, 20, delay_s=10 * DAY_S, right=ago % 2 == 0)
    seen = judged(home)
    assert (seen.late_s, seen.until) == (pytest.approx(10 * DAY_S, abs=1), NOON - seen.late_s)
    assert seen.found.overall is not None
    assert seen.found.overall.rows >= labels_window.ENOUGH, "a day has 20, a week 140"
    assert seen.found.overall.value == pytest.approx(0.5, abs=0.02)
    assert seen.told("Said.").endswith(" UTC: nine of ten labels take up to 10 days.")
    assert seen.told("Said.").startswith("Said. Of predictions ")


def test_those_that_come_first_do_not_decide(home: Home):
    """Complaints come within the hour, a tenth of all; what went well is labelled in three days."""
    for ago in range(12):
        at = NOON - ago * DAY_S - 7200
        matched(home, at, 40, delay_s=600, right=False)
        if ago >= 3:
            matched(home, at + 100, 360, delay_s=3 * DAY_S, right=True)
    seen = judged(home)
    assert seen.late_s == pytest.approx(3 * DAY_S, abs=5)
    assert seen.found.overall is not None
    assert seen.found.overall.value == pytest.approx(0.9, abs=0.005)
    as_before = accuracy.read(home, *M, NOON - DAY_S, NOON, DAY_S, 3).overall
    assert as_before is not None
    assert as_before.value == 0.0, "the last day alone would have been a false alarm"


def test_where_labels_come_at_once_the_last_day_is_judged(home: Home):
    matched(home, NOON - 7200, 300, delay_s=60, right=True)
    matched(home, NOON - 3 * DAY_S, 300, delay_s=60, right=False)
    seen = judged(home)
    assert seen.found.overall is not None
    assert (seen.found.overall.value, seen.found.overall.rows) == (1.0, 300)
    assert seen.told("Said.") == "Said."


def test_without_labels_it_is_the_last_day_and_unknown(home: Home):
    seen = judged(home)
    assert (seen.found.overall, seen.late_s, seen.since) == (None, 0.0, NOON - DAY_S)


def test_a_clock_that_is_behind_makes_no_window_in_the_future(home: Home):
    matched(home, NOON - 7200, 300, delay_s=-60, right=True)
    assert (judged(home).late_s, judged(home).until) == (0.0, NOON)


def test_a_late_label_is_something_new(home: Home):
    matched(home, NOON - 40 * DAY_S, 1, delay_s=39 * DAY_S, right=True)
    assert log.came(home, *M, 3, NOON - 2 * DAY_S)
    assert not log.came(home, *M, 3, NOON - DAY_S + 1)
    assert not log.came(home, *M, 2, NOON - 2 * DAY_S)


# Rows of one request


def alike(rng: np.random.Generator, requests: int, each: int, right: float) -> Labelled:
    hits = np.repeat(rng.random(requests) < right, each)
    rows = len(hits)
    return Labelled(
        "classification", ("yes",) * rows, tuple("yes" if hit else "no" for hit in hits),
        np.full(rows, NOON), np.full(rows, 60.0), requests, 0, 0,
        np.repeat(np.arange(requests), each),
    )  # fmt: skip


def figure(found: Labelled) -> accuracy.Quality:
    one = accuracy.measured(found, found.requests, NOON - 1, NOON + 1, 2.0).overall
    assert one is not None
    return one


def test_alike_rows_are_no_false_alarm():
    rng = np.random.default_rng(5)
    bound, past = accuracy.Bound("accuracy", 0.9), figure(alike(rng, 5000, 1, 0.9))
    alarms = 0
    for _ in range(200):
        now = figure(alike(rng, 40, 50, 0.9))
        assert (now.rows, round(now.size)) == (2000, 40)
        alarms += accuracy.judge(now, past, bound).state == "drifted"
    assert alarms == 0


def test_a_loss_is_found_in_them_all_the_same():
    rng = np.random.default_rng(6)
    now = figure(alike(rng, 40, 50, 0.4))
    assert accuracy.judge(now, None, accuracy.Bound("accuracy", 0.9)).state == "drifted"


def test_requests_that_are_all_wrong_are_as_many_as_they_are():
    """A model that is right half the time is wrong in five requests of five once in 32 looks."""
    past = figure(alike(np.random.default_rng(7), 5000, 1, 0.5))
    now = figure(alike(np.random.default_rng(7), 5, 50, 0.0))
    assert (now.value, now.rows, now.size) == (0.0, 250, 5.0)
    assert accuracy.judge(now, past).state == "too few"


def test_rows_of_a_few_requests_are_too_few():
    hits = np.repeat([True, False, True, True], 50)
    found = alike(np.random.default_rng(0), 4, 50, 0.5)
    found = Labelled(
        found.task, found.target, tuple("yes" if hit else "no" for hit in hits), found.at,
        found.delay_s, 4, 0, 0, found.label_of,
    )  # fmt: skip
    one = accuracy.judge(figure(found), None, accuracy.Bound("accuracy", 0.9))
    assert one.state == "too few"
    assert "asked together and are worth 4 that were not: 30 are wanted" in one.said
    measured = accuracy.measured(found, 4, NOON - 1, NOON + 1, 2.0)
    stands = asking.judged("p", "m", Objective("accuracy", 0.9), measured)
    assert stands.state == "unknown"
    assert "Its 200 rows with a label were asked together and are worth 4" in stands.said

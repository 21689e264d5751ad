"""Benchmarks in their smallest form: they run, whatever became of what they call."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import alerts, controller_kills, drift_checks, drift_cost, drift_days, drift_delay
from benchmarks.drift_checks import Checks
from services.home import Home

NOW = 1_790_000_000.0 // 3600 * 3600


@pytest.fixture
def two_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (drift_checks, drift_days):
        monkeypatch.setattr(module, "HOURS", 2)


@pytest.mark.usefixtures("two_hours")
def test_each_kind_of_data_has_a_day_that_is_judged():
    for place, line in enumerate(drift_days.lines()):
        if drift_days.LOG not in line.title:
            alarms, judged = drift_days.one(place, 1)
            assert (alarms, judged) == (0, 2), line.title


@pytest.mark.usefixtures("two_hours")
@pytest.mark.parametrize("place", [-8, -5, -2])
def test_a_day_of_a_written_log_is_judged(place: int):
    line = drift_days.lines()[place]
    assert line.title.startswith(drift_days.LOG)
    assert line.day(np.random.default_rng(3)).judged == 2


def alarming(every: int, judged: int = 24):
    """Days of which each so many-th has an alarm."""
    return lambda _line, day: Checks(int(day % every == 0), judged)


@pytest.mark.parametrize(
    ("days", "held", "said"),
    [
        (alarming(1000), True, "1/100 = 1.00%"),
        (lambda _, day: Checks(int(day in (3, 7)), 24), True, "2/500 = 0.40%"),
        (alarming(20), False, "25/500 = 5.00%"),
        (alarming(1000, judged=0), False, "SAYS NOTHING"),
    ],
)
def test_a_line_above_the_bound_is_decided_by_four_times_as_many_more_days(
    monkeypatch, capsys, days, held, said
):
    monkeypatch.setattr(drift_days, "one", days)
    line = drift_days.Line("a line", lambda _: Checks(0, 0))
    monkeypatch.setattr(drift_days, "lines", lambda: (line,))
    with ThreadPoolExecutor(1) as pool:
        assert drift_days.run(100, pool, minutes=60) is held
    assert said in capsys.readouterr().out


def test_days_for_which_there_was_no_time_are_not_held(monkeypatch, capsys):
    monkeypatch.setattr(drift_days, "one", alarming(1000))
    with ThreadPoolExecutor(1) as pool:
        assert not drift_days.run(100, pool, minutes=0)
    assert "NOT LOOKED AT WHOLE, 0 of 100 days" in capsys.readouterr().out


def test_a_shift_of_half_a_deviation_is_found_in_each_data_set():
    for place, case in enumerate(drift_delay.cases()):
        if case.bound:
            assert drift_delay.one(place, 1), case.title


def test_a_check_of_a_small_log_is_timed_beside_evidently(tmp_path: Path, monkeypatch):
    home = Home(tmp_path / "home")
    home.create()
    asked: list[Any] = []
    monkeypatch.setattr(drift_cost, "alone", asked.append)
    bench = drift_cost.Bench(home, 2_500, 1_000, NOW)
    assert bench.checked(None) > 0
    bench.label()
    assert bench.checked(None) > 0
    for labels in (False, True):
        assert bench.evidently(labels=labels, cold=False) >= 0
    bench.close()
    assert [one.labels is not None for one in asked] == [False, True]
    assert "input.n0" in asked[0].columns or "n0" in asked[0].columns


def test_alerts_of_a_group_arrive(tmp_path: Path, capsys):
    alerts.delay(tmp_path, trials=1, count=1, patience_s=60.0)
    said = capsys.readouterr().out
    assert "1 × critical 1 of a group" in said
    assert "or more" not in said


@pytest.mark.parametrize("over_s", [0, 200])
def test_each_alert_of_a_storm_is_told_to_each_channel(tmp_path: Path, capsys, over_s: int):
    alerts.storm(tmp_path, 60, over_s)  # how many messages that takes is the benchmark's business
    assert "each alert told to each" in capsys.readouterr().out


def test_what_did_not_arrive_is_missed_and_what_came_twice_is_doubled():
    written = [SimpleNamespace(id=n, alerts=(n, n + 10)) for n in (1, 2, 3)]
    got = Counter({"1": 1, "2": 3})
    assert controller_kills.counted(got, written, {1, 2, 3, 11, 12, 13}, 6) == (2, 2)  # type: ignore[arg-type]
    assert controller_kills.counted(got, written, {1, 2, 3, 11, 12, 13}, 8) == (4, 2)  # type: ignore[arg-type]

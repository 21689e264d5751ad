"""What is noted of rounds stays noted: by checks beside them, by clocks, by a failure before."""

import time

import pytest

from services.home import Home
from services.monitoring import checking, record
from services.monitoring.checking import Asked
from services.monitoring.computing import Monitor
from tests.services.monitoring.predicted import HOUR_S, asked
from tests.services.monitoring.test_checking import home, run  # noqa: F401 - a fixture

MINE = Asked(("p.m",), report=False)


def test_a_named_check_keeps_the_failure_that_was_noted_while_it_ran(
    home: Home,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
):
    asked(home, time.time() - HOUR_S, 600, span_s=HOUR_S - 10)
    real = Monitor.check

    def check(self: Monitor, *of: object, **said: object) -> object:
        record.failed(home, time.time(), "controller", "The process was killed.")
        return real(self, *of, **said)  # type: ignore[arg-type]

    monkeypatch.setattr(Monitor, "check", check)
    run(home, MINE)
    seen = record.read(home)
    assert (seen.failing, seen.error) == (True, "The process was killed.")
    assert list(seen.looked) == ["p.m:3"]


def test_a_round_is_made_though_one_began_lately_when_the_last_came_to_nothing(
    home: Home,  # noqa: F811
):
    run(home, Asked(report=False))
    record.failed(home, time.time(), "controller", "The disk was full.")
    came = run(home, Asked(unless_younger_s=3000.0, report=False))
    assert came.skipped == ""
    assert not record.read(home).failing


@pytest.mark.parametrize("jump", [-400 * 24 * HOUR_S, -HOUR_S, 25 * HOUR_S])
def test_a_version_is_looked_at_again_when_the_clock_was_set(
    home: Home,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    jump: float,
):
    """What was compared at a time to come was compared by a clock that was wrong."""
    asked(home, time.time() - HOUR_S, 600, span_s=HOUR_S - 10)
    run(home, Asked(report=False))
    assert len(run(home, Asked(report=False)).quiet) == 1
    real = time.time
    monkeypatch.setattr(checking.time, "time", lambda: real() + jump)
    assert len(run(home, Asked(report=False)).checked) == 1

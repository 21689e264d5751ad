"""The slider over the checks of a deployment."""

from datetime import UTC

import pytest

from dashboard import state
from dashboard.monitoring import course
from services.monitoring.courses import Check

MINUTE = 1_795_953_600.0


def test_no_two_checks_have_the_same_words(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(state, "zone", lambda: UTC)
    times = (0.0, 60.0, 75.0, 75.4, 120.0)
    found = course.labels([Check(f"c{at}", MINUTE + at, 1, {}) for at in times])
    words = [word.partition(" ")[2].partition(" ")[2] for word in found.values()]
    assert words == ["12:00", "12:01:00", "12:01:15 (3)", "12:01:15 (4)", "12:02"]
    assert list(found) == [f"c{at}" for at in times]

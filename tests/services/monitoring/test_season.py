"""The baseline of the same hours: by the wall clock, and what another version answered is none."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from services.errors import InputError
from services.home import Home
from services.monitoring import baselines, reference
from services.monitoring.models import Baseline
from tests.services.monitoring.predicted import HOUR_S, asked

BERLIN = ZoneInfo("Europe/Berlin")
NINE = datetime(2026, 4, 1, 9, tzinfo=BERLIN).timestamp()
"""On a Wednesday three days after summer time began."""


def of_weeks(home: Home, zone: str, version: int = 3) -> reference.Reference | None:
    wanted = Baseline("season", weeks=2, zone=zone)
    return reference.season(home, "p", "m", version, NINE, NINE + HOUR_S, wanted)


def test_the_hours_are_those_of_the_wall_clock(home: Home):
    for day in (25, 18):
        then = datetime(2026, 3, day, 9, tzinfo=BERLIN).timestamp()
        asked(home, then, 300)  # nine in winter
        asked(home, then - HOUR_S, 100, seed=1)  # what is nine by UTC
    there, by_utc = of_weeks(home, "Europe/Berlin"), of_weeks(home, "UTC")
    assert there is not None
    assert by_utc is not None
    assert (len(there.table), len(by_utc.table)) == (600, 200)
    assert there.said == "the same hours of the 2 weeks before, by the clock of Europe/Berlin"


def test_what_another_version_answered_is_not_compared(home: Home):
    then = datetime(2026, 3, 25, 9, tzinfo=BERLIN).timestamp()
    asked(home, then, 500)  # by version 3
    newer, own = of_weeks(home, "Europe/Berlin", 4), of_weeks(home, "Europe/Berlin", 3)
    assert newer is not None
    assert own is not None
    assert {"output.label", "output.confidence"} <= newer.ignored
    assert newer.said.endswith("(version 4 answered too few of them)")
    assert own.ignored == frozenset()
    assert "input.a" in newer.importance
    asked(home, then + 600, 400, seed=2, version=4)
    mixed = of_weeks(home, "Europe/Berlin", 4)
    assert mixed is not None
    assert set(mixed.table["version"].to_pylist()) == {4}


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "x" * 300])
def test_what_is_no_zone_is_refused(zone: str):
    with pytest.raises(InputError, match="no time zone"):
        baselines.check(Baseline("season", zone=zone))

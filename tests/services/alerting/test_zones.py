"""Quiet hours where the clock changes: the hour that is missing, and the one that comes twice."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from services.alerting import hours

BERLIN = "Europe/Berlin"


def at(text: str, fold: int = 0) -> float:
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN), fold=fold)
    return local.timestamp()


def test_the_night_that_is_an_hour_shorter_ends_by_the_clock_on_the_wall():
    quiet = hours.parse("22:00-07:00", BERLIN)
    begin = at("2026-03-28T22:00")
    assert hours.over(quiet, begin) == at("2026-03-29T07:00")
    assert hours.over(quiet, begin) - begin == 8 * 3600
    assert hours.within(quiet, at("2026-03-29T06:59"))
    assert not hours.within(quiet, at("2026-03-29T07:00"))


def test_the_night_that_is_an_hour_longer_does_too():
    quiet = hours.parse("22:00-07:00", BERLIN)
    begin = at("2026-10-24T22:00")
    assert hours.over(quiet, begin) == at("2026-10-25T07:00")
    assert hours.over(quiet, begin) - begin == 10 * 3600


def test_an_hour_that_comes_twice_is_quiet_twice_and_one_that_is_missing_never():
    quiet = hours.parse("02:00-03:00", BERLIN)
    first, again = at("2026-10-25T02:30"), at("2026-10-25T02:30", fold=1)
    assert again - first == 3600
    assert hours.within(quiet, first)
    assert hours.within(quiet, again)
    assert hours.over(quiet, first) == at("2026-10-25T03:00")
    minutes = range(int(at("2026-03-29T00:00")), int(at("2026-03-29T12:00")), 60)
    assert not any(hours.within(quiet, float(one)) for one in minutes)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/St_Johns", "Asia/Kathmandu"])
def test_hours_of_far_places_and_halves_end_by_their_own_clock(zone: str):
    quiet = hours.parse("22:15-06:45", zone)
    begin = datetime(2026, 7, 1, 23, 0, tzinfo=ZoneInfo(zone))
    end = datetime.fromtimestamp(hours.over(quiet, begin.timestamp()), ZoneInfo(zone))
    assert (end.day, end.hour, end.minute) == (2, 6, 45)

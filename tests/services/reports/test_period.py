"""Stretches of time as people write them: periods, days and moments, in their zone."""

from datetime import UTC, date, datetime

import pytest

from services.errors import InputError
from services.reports.period import between, days

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def asked(since: str = "", until: str = "", period: str = "7d", zone: str = "UTC"):
    found = between(period, since, until, zone, NOW)
    return f"{found.since:%Y-%m-%dT%H:%M}", f"{found.until:%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, ("2026-11-22T12:00", "2026-11-29T12:00")),
        ({"since": "2026-09-01", "until": "2026-10-01"}, ("2026-09-01T00:00", "2026-10-01T00:00")),
        ({"since": "2026-09-01", "until": "2026-10-01", "zone": "Europe/Berlin"},
         ("2026-08-31T22:00", "2026-09-30T22:00")),
        ({"since": "2026-09-01T06:00+02:00", "until": "2026-09-02T06:00Z"},
         ("2026-09-01T04:00", "2026-09-02T06:00")),
        ({"since": "2026-11-29"}, ("2026-11-29T00:00", "2026-11-29T12:00")),
        ({"since": "2026-11-29", "until": "2027-01-01"}, ("2026-11-29T00:00", "2026-11-29T12:00")),
        ({"until": "2026-10-01", "period": "4w"}, ("2026-09-03T00:00", "2026-10-01T00:00")),
    ],
)  # fmt: skip
def test_days_are_meant_in_a_zone_and_never_reach_beyond_now(
    given: dict[str, str], found: tuple[str, str]
):
    assert asked(**given) == found


@pytest.mark.parametrize(
    "given",
    [
        {"since": "yesterday"}, {"since": "2026-13-01"}, {"since": "2027-01-01"},
        {"since": "2026-09-01", "zone": "Mars/Base"}, {"until": "0001-01-05"},
        {"since": "2026-10-01", "until": "2026-09-01"},
        {"since": "2026-09-01", "until": "2026-09-01"},
        {"since": "2024-01-01", "until": "2026-01-01"},
        {"since": "0001-01-01", "zone": "Asia/Kolkata"},
        {"since": "9999-12-31T23:59", "zone": "America/New_York"},
        {"period": "", "until": "2026-09-01"},
    ],
)  # fmt: skip
def test_what_is_no_stretch_of_time_is_refused(given: dict[str, str]):
    with pytest.raises(InputError):
        asked(**given)


def test_a_last_day_counts_whole():
    assert days(date(2026, 9, 1), date(2026, 9, 30)) == ("2026-09-01", "2026-10-01")
    assert asked(*days(date(2026, 9, 1), date(2026, 9, 1))) == (
        "2026-09-01T00:00", "2026-09-02T00:00"
    )  # fmt: skip

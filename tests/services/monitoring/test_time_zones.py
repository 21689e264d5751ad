"""Verdicts are the same wherever the machine stands, and over changes to summer time."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from services.home import Home
from services.monitoring.store import verdict_id
from tests.live import ROOT
from tests.services.monitoring.predicted import HOUR_S, asked

pytestmark = pytest.mark.slow

ZONES = ("UTC", "Pacific/Kiritimati", "America/St_Johns")
WEEK_S = 7 * 24 * HOUR_S
NOW = datetime(2026, 3, 20, 1, 0, tzinfo=UTC).timestamp()
"""Two of the three weeks before had winter time in St. John's, where it is still the day before; in
Kiritimati it is the afternoon."""
PROGRAM = """
import json, sys
from pathlib import Path
from services.home import Home
from services.monitoring.computing import Monitor
from services.monitoring.models import Baseline
from services.monitoring.store import VerdictStore

home, now = Home(Path(sys.argv[1])), float(sys.argv[2])
store = VerdictStore(home)
found = []
for baseline in (Baseline("season", weeks=3), Baseline("first"),
                 Baseline("window", now - 8 * 86400, now - 6 * 86400)):
    for one in Monitor(home, store).check("p", "m", 3, baseline=baseline, now=now).verdicts:
        found.append({**one.as_json(), "id": one.id[:15]})
store.close()
print(json.dumps(found))
"""


def told(home: Home, zone: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, str(home.root), str(NOW)],
        env={**os.environ, "TZ": zone, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_a_check_says_the_same_in_every_zone(home: Home):
    for week in (3, 2, 1):
        asked(home, NOW - week * WEEK_S - HOUR_S, 1000, seed=week)
    asked(home, NOW - HOUR_S, 2000, shift=0.5, seed=9)
    first, *others = [told(home, zone) for zone in ZONES]
    assert [one == first for one in others] == [True, True]
    data = [one for one in first if one["kind"] == "data"]
    assert [one["state"] for one in data] == ["drifted"] * 3
    season, oldest, window = (str(one["baseline"]) for one in data)
    assert season == "the same hours of the 3 weeks before"
    assert oldest.endswith("(until 2026-03-06 00:59 UTC)")
    assert window == "the predictions from 2026-03-12 01:00 to 2026-03-14 01:00 UTC"
    assert {one["id"] for one in first} == {"20260320T010000"}


@pytest.mark.parametrize("zone", ZONES)
def test_the_id_of_a_verdict_is_of_utc(zone: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert verdict_id(NOW).startswith("20260320T010000-")
    finally:
        monkeypatch.undo()
        time.tzset()

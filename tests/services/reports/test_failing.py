"""Scheduled reports that fail again and again, and what a message about one says."""

from collections.abc import Iterator

import pytest

from services.actions.journal import Journal
from services.alerting import channels, outbox
from services.alerting.models import Channel
from services.errors import PlatformError
from services.home import Home
from services.reports import schedules
from services.reports.schedules import Schedule
from services.settings import Settings
from tests import lineage_seed as seed
from tests.lineage_seed import LORA

DAY = 86_400.0


@pytest.fixture
def journal(home: Home) -> Iterator[Journal]:
    opened = Journal.open(Settings())
    yield opened
    opened.close()


def failed(journal: Journal) -> int:
    return schedules.schedules(journal)[0].failed


def test_tries_that_fail_are_counted_until_one_does_not(
    home: Home, journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    schedules.put(journal, Schedule(LORA, "day", channels=("ops",)), seed.NOW)
    real = schedules._make

    def fails(*_: object) -> None:
        raise PlatformError("The disk is full.", "Free space.")

    for number in (1, 2, 3):
        monkeypatch.setattr(schedules, "_make", fails)
        with pytest.raises(PlatformError):
            schedules.make_due(home, seed.NOW + DAY + number * 700, journal)
        assert failed(journal) == number
    one = schedules.schedules(journal)[0]
    assert (one.channels, one.trouble) == (("ops",), "The disk is full.")
    monkeypatch.setattr(schedules, "_make", real)
    assert len(schedules.make_due(home, seed.NOW + DAY + 9_000, journal)) == 1
    assert failed(journal) == 0
    assert schedules.schedules(journal)[0].channels == ("ops",)


def test_set_anew_it_counts_from_the_beginning(home: Home, journal: Journal):
    schedules.put(journal, Schedule("nobody", "day"), seed.NOW)
    with pytest.raises(PlatformError):
        schedules.make_due(home, seed.NOW + DAY, journal)
    assert failed(journal) == 1
    schedules.put(journal, Schedule("nobody", "day"), seed.NOW + DAY)
    assert failed(journal) == 0


def test_the_message_says_what_the_report_comes_to(home: Home, journal: Journal):
    channels.put(journal, Channel("ops", "json", "info"))
    schedules.put(journal, Schedule(LORA, "day", channels=("ops",)), seed.NOW - DAY)
    (made,) = schedules.make_due(home, seed.NOW + DAY, journal)
    assert made.headline
    schedules.tell(home, journal, seed.NOW + DAY, "http://here")
    (message,) = outbox.messages(journal)
    lines = message.body.splitlines()
    assert lines[1 : 1 + len(made.headline)] == list(made.headline)
    assert any(line.startswith("Objectives missed: ") for line in lines)

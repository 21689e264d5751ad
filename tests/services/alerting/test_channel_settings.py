"""What a channel is told of: kinds of alerts, days of quiet hours; and that it is changed."""

import json
import time
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from services.actions import schema
from services.actions.journal import Journal
from services.alerting import channels, deciding, hours, outbox, store, telling
from services.alerting.models import Policy, Quiet, Told
from services.errors import InputError
from tests.services.alerting.things import NOW, POLICY, alert, channel, event, ok

DRIFT = channel("ml", kinds=("drift", "accuracy"))
LATER = NOW + 60
AT_ONCE = Policy(group_wait_s=0.0)


def test_a_channel_is_told_of_the_kinds_it_hears():
    found = [alert(key=key) for key in ("drift/lora/m/data", "disk/d", "accuracy/lora.m")]
    told = telling.drafts(found, [DRIFT, channel()], [], LATER, POLICY)
    assert {one.alerts[0].kind for one in told if one.channel == "ml"} == {"drift", "accuracy"}
    assert len([one for one in told if one.channel == "ops"]) == 3


def test_the_end_is_told_to_a_channel_that_hears_no_more_of_such_alerts():
    over = replace(alert(event("disk/d"), ok("disk/d")), told={"ml": Told(NOW, "warning")})
    at = NOW + 60 + POLICY.settle_s
    (draft,) = telling.drafts([over], [DRIFT, channel()], [], at, POLICY)
    assert (draft.channel, draft.what) == ("ml", "resolved")
    over = telling.told(over, "ml", at, POLICY)
    assert telling.settled(over, frozenset({"ml", "ops"}), at + POLICY.reopen_s, POLICY)
    still = replace(alert(key="disk/d"), told={"ml": Told(NOW, "warning")})
    assert telling.drafts([still], [DRIFT], [], NOW + 9 * 86_400, POLICY) == (), "no reminders"


@pytest.mark.parametrize(
    ("span", "days", "local", "is_quiet"),
    [
        # 2026-07-03 is a Friday.
        ("22:00-07:00", "mon-fri", "2026-07-03T23:00", True),
        ("22:00-07:00", "mon-fri", "2026-07-04T06:59", True),
        ("22:00-07:00", "mon-fri", "2026-07-04T07:00", False),
        ("22:00-07:00", "mon-fri", "2026-07-04T23:00", False),
        ("22:00-07:00", "mon-fri", "2026-07-06T06:00", False),
        ("22:00-07:00", "sun", "2026-07-06T06:00", True),
        ("12:00-13:00", "fri", "2026-07-03T12:30", True),
        ("12:00-13:00", "fri", "2026-07-04T12:30", False),
        ("00:00-24:00", "sat,sun", "2026-07-04T00:00", True),
        ("00:00-24:00", "sat,sun", "2026-07-05T23:59", True),
        ("00:00-24:00", "sat,sun", "2026-07-06T00:00", False),
        ("22:00-07:00", "", "2026-07-05T23:00", True),
    ],
)
def test_days_are_those_on_which_quiet_hours_begin(
    span: str, days: str, local: str, is_quiet: bool
):
    quiet = hours.parse(span, "Europe/Berlin", days)
    at = datetime.fromisoformat(f"{local}:30+02:00").timestamp()
    assert hours.within(quiet, at) is is_quiet


def test_what_waits_for_the_end_of_a_weekend_waits_until_monday():
    quiet = hours.parse("00:00-24:00", "Europe/Berlin", "sat,sun")
    saturday = datetime.fromisoformat("2026-07-04T10:00+02:00").timestamp()
    monday = datetime.fromisoformat("2026-07-06T00:00+02:00").timestamp()
    assert hours.over(quiet, saturday) == monday


@pytest.mark.parametrize(
    ("text", "days", "again"),
    [
        ("mon-fri", (0, 1, 2, 3, 4), "mon-fri"), ("Sat, Sun", (5, 6), "sat-sun"),
        ("fri-mon", (0, 4, 5, 6), "mon,fri-sun"), ("wed", (2,), "wed"),
        ("sun-sat", (0, 1, 2, 3, 4, 5, 6), ""), ("mon,wed,fri", (0, 2, 4), "mon,wed,fri"),
    ],
)  # fmt: skip
def test_days_are_written_as_people_do(text: str, days: tuple[int, ...], again: str):
    quiet = hours.parse("22:00-07:00", "UTC", text)
    assert quiet.days == days
    assert hours.written_days(quiet) == again
    assert hours.written(quiet) == f"22:00-07:00 UTC {again}".strip()


@given(
    st.integers(0, 1439), st.integers(0, 1440), st.sets(st.integers(0, 6), min_size=1, max_size=6)
)
def test_what_is_written_is_read_again(begin: int, end: int, days: set[int]):
    quiet = Quiet(begin, end, "UTC", tuple(sorted(days)))
    if begin == end:
        with pytest.raises(InputError):
            hours.parse(hours.span(quiet), "UTC", hours.written_days(quiet))
        return
    assert hours.parse(hours.span(quiet), "UTC", hours.written_days(quiet)) == quiet


@pytest.mark.parametrize(
    ("span", "days"),
    [
        ("22:00-07:00", "someday"), ("22:00-07:00", "mon-"), ("22:00-07:00", "-fri"),
        ("22:00-07:00", "mon,,fri"), ("00:00-24:00", ""), ("00:00-24:00", "mon-sun"),
        ("24:00-07:00", ""), ("22:00-24:01", ""), ("22:00-29:00", ""), ("22:00-22:00", ""),
    ],
)  # fmt: skip
def test_days_and_hours_that_make_no_sense_are_refused(span: str, days: str):
    with pytest.raises(InputError):
        hours.parse(span, "UTC", days)


def test_a_channel_comes_back_as_it_was_kept(journal: Journal):
    made = channel("ml", kinds=("drift",), quiet=Quiet(60, 120, "UTC", (5, 6)), projects=("a", "b"))
    channels.put(journal, made)
    assert channels.channel(journal, "ml") == made


def test_one_that_was_kept_before_hears_all_kinds_and_is_quiet_on_each_day(journal: Journal):
    channels.put(journal, channel(quiet=Quiet(60, 120)))
    table = schema.alert_channels
    with journal.write() as connection:
        body = json.loads(connection.execute(table.select()).one().body)
        del body["kinds"], body["quiet"]["days"]
        connection.execute(update(table).values(body=json.dumps(body)))
    assert channels.channel(journal, "ops") == channel(quiet=Quiet(60, 120))


def _broken(journal: Journal, now: float) -> None:
    with journal.write() as connection:
        for _ in range(3):
            outbox.unwell(connection, "ops", "It hangs.", now)
    deciding.decide(journal, [], now, AT_ONCE)
    (found,) = store.alerts(journal, key="channel/ops")
    assert found.open


def test_a_broken_channel_that_is_added_anew_is_well_with_its_first_message(journal: Journal):
    now = time.time()
    channels.put(journal, channel())
    _broken(journal, now)
    channels.put(journal, channel(reference="0" * 16))
    with journal.write() as connection:
        outbox.well(connection, "ops", now + 1)
    deciding.decide(journal, [], now + 2, AT_ONCE)
    (found,) = store.alerts(journal, key="channel/ops", ended=True)
    assert not found.open


def test_the_alert_of_a_broken_channel_ends_with_the_channel(journal: Journal):
    now = time.time() - 60
    channels.put(journal, channel())
    _broken(journal, now)
    channels.remove(journal, "ops")
    deciding.decide(journal, [], now + 120, AT_ONCE)
    (found,) = store.alerts(journal, key="channel/ops", ended=True)
    assert (found.open, found.resolution) == (False, "The channel was removed.")

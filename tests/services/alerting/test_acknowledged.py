"""Acknowledgements end: by their time, by whoever gives them back, by a clock that was wrong."""

import json

import pytest
from sqlalchemy import select, update

from services.actions import schema
from services.actions.journal import Journal
from services.alerting import channels, deciding, engine, outbox, store, telling, words
from services.alerting.models import ACKNOWLEDGED_S, Alert, Event
from services.alerting.telling import Draft
from tests.services.alerting.things import NOW, POLICY, alert, channel, event, ok, unknown

HOUR_S, DAY_S = 3600.0, 86_400.0
ACKED = NOW + 60


@pytest.fixture
def told(journal: Journal) -> Journal:
    """An alert that ``ops`` was told of, and that ana looks after for four hours."""
    channels.put(journal, channel())
    turn(journal, event(severity="warning"))
    turn(journal, now=NOW + POLICY.group_wait_s)
    store.acknowledge(journal, one(journal).id, "ana", "on it", ACKED, 4 * HOUR_S)
    return journal


def turn(journal: Journal, *said: Event, now: float = NOW) -> None:
    deciding.decide(journal, said, now, POLICY)


def one(journal: Journal) -> Alert:
    return store.alerts(journal, ended=True)[0]


def whats(journal: Journal) -> list[str]:
    return [message.what for message in outbox.messages(journal)[::-1]]


def happened(journal: Journal) -> list[str]:
    return [note.what for note in store.notes(journal, one(journal).id)]


def test_its_time_is_over_and_it_fires_again_and_says_who_had_it(told: Journal):
    over = ACKED + 4 * HOUR_S
    turn(told, now=over - 1)
    assert (one(told).state, one(told).acknowledged_until) == ("acknowledged", over)
    assert whats(told) == ["firing"]
    turn(told, now=over)
    found = one(told)
    assert (found.state, found.owner, found.note) == ("firing", None, "")
    assert (found.left_by, found.left_at) == ("ana", over)
    assert whats(told) == ["firing", "reminder"]
    body = outbox.messages(told)[0].body
    assert f"Acknowledged by ana until {words.moment(over)}, still open." in body
    assert "Nobody has acknowledged it." not in body
    assert happened(told) == ["fired", "told", "acknowledged", "lapsed", "told"]


def test_after_that_reminders_begin_anew(told: Journal):
    over = ACKED + 4 * HOUR_S
    for minute in range(100):
        turn(told, now=over + minute * 60)
    # At once, after a quarter of an hour, after an hour.
    assert whats(told) == ["firing", "reminder", "reminder", "reminder"]


def test_one_that_was_given_back_fires_again_at_once(told: Journal):
    store.take_back(told, one(told).id, "ben", ACKED + 5)
    turn(told, now=ACKED + 6)
    assert (one(told).left_by, whats(told)) == ("ana", ["firing", "reminder"])
    turn(told, now=ACKED + 7)
    assert whats(told) == ["firing", "reminder"]
    note = store.notes(told, one(told).id)[-2]
    assert (note.what, note.actor) == ("taken-back", "ben")


def test_who_acknowledges_anew_has_their_own_time(told: Journal):
    number = one(told).id
    later = ACKED + HOUR_S
    store.acknowledge(told, number, "ana", "on it", later, 4 * HOUR_S)
    turn(told, now=ACKED + 4 * HOUR_S)
    assert one(told).state == "acknowledged"
    turn(told, now=later + 4 * HOUR_S)
    store.acknowledge(told, number, "ben", "", later + 4 * HOUR_S + 1)
    found = one(told)
    assert (found.owner, found.left_by, found.left_at) == ("ben", None, None)


@pytest.mark.parametrize(
    ("severity", "length_s"), [("info", DAY_S), ("warning", DAY_S), ("critical", 4 * HOUR_S)]
)
def test_nobody_said_how_long_so_its_severity_does(
    journal: Journal, severity: str, length_s: float
):
    turn(journal, event(severity=severity))
    store.acknowledge(journal, one(journal).id, "ana", "", ACKED)
    assert one(journal).acknowledged_until == ACKED + length_s


def test_one_of_a_version_that_knew_no_end_ends_as_well(told: Journal):
    alerts = schema.alerts
    with told.write() as connection:
        body = json.loads(connection.execute(select(alerts.c.body)).scalar_one())
        for name in ("acknowledged_until", "left_by", "left_at"):
            del body[name]
        connection.execute(update(alerts).values(body=json.dumps(body)))
    turn(told, now=ACKED + ACKNOWLEDGED_S["warning"] - 1)
    assert one(told).state == "acknowledged"
    turn(told, now=ACKED + ACKNOWLEDGED_S["warning"])
    assert one(told).state == "firing"


def test_an_alert_that_has_ended_stays_quiet(told: Journal):
    turn(told, ok(at=ACKED + 5), now=ACKED + 5)
    turn(told, now=ACKED + DAY_S)
    assert whats(told) == ["firing", "resolved"]
    assert "lapsed" not in happened(told)
    assert one(told).owner == "ana"


def test_what_nobody_can_tell_of_is_told_when_it_is_seen_again(told: Journal):
    over = ACKED + 4 * HOUR_S
    turn(told, unknown(at=over - 60), now=over)
    assert (one(told).state, one(told).owner, whats(told)) == ("unknown", None, ["firing"])
    turn(told, event(at=over + 60, severity="warning"), now=over + 60)
    assert whats(told) == ["firing", "reminder"]


@pytest.mark.parametrize("back", [61.0, HOUR_S, 400 * DAY_S])
def test_one_of_a_clock_that_was_set_back_keeps_nothing_quiet(told: Journal, back: float):
    now = ACKED - back
    turn(told, now=now)
    assert one(told).state == "firing"
    assert whats(told) == ["firing", "reminder"]
    for second in range(60):
        turn(told, now=now + second)
    assert whats(told) == ["firing", "reminder"]


def test_a_channel_for_escalation_waits_from_when_it_was_given_back(told: Journal):
    boss = channel("boss", escalation=True)
    channels.put(told, boss)
    over = ACKED + 4 * HOUR_S
    delay_s = next(s for s in range(0, 90_000, 60) if _escalated(one(told), over, s))
    assert delay_s >= POLICY.remind_s[0]
    turn(told, now=over)
    turn(told, now=over + delay_s - 1)
    assert "boss" not in [message.channel for message in outbox.messages(told)]
    turn(told, now=over + delay_s)
    assert "boss" in [message.channel for message in outbox.messages(told)]


def _escalated(one: Alert, over: float, seconds: float) -> bool:
    left = engine.left(one, over)
    boss = channel("boss", escalation=True)
    return telling.due_for(left, boss, over + seconds, POLICY) is not None


def test_a_list_says_it_of_each():
    given = engine.left(engine.acknowledged(alert(), "ana", "", ACKED), ACKED + 60)
    draft = Draft("ops", "digest", False, "digest", (given, alert(key="run/lora/b")))
    first, second, _ = words.body(draft, "", 10).split("\n\n")
    assert f"Acknowledged by ana until {words.moment(ACKED + 60)}, still open." in first
    assert "cknowledged" not in second


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (DAY_S, "1 day"), (7 * DAY_S, "7 days"), (4 * HOUR_S, "4 hours"), (5400.0, "90 minutes"),
        (30.0, "30 seconds"),
    ],
)  # fmt: skip
def test_a_length_is_said_in_its_largest_unit(seconds: float, said: str):
    assert words.length(seconds) == said

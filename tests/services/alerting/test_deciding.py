"""Events, alerts and messages in the journal, in SQLite and on Postgres."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from services.actions import schema
from services.actions.journal import Journal
from services.alerting import channels, deciding, outbox, store
from services.alerting.models import Alert, Event, Silence
from services.errors import ConflictError, InputError, NotFoundError
from tests.services.alerting.things import NOW, POLICY, channel, event, ok, unknown

LATER = NOW + POLICY.group_wait_s


def turn(journal: Journal, *said: Event, now: float = NOW) -> deciding.Turn:
    return deciding.decide(journal, said, now, POLICY, "http://here")


def one(journal: Journal) -> Alert:
    (found,) = store.alerts(journal, ended=True)
    return found


def test_what_is_handed_over_becomes_an_alert_that_comes_back_as_it_was(journal: Journal):
    said = event(
        severity="critical", said="It broke.", cause="c", suggestion="s", link="/l",
        explains=("engine:a",), labels={"host": "studio"}, evidence=("e",),
    )  # fmt: skip
    store.post(journal, [said])
    assert turn(journal) == deciding.Turn(1, 0, again=False)
    found = one(journal)
    assert found == store.alert(journal, found.id)
    assert (found.explains, found.evidence, dict(found.labels)) == (
        ("engine:a",), ("e",), {"host": "studio"},
    )  # fmt: skip
    assert [note.what for note in store.notes(journal, found.id)] == ["fired"]
    assert turn(journal) == deciding.Turn(0, 0, again=False)


def test_alert_and_message_are_written_together_and_once(journal: Journal):
    channels.put(journal, channel())
    turn(journal, event())
    assert outbox.messages(journal) == ()
    assert turn(journal, now=LATER).messages == 1
    assert turn(journal, now=LATER + 1).messages == 0
    (message,) = outbox.messages(journal)
    found = one(journal)
    assert (message.channel, message.what, message.state) == ("ops", "firing", "waiting")
    assert message.alerts == (found.id,)
    assert found.notified_at == LATER
    assert outbox.messages(journal, alert=found.id) == (message,)
    assert outbox.messages(journal, alert=found.id + 1) == ()
    assert [note.what for note in store.notes(journal, found.id)] == ["fired", "told"]


def test_a_turn_without_news_writes_nothing(journal: Journal, monkeypatch: pytest.MonkeyPatch):
    turn(journal, event())
    monkeypatch.setattr(journal, "write", None)
    assert turn(journal, now=NOW + 1) == deciding.Turn(0, 0, again=False)


def test_an_alert_that_ends_is_settled_when_everyone_knows(journal: Journal):
    channels.put(journal, channel())
    turn(journal, event())
    turn(journal, now=LATER)
    turn(journal, ok(), now=NOW + 60)
    assert store.alerts(journal) == ()
    assert turn(journal, now=NOW + 60 + POLICY.settle_s).messages == 1
    with journal.read() as connection:
        assert len(store.book(connection)) == 1
    turn(journal, now=NOW + 60 + POLICY.reopen_s)
    with journal.read() as connection:
        assert store.book(connection) == {}
    assert one(journal).state == "resolved"


def test_a_key_that_fires_again_later_is_another_alert(journal: Journal):
    turn(journal, event())
    turn(journal, ok(), now=NOW + 60)
    late = NOW + 60 + POLICY.reopen_s
    turn(journal, event(at=late), now=late)
    first, second = store.alerts(journal, ended=True)[::-1]
    assert (first.state, second.state) == ("resolved", "firing")
    assert store.alerts(journal, key=first.key, ended=True) == (second, first)
    assert store.alerts(journal, before=second.id, ended=True) == (first,)
    with journal.read() as connection:
        left = select(schema.alerts.c.id).where(schema.alerts.c.settled.is_(False))
        assert connection.execute(left).scalars().all() == [second.id]


def test_alerts_are_seen_by_project(journal: Journal):
    turn(journal, event(), event("disk/a", project=None))
    assert [a.key for a in store.alerts(journal, ["lora"])] == ["run/lora/sgd"]
    assert store.alerts(journal, []) == ()
    assert len(store.alerts(journal)) == 2


def test_who_looks_after_it_is_noted_once_and_may_be_taken_back(journal: Journal):
    turn(journal, event())
    number = one(journal).id
    store.acknowledge(journal, number, "ana", "on it", NOW + 1)
    store.acknowledge(journal, number, "ana", "on it", NOW + 1)  # an action that is done again
    found = one(journal)
    assert (found.state, found.owner, found.acknowledged_at) == ("acknowledged", "ana", NOW + 1)
    assert [n.what for n in store.notes(journal, number)] == ["fired", "acknowledged"]
    store.take_back(journal, number, "ana", NOW + 3)
    assert one(journal).state == "firing"
    turn(journal, ok(), now=NOW + 60)
    with pytest.raises(ConflictError, match="has ended: It is well"):
        store.acknowledge(journal, number, "ana", "", NOW + 61)
    with pytest.raises(NotFoundError):
        store.alert(journal, number + 1)


def test_an_acknowledgement_between_two_turns_is_not_lost(journal: Journal):
    turn(journal, event())
    store.acknowledge(journal, one(journal).id, "ana", "", NOW + 1)
    turn(journal, event(at=NOW + 2), now=NOW + 2)
    assert (one(journal).owner, one(journal).count) == ("ana", 2)


def test_silences_count_until_their_end(journal: Journal):
    silence = Silence(0, "run/*", None, "ana", "known", NOW, NOW + 100)
    number = store.add_silence(journal, silence, action_id=5)
    assert store.add_silence(journal, silence, action_id=5) == number
    turn(journal, event())
    assert one(journal).state == "silenced"
    assert store.silences(journal, NOW + 99) == (replace(silence, id=number),)
    assert store.silences(journal, NOW + 100) == ()
    assert store.end_silence(journal, number, NOW + 10) is True
    assert store.end_silence(journal, number, NOW + 11) is False
    other = store.add_silence(journal, silence, action_id=6)
    assert store.end_silence(journal, other, NOW + 101) is False, "it was over"
    store.end_silence(journal, other, NOW + 10)
    turn(journal, now=NOW + 12)
    assert one(journal).state == "firing"
    _, ended = store.silences(journal)
    assert (ended.ended_at, ended.lasts(NOW + 5)) == (NOW + 10, False)


def test_a_key_that_cannot_be_is_refused_and_nothing_taken(journal: Journal):
    for bad in (
        event("bad\nkey"),
        event(state="awful"),
        event(severity="bad"),
        event(at=float("nan")),
        event(project="x" * 65),
    ):
        with pytest.raises(InputError):
            store.post(journal, [event(), bad])
    assert turn(journal).events == 0


def test_half_a_character_is_in_nobodys_way(journal: Journal):
    channels.put(journal, channel())
    store.post(journal, [event(title="a\ud800b\0", said="c\udc00")])
    turn(journal)
    assert turn(journal, now=LATER).messages == 1
    turn(journal, ok(said="\ud800"), now=NOW + 60)
    assert one(journal).state == "resolved"


def test_an_event_that_comes_between_those_that_are_read_is_not_lost(journal: Journal):
    store.post(journal, [event("run/a"), event("run/b"), event("run/c")])
    with journal.write() as connection:
        store.drop_events(connection, [1, 3])
        assert [found.key for _, found in store.waiting_events(connection, 9)] == ["run/b"]


def test_a_storm_is_read_in_pieces_and_becomes_few_messages(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    """Ten thousand on a clock alone are in test_pacing; here are pieces, transactions, ids."""
    monkeypatch.setattr(deciding, "EVENTS_AT_ONCE", 200)
    for name in ("ops", "boss"):
        channels.put(journal, channel(name))
    projects = [f"p{n}" for n in range(9)]
    storm = [
        event(f"{kind}/{projects[n % 9]}/{n}", NOW + n / 1000, project=projects[n % 9])
        for n in range(250)
        for kind in ("run", "drift")
    ]
    store.post(journal, storm)
    now, turns = NOW + 10, 0
    while turn(journal, now=now).again:
        turns += 1
    for _ in range(20):
        now += 30
        turn(journal, now=now)
    messages = outbox.messages(journal)
    assert turns == 2
    assert len(messages) <= 6, "two channels: a digest, what was read after it, no reminder yet"
    for name in ("ops", "boss"):
        told = [a for m in messages if m.channel == name for a in m.alerts]
        assert sorted(told) == sorted(a.id for a in store.alerts(journal, limit=9999))


def test_what_is_unknown_is_kept_with_its_reason(journal: Journal):
    turn(journal, event())
    turn(journal, unknown(), now=NOW + 60)
    assert (one(journal).state, one(journal).unknown_because) == ("unknown", "Nobody can tell.")


def test_what_ended_long_ago_is_forgotten(journal: Journal):
    channels.put(journal, channel())
    turn(journal, event(), event("disk/a"))
    turn(journal, now=LATER)
    turn(journal, ok(), now=NOW + 60)
    turn(journal, now=NOW + 60 + POLICY.settle_s)
    turn(journal, now=NOW + 60 + POLICY.reopen_s)
    store.prune(journal, NOW + 59)
    assert len(store.alerts(journal, ended=True)) == 2
    store.prune(journal, NOW + 9999)
    assert [a.key for a in store.alerts(journal, ended=True)] == ["disk/a"]
    assert outbox.messages(journal) == ()

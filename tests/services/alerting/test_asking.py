"""What people ask of alerts, and closing what nobody can see."""

import time

import pytest

from services.actions.journal import Journal
from services.alerting import asking, channels, closing, deciding, outbox, store
from services.alerting.models import Alert, Channel, Message, Policy
from services.errors import ConflictError
from tests.services.alerting.things import event, ok, unknown

WAIT = Policy(group_wait_s=0.0)


def fill(journal: Journal) -> float:
    now = time.time()
    said = [
        event("run/lora/a", now - 500, severity="critical", cause='It said "ünd" 100%_\\ of it.'),
        event("run/clip/b", now - 400, project="clip"),
        event("disk/d", now - 300, severity="info", project=None),
        event("workflow/w", now - 200),
    ]
    deciding.decide(journal, said, now - 100, WAIT)
    over = [ok("run/clip/b", now - 90, project="clip"), unknown("workflow/w", now - 90)]
    deciding.decide(journal, over, now - 90, WAIT)
    return now


def keyed(journal: Journal) -> dict[str, Alert]:
    return {one.key: one for one in store.alerts(journal, ended=True)}


def test_places_are_of_what_is_open_within_the_projects(journal: Journal):
    fill(journal)
    found = {one.key: one for one in asking.places(journal)}
    assert found.keys() == {"run/lora/a", "disk/d", "workflow/w"}
    by_key = keyed(journal)
    assert {one.state for one in found.values()} == {"firing", "unknown"}
    for key, place in found.items():
        alert = by_key[key]
        assert (place.id, place.state, place.severity, place.project, place.kind) == (
            alert.id, alert.state, alert.severity, alert.project, alert.kind,
        )  # fmt: skip
        assert place.since == pytest.approx(alert.since, abs=0.001)
    assert [one.key for one in asking.places(journal, ["clip"])] == []
    assert asking.places(journal, []) == ()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("RUN/LORA", {"run/lora/a"}),
        ('"ünd"', {"run/lora/a"}),
        ("100%_\\", {"run/lora/a"}),
        ("100_", set()),
        ("is not well", {"run/lora/a", "disk/d", "workflow/w"}),
    ],
)
def test_words_are_found_as_they_are_written(journal: Journal, words: str, found: set[str]):
    fill(journal)
    assert {one.key for one in asking.places(journal, words=words)} == found


def test_alerts_are_read_by_id_and_by_key(journal: Journal):
    fill(journal)
    by_key = keyed(journal)
    one = by_key["run/lora/a"]
    assert asking.by_id(journal, [one.id, 999]) == {one.id: one}
    assert asking.by_key(journal, ["run/lora/a", "run/clip/b", "none"]) == {"run/lora/a": one}
    assert asking.by_id(journal, []) == {}


def test_what_lasted_within_a_time(journal: Journal):
    now = fill(journal)

    def keys(begin: float, end: float, **more: int) -> list[str]:
        return [one.key for one in asking.lasting(journal, None, now - begin, now - end, **more)]

    assert keys(600, 0) == ["workflow/w", "disk/d", "run/clip/b", "run/lora/a"]
    assert keys(600, 0, limit=2) == ["workflow/w", "disk/d"]
    assert keys(80, 0) == ["workflow/w", "disk/d", "run/lora/a"], "the one that ended is left out"
    assert keys(600, 450) == ["run/lora/a"], "those that began later are left out"


def test_history_is_paged_by_id(journal: Journal):
    now = fill(journal)
    newest = asking.history(journal, limit=3)
    assert len(newest) == 3
    rest = asking.history(journal, before=newest[-1].id, limit=3)
    assert {one.id for one in (*newest, *rest)} == {one.id for one in keyed(journal).values()}
    assert [one.key for one in asking.history(journal, ["clip"])] == ["run/clip/b"]
    assert {one.key for one in asking.history(journal, since=now - 350)} == {"disk/d", "workflow/w"}


def test_a_channel_is_known_by_its_newest_message_that_ended(journal: Journal):
    channels.put(journal, Channel("ops", "json"))
    for state, error in (("sent", ""), ("failed", "It said 503."), ("waiting", "")):
        message = Message(0, "ops", "test", "info", state, "", (), 5.0, "test", state, error=error,
                          sent_at=6.0 if state == "sent" else None)  # type: ignore[arg-type]  # fmt: skip
        outbox.record(journal, message)
    assert asking.last_messages(journal)["ops"].title == "failed"
    assert asking.waiting(journal) == {"ops": 1}


def test_messages_of_one_alert_are_not_those_of_a_number_that_holds_it(journal: Journal):
    channels.put(journal, Channel("ops", "json", "info"))
    now = time.time()
    deciding.decide(journal, [event(f"run/lora/{n}", now - 9) for n in range(12)], now, WAIT)
    deciding.decide(journal, [event("disk/x", now - 9, project=None)], now + 1, WAIT)
    (last,) = outbox.messages(journal, alert=13)
    assert last.alerts == (13,)
    assert all(3 in one.alerts for one in outbox.messages(journal, alert=3))


# Closing


def test_what_nobody_can_see_is_closed_by_a_person_and_stays_so(journal: Journal):
    now = fill(journal)
    gone = keyed(journal)["workflow/w"]
    closed = closing.close(journal, gone.id, "ann", "It was deleted.", now)
    assert closed.state == "resolved"
    assert closed.resolution == "ann closed it: It was deleted."
    again = closing.close(journal, gone.id, "ann", "It was deleted.", now)
    assert again.resolved_at == now
    (note,) = [one for one in store.notes(journal, gone.id) if one.what == "closed"]
    assert (note.actor, note.said) == ("ann", "It was deleted.")
    assert [one.key for one in asking.places(journal)].count("workflow/w") == 0
    # What was seen before that is said again: it is old.
    deciding.decide(journal, [event("workflow/w", now - 200)], now + 1, WAIT)
    assert store.alert(journal, gone.id).state == "resolved"
    # What is seen later is news.
    deciding.decide(journal, [event("workflow/w", now + 2)], now + 3, WAIT)
    assert [one.key for one in asking.places(journal)].count("workflow/w") == 1


def test_what_fires_or_has_ended_is_not_closed(journal: Journal):
    now = fill(journal)
    found = keyed(journal)
    with pytest.raises(ConflictError, match="ends on evidence"):
        closing.close(journal, found["run/lora/a"].id, "ann", "No.", now)
    with pytest.raises(ConflictError, match="has ended"):
        closing.close(journal, found["run/clip/b"].id, "ann", "No.", now)
    assert store.alert(journal, found["run/lora/a"].id).state == "firing"


def test_the_end_of_what_was_closed_is_told(journal: Journal):
    channels.put(journal, Channel("ops", "json"))
    now = fill(journal)
    gone = keyed(journal)["workflow/w"]
    assert "ops" in gone.told
    closing.close(journal, gone.id, "ann", "It was deleted.", now)
    deciding.decide(journal, [], now + 600, WAIT)
    said = [one for one in outbox.messages(journal, alert=gone.id) if one.what == "resolved"]
    assert len(said) == 1
    assert "ann closed it: It was deleted." in said[0].body

"""The disk under the journal is full, for real: no alert and no message is lost, halved or doubled.

Nothing can be told meanwhile, so each call says in a sentence what is the matter.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.alerting import channels, deciding, outbox, store
from services.alerting.looking import Rule
from services.alerting.models import Channel, Event, Message
from services.alerting.sending import Sender
from services.controller import alerts
from services.controller.alerts import AlertWatch
from services.errors import EngineUnreachableError, JournalError, PlatformError
from services.home import Home
from tests.services.alerting.things import NOW, POLICY, channel, event
from tests.small_disk import SmallDisk, mounted

PAGE = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "small", "4m") as small:
        yield small


@pytest.fixture
def home(disk: SmallDisk) -> Home:
    made = Home(disk.path)
    made.create()
    return made


@pytest.fixture
def journal(home: Home) -> Iterator[Journal]:
    journal = Journal(f"sqlite:///{home.databases / 'journal.sqlite'}")
    for name in ("ops", "boss"):
        channels.put(journal, channel(name, reference=channels.keep_address(home, "json://h/")))
    yield journal
    journal.close()


def known(journal: Journal) -> dict[str, str]:
    """What somebody else reads, who opens the journal now."""
    other = Journal(journal.url)
    try:
        return {one.key: one.state for one in store.alerts(other, ended=True, limit=9999)}
    finally:
        other.close()


def told(journal: Journal) -> dict[tuple[str, str], int]:
    """How many messages of each channel stand in each state."""
    found: dict[tuple[str, str], int] = {}
    for one in outbox.messages(journal, limit=9999):
        found[one.channel, one.state] = found.get((one.channel, one.state), 0) + 1
    return found


def test_what_a_rule_sees_while_nothing_can_be_written_is_an_alert_once_there_is_room(
    disk: SmallDisk, home: Home, journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(alerts, "RULES_INTERVAL_S", 0.0)
    monkeypatch.setattr(alerts, "_LONGEST_REST_S", 0.0)
    said: list[Event] = [event("endpoint/a", NOW)]
    rule = Rule(frozenset({"endpoint"}), lambda _now, _keys: tuple(said))
    watch = AlertWatch(home, journal, (rule,), clock=lambda: NOW + 99)
    watch.turn()
    said.append(event("endpoint/b", NOW + 50, severity="critical"))
    disk.fill()
    for _ in range(3):
        with pytest.raises(JournalError, match="could not be used") as error:
            watch.turn()
        assert error.value.hint.startswith("The disk is full or failing: free space")
    assert known(journal) == {"endpoint/a": "firing"}
    assert told(journal) == {("ops", "waiting"): 1, ("boss", "waiting"): 1}
    disk.free()
    watch.turn()
    assert known(journal) == {"endpoint/a": "firing", "endpoint/b": "firing"}
    assert told(journal) == {("ops", "waiting"): 2, ("boss", "waiting"): 2}
    alert = store.alerts(journal, key="endpoint/b")[0]
    assert alert.since == NOW + 50  # since it was so, not since it could be written


def test_whoever_hands_over_an_event_is_told_that_it_was_not_taken(
    disk: SmallDisk, journal: Journal
):
    store.post(journal, [event("posted/before")])
    disk.fill()
    many = [event(f"posted/{n}", said="x" * 2000) for n in range(50)]
    with pytest.raises(JournalError, match="could not be used"):
        store.post(journal, many)
    disk.free()
    deciding.decide(journal, [], NOW + 9, POLICY)
    assert known(journal) == {"posted/before": "firing"}
    store.post(journal, many)
    deciding.decide(journal, [], NOW + 10, POLICY)
    assert len(known(journal)) == 51


def test_however_little_room_is_left_alerts_and_their_messages_are_both_there_or_neither(
    disk: SmallDisk, journal: Journal
):
    came, faults, made = 0, list[JournalError](), []
    for number in range(30):
        disk.fill(spare_bytes=4 * number * PAGE)
        batch = [event(f"run/p{number}/{n}", NOW, said="x" * 300) for n in range(20)]
        now = NOW + number * 4000.0  # beyond any budget of messages
        try:
            deciding.decide(journal, batch, now, POLICY)
        except JournalError as error:
            faults.append(error)
        else:
            came += 1
            made += [one.key for one in batch]
        disk.free()
        assert set(known(journal)) == set(made)
        written = {alert for one in outbox.messages(journal, limit=9999) for alert in one.alerts}
        there = store.alerts(journal, limit=9999)
        assert {one.id for one in there if one.told} == written
    assert min(len(faults), came) >= 3
    assert all("free space" in one.hint for one in faults)
    assert store.alerts(journal)[0].count == 1


class Post:
    """A service: takes messages, and what happens meanwhile."""

    def __init__(self, disk: SmallDisk) -> None:
        self.disk, self.got = disk, list[tuple[str, int]]()
        self.error: Exception | None = None
        self.fills = False

    def __call__(self, to: Channel, _address: str, message: Message) -> None:
        if self.fills:
            self.disk.fill()
        if self.error:
            raise self.error
        self.got.append((to.name, message.id))


def sender(journal: Journal, home: Home, disk: SmallDisk) -> tuple[Sender, Post]:
    post = Post(disk)
    return Sender(journal, home, post, lambda: NOW + 100), post


def test_nothing_is_sent_that_cannot_be_marked_and_all_of_it_afterwards(
    disk: SmallDisk, home: Home, journal: Journal
):
    deciding.decide(journal, [event("run/a", NOW)], NOW + 99, POLICY)
    sending, post = sender(journal, home, disk)
    disk.fill()
    for _ in range(3):
        with pytest.raises(JournalError):
            sending.turn()
    assert post.got == []
    disk.free()
    while sending.turn():
        pass
    assert sorted(name for name, _ in post.got) == ["boss", "ops"]
    assert told(journal) == {("ops", "sent"): 1, ("boss", "sent"): 1}


def test_a_disk_that_fills_while_a_message_goes_out_doubles_none(
    disk: SmallDisk, home: Home, journal: Journal
):
    deciding.decide(journal, [event("run/a", NOW)], NOW + 99, POLICY)
    sending, post = sender(journal, home, disk)
    post.fills = True
    for _ in range(5):
        with pytest.raises(JournalError):
            sending.turn()
    assert len(post.got) == 1
    post.fills = False
    disk.free()
    while sending.turn():
        pass
    assert sorted(name for name, _ in post.got) == ["boss", "ops"]
    assert told(journal) == {("ops", "sent"): 1, ("boss", "sent"): 1}


def test_why_a_message_did_not_arrive_is_noted_when_there_is_room(
    disk: SmallDisk, home: Home, journal: Journal
):
    deciding.decide(journal, [event("run/a", NOW)], NOW + 99, POLICY)
    sending, post = sender(journal, home, disk)
    post.fills, post.error = True, EngineUnreachableError("It hangs.")
    for _ in range(3):
        with pytest.raises(JournalError):
            sending.turn()
    post.fills = False
    disk.free()
    while sending.turn():
        pass
    assert told(journal) == {("ops", "waiting"): 1, ("boss", "waiting"): 1}
    assert {one.attempts for one in outbox.messages(journal)} == {1}
    assert {one.failures for one in channels.channels(journal)} == {1}


def test_an_address_that_does_not_fit_is_a_sentence_and_leaves_no_half_of_it(
    disk: SmallDisk, home: Home
):
    before = sorted(home.secrets.iterdir())
    disk.fill()
    with pytest.raises(PlatformError, match="could not be kept") as error:
        channels.keep_address(home, f"json://h/{'x' * 3000}")
    assert "the disk is not full" in error.value.hint
    assert sorted(home.secrets.iterdir()) == before

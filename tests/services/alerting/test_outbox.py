"""Messages from the outbox to their channels, and what becomes of those that do not arrive."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from services.actions.journal import Journal
from services.alerting import channels, deciding, outbox, store, words
from services.alerting.models import Channel, Message
from services.alerting.sending import Sender
from services.errors import (
    EngineUnreachableError,
    InputError,
    MlopsError,
    NotFoundError,
    PlatformError,
)
from services.home import Home
from tests.services.alerting.things import NOW, POLICY, channel, event

SECRET = "json://user:hunter2@hooks.example/T0/B0"


@dataclass
class Post:
    """Plays the services behind the channels."""

    error: dict[str, MlopsError] = field(default_factory=dict)
    got: list[tuple[str, Message]] = field(default_factory=list)
    on: Callable[[], None] = lambda: None

    def __call__(self, to: Channel, address: str, message: Message) -> None:
        assert address == SECRET
        self.on()
        if to.name in self.error:
            raise self.error[to.name]
        self.got.append((to.name, message))


@dataclass
class Clock:
    now: float = NOW + 100

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sender(journal: Journal, home: Home, post: Post, clock: Clock) -> Sender:
    for name in ("ops", "boss"):
        channels.put(journal, channel(name, reference=channels.keep_address(home, SECRET)))
    return Sender(journal, home, post, clock)


def fill(journal: Journal, key: str = "run/lora/sgd", now: float = NOW + 99) -> None:
    deciding.decide(journal, [event(key, NOW)], now, POLICY)


def away(name: str = "ops") -> dict[str, MlopsError]:
    return {name: EngineUnreachableError("It hangs.")}


def states(journal: Journal) -> list[tuple[str, str, int]]:
    return [(m.channel, m.state, m.attempts) for m in outbox.messages(journal)[::-1]]


def test_each_channel_gets_its_message(journal: Journal, sender: Sender, post: Post):
    fill(journal)
    assert [sender.turn() for _ in range(3)] == [True, True, False]
    assert sorted(name for name, _ in post.got) == ["boss", "ops"]
    assert all(m.title.startswith("Warning: run/lora/sgd") for _, m in post.got)
    assert {state for _, state, _ in states(journal)} == {"sent"}


def test_one_that_does_not_take_it_is_tried_later_and_later(
    journal: Journal, sender: Sender, post: Post, clock: Clock
):
    fill(journal)
    post.error = away()
    while sender.turn():
        pass
    assert states(journal) == [("boss", "sent", 1), ("ops", "waiting", 1)]
    tried = []
    for _ in range(3000):
        clock.now += 1
        if sender.turn():
            tried.append(clock.now)
    pauses = [b - a for a, b in itertools.pairwise(tried)]
    assert pauses == [20, 40, 80, 160, 320, 640, 900][: len(pauses)]
    post.error = {}
    clock.now += 901
    assert sender.turn()
    assert ("ops", "sent") in [state[:2] for state in states(journal)]


def test_whoever_hangs_keeps_others_waiting_once(
    journal: Journal, sender: Sender, post: Post, clock: Clock
):
    post.error = away("boss")
    fill(journal)
    while sender.turn():
        pass
    clock.now += 3600
    fill(journal, "disk/a", now=clock.now)
    post.got.clear()
    sender.turn()
    assert [name for name, _ in post.got] == ["ops"]


def test_three_failures_make_an_alert_and_one_arrival_ends_it(
    journal: Journal, sender: Sender, post: Post, clock: Clock
):
    fill(journal)
    post.error = away()
    for _ in range(200):
        clock.now += 1
        sender.turn()
    deciding.decide(journal, [], clock.now, POLICY)
    (broken,) = store.alerts(journal, key="channel/ops")
    assert "It hangs." in broken.said
    assert channels.channel(journal, "ops").trouble == "It hangs."
    clock.now += POLICY.group_wait_s
    deciding.decide(journal, [], clock.now, POLICY)
    told = [m.channel for m in outbox.messages(journal, alert=broken.id)]
    assert told == ["boss"]
    post.error = {}
    clock.now += 999
    while sender.turn():
        pass
    deciding.decide(journal, [], clock.now, POLICY)
    assert store.alerts(journal, key="channel/ops") == ()
    assert channels.channel(journal, "ops").failures == 0


def test_what_can_never_arrive_is_not_tried_again(
    journal: Journal, sender: Sender, post: Post, clock: Clock
):
    fill(journal)
    post.error = {"ops": NotFoundError("Gone.")}
    while sender.turn():
        pass
    clock.now += 9999
    assert sender.turn() is False
    assert ("ops", "failed", 1) in states(journal)


def test_after_a_day_it_is_given_up(journal: Journal, sender: Sender, post: Post, clock: Clock):
    fill(journal)
    post.error = away() | away("boss")
    while sender.turn():
        pass
    for _ in range(200):
        clock.now += 600
        while sender.turn():
            pass
    assert {state for _, state, _ in states(journal)} == {"failed"}
    assert clock.now - NOW > 86_400


def test_what_was_being_sent_when_the_sender_ended_is_sent_again_and_says_so(
    journal: Journal, sender: Sender, post: Post, clock: Clock
):
    fill(journal)

    def end() -> None:
        raise KeyboardInterrupt

    post.on = end
    with pytest.raises(KeyboardInterrupt):
        sender.turn()
    post.on = lambda: None
    while sender.turn():
        pass
    repeated = [words.REPEATED in message.body for _, message in post.got]
    assert sorted(repeated) == [False, True]
    assert sorted(attempts for _, _, attempts in states(journal)) == [1, 2]


def test_a_channel_that_is_removed_loses_what_waits(journal: Journal, sender: Sender, post: Post):
    fill(journal)
    gone = channels.remove(journal, "ops")
    assert gone is not None
    assert channels.remove(journal, "ops") is None
    while sender.turn():
        pass
    assert states(journal) == [("boss", "sent", 1), ("ops", "failed", 0)]


def test_a_channel_that_is_removed_while_it_is_told_is_in_nobodys_way(
    journal: Journal, sender: Sender, post: Post, clock: Clock
):
    fill(journal)
    post.error = away() | away("boss")
    post.on = lambda: [channels.remove(journal, name) for name in ("ops", "boss")]  # type: ignore[assignment,return-value]
    while sender.turn():
        pass
    clock.now += 60
    while sender.turn():
        pass
    assert {state for _, state, _ in states(journal)} == {"failed"}


# Addresses


def test_an_address_is_readable_by_its_owner_alone_and_in_no_database(
    journal: Journal, home: Home, sender: Sender
):
    files = list(home.secrets.glob("alert-channel-*.address"))
    assert [oct(path.stat().st_mode & 0o777) for path in files] == ["0o600"] * 2
    known = channels.channel(journal, "ops")
    assert channels.address(home, known) == SECRET
    if journal.path is not None:
        assert b"hunter2" not in journal.path.read_bytes()
    channels.forget_address(home, known.reference)
    with pytest.raises(PlatformError, match="cannot be read"):
        channels.address(home, known)
    channels.forget_address(home, "../../etc/passwd")


@pytest.mark.parametrize("address", ["", "a\nb", "x" * 4001])
def test_what_is_no_address_is_refused(home: Home, address: str):
    with pytest.raises(InputError, match="one line"):
        channels.keep_address(home, address)
    assert list(home.secrets.glob("alert-channel-*")) == []


@pytest.mark.parametrize("name", ["", "Ops", "1a", "a b", "a" * 41, "../x"])
def test_a_name_that_is_none_is_refused(name: str):
    with pytest.raises(InputError, match="no name"):
        channels.check_name(name)

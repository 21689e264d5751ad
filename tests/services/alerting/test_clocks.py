"""Clocks that were wrong and are set: no alert is missed or held open, and no message is lost.

A machine without a clock of its own wakes at any time, and is set right while the platform runs.
"""

from dataclasses import dataclass, field

import pytest

from services.actions.journal import Journal
from services.alerting import channels, deciding, looking, outbox, store
from services.alerting.models import Alert, Channel, Event, Message
from services.alerting.sending import Sender
from services.errors import EngineUnreachableError
from services.home import Home
from tests.services.alerting.things import NOW, POLICY, channel, event, ok

DAY_S = 86_400.0
KEY = "run/lora/sgd"
JUMPS = (61.0, 3600.0, DAY_S, 400 * DAY_S)


@dataclass
class Loop:
    """The loop of alerts as the controller turns it: what rules say again is left out."""

    journal: Journal
    now: float = NOW
    said: tuple[Event, ...] = ()
    got: list[str] = field(default_factory=list)

    def turn(self, *events: Event, after: float = 5.0) -> Alert:
        self.now += after
        with self.journal.read() as connection:
            book = store.book(connection)
        news = looking.news(events, book, self.now)
        deciding.decide(self.journal, news, self.now, POLICY)
        return store.alerts(self.journal, ended=True, key=KEY)[0]

    def fires(self) -> Alert:
        return self.turn(event(at=self.now + 5.0, severity="warning"))

    def ends(self) -> Alert:
        return self.turn(ok(at=self.now + 5.0))

    def told(self) -> list[str]:
        return [one.what for one in outbox.messages(self.journal)[::-1]]


@pytest.fixture
def loop(journal: Journal, home: Home) -> Loop:
    reference = channels.keep_address(home, "json://h/")
    channels.put(journal, channel(reference=reference))
    return Loop(journal)


@pytest.mark.parametrize("back", JUMPS)
def test_an_alert_that_fires_by_a_clock_that_is_set_back_ends_on_evidence(loop: Loop, back: float):
    loop.fires()
    loop.now -= back
    assert loop.fires().state == "firing"
    assert loop.ends().state == "resolved"


@pytest.mark.parametrize("back", JUMPS)
def test_one_that_ended_by_that_clock_fires_again_when_it_does(loop: Loop, back: float):
    loop.fires()
    loop.ends()
    loop.now -= back
    one = loop.fires()
    assert one.state == "firing"
    assert one.since <= loop.now


@pytest.mark.parametrize("back", JUMPS)
def test_old_evidence_of_a_rule_counts_after_the_clock_was_set_back(loop: Loop, back: float):
    """A verdict is of the time of its check: always a little older than now."""
    loop.fires()
    loop.ends()
    loop.now -= back
    assert loop.turn(event(at=loop.now - 3)).state == "firing"
    assert loop.turn(ok(at=loop.now - 1)).state == "resolved"


@pytest.mark.parametrize("back", JUMPS)
def test_what_waits_to_be_told_is_told_though_the_clock_was_set_back(loop: Loop, back: float):
    loop.fires()
    assert loop.told() == []
    loop.now -= back
    for _ in range(3):
        loop.fires()
    assert loop.told() == ["firing"]
    loop.ends()
    loop.now -= back
    for _ in range(20):
        loop.ends()
    assert loop.told() == ["firing", "resolved"]


def test_reminders_go_on_after_a_clock_was_set_back_and_are_no_storm(loop: Loop):
    for _ in range(3):
        loop.fires()
    loop.now -= DAY_S
    for _ in range(100):
        loop.fires()
    assert loop.told() == ["firing", "reminder"]
    for _ in range(130):
        loop.turn(event(at=loop.now), after=60)
    assert loop.told().count("reminder") == 2


def test_a_clock_that_steps_by_a_second_tells_nothing_twice(loop: Loop):
    for _ in range(30):
        loop.fires()
        loop.now -= 6
    assert loop.told() in (["firing"], [])
    for _ in range(3):
        loop.fires()
    assert loop.told() == ["firing"]


def refuse(_to: Channel, _address: str, _message: Message) -> None:
    raise EngineUnreachableError("It hangs.")


@pytest.mark.parametrize("back", [1000.0, DAY_S])
def test_a_message_that_waits_by_a_clock_that_was_set_back_is_sent(
    loop: Loop, home: Home, back: float
):
    for _ in range(3):
        loop.fires()
    sender = Sender(loop.journal, home, refuse, lambda: loop.now)
    assert sender.turn()
    loop.now -= back
    sender.send = lambda _to, _address, message: loop.got.append(message.what)
    assert sender.turn()
    assert loop.got == ["firing"]


def test_a_clock_that_jumps_days_ahead_gives_no_message_up(loop: Loop, home: Home):
    for _ in range(3):
        loop.fires()
    sender = Sender(loop.journal, home, refuse, lambda: loop.now)
    assert sender.turn()
    loop.now += 30 * DAY_S
    for _ in range(3):
        sender.turn()
        loop.now += 60
    assert [one.state for one in outbox.messages(loop.journal)] == ["waiting"]
    loop.now += 900
    sender.send = lambda _to, _address, message: loop.got.append(message.what)
    assert sender.turn()
    assert loop.got == ["firing"]

"""An address that is not allowed now may be allowed in a minute: three tries decide."""

from services.actions.journal import Journal
from services.alerting import channels, outbox
from services.alerting.sending import Sender
from services.errors import EngineRefusedError, EngineUnreachableError
from tests.services.alerting.test_outbox import Clock, Post, clock, fill, post, sender

__all__ = ["clock", "post", "sender"]

BLOCKED = EngineRefusedError("192.168.1.1 is an address of a private network.")
AWAY = EngineUnreachableError("It hangs.")


def tries(journal: Journal, sender: Sender, clock: Clock, seconds: int) -> list[float]:
    """Let time pass; return after how many seconds something was tried."""
    began, found = clock.now, []
    for second in range(seconds):
        clock.now = began + second
        while sender.turn():
            found.append(clock.now - began)
    return found


def state(journal: Journal) -> tuple[str, int]:
    (one,) = outbox.messages(journal)
    return one.state, one.attempts


def only_ops(journal: Journal) -> None:
    channels.remove(journal, "boss")
    fill(journal)


def test_the_third_time_is_final(journal: Journal, sender: Sender, post: Post, clock: Clock):
    only_ops(journal)
    post.error = {"ops": BLOCKED}
    assert tries(journal, sender, clock, 4000) == [0, 60, 120]
    assert state(journal) == ("failed", 3)
    assert channels.channel(journal, "ops").trouble == BLOCKED.message


def test_one_that_is_allowed_a_minute_later_arrives(
    journal: Journal, sender: Sender, post: Post, clock: Clock
):
    only_ops(journal)
    post.error = {"ops": BLOCKED}
    tries(journal, sender, clock, 100)
    assert state(journal) == ("waiting", 2)
    post.error = {}
    tries(journal, sender, clock, 100)
    assert (state(journal), [name for name, _ in post.got]) == (("sent", 3), ["ops"])


def test_tries_that_failed_otherwise_do_not_count(
    journal: Journal, sender: Sender, post: Post, clock: Clock
):
    """A network that comes up: nothing answers for long, then a login page does for a moment."""
    only_ops(journal)
    post.error = {"ops": AWAY}
    tries(journal, sender, clock, 600)
    post.error = {"ops": BLOCKED}
    clock.now += 900
    assert len(tries(journal, sender, clock, 100)) == 2
    assert state(journal)[0] == "waiting"
    post.error = {}
    clock.now += 60
    assert sender.turn()
    assert state(journal)[0] == "sent"


def test_a_sender_that_begins_anew_gives_up_as_well(
    journal: Journal, sender: Sender, post: Post, clock: Clock
):
    only_ops(journal)
    post.error = {"ops": BLOCKED}
    tries(journal, sender, clock, 100)
    again = Sender(journal, sender.home, post, clock)
    clock.now += 60
    tries(journal, again, clock, 1000)
    assert state(journal) == ("failed", 5)

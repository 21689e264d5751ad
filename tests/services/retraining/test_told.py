"""People are told of a retraining: one that waits, one that ended badly, one that was promoted."""

import random
import time
from dataclasses import replace

import pytest

from services.actions.retraining import AcceptRetraining, DismissRetraining
from services.alerting import channels, outbox, store
from services.alerting.models import Channel, Message, Silence
from services.controller import alerts
from services.controller.alerts import AlertWatch, Sources
from services.retraining import store as retrainings
from services.retraining import telling
from services.retraining.models import Proposal
from tests.services.alerting.things import channel
from tests.services.retraining.lab import ANA, PROJECT, Lab
from tests.services.retraining.things import NOW, ended, proposal


@pytest.fixture
def watch(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> AlertWatch:
    monkeypatch.setattr(alerts, "RULES_INTERVAL_S", 0.0)
    monkeypatch.setattr(alerts, "_LONGEST_REST_S", 0.0)
    journal = lab.context.journal
    for one in (
        channel(), channel("clips", projects=("clip",)), channel("night", severity="critical"),
        channel("escalation", escalation=True),
    ):  # fmt: skip
        channels.put(journal, one)
    sources = Sources(lab.home, journal, lab.context.mirror)
    mine = [one for one in sources.rules(serves=False) if "retraining" in one.kinds]
    return AlertWatch(lab.home, journal, tuple(mine), clock=lab.now)


def look(lab: Lab, watch: AlertWatch) -> None:
    """Look as the controller does, until what belongs together was waited for."""
    lab.watch.turn()
    for _ in range(2):
        watch.turn()
        lab.clock.ahead_s += 400


def messages(lab: Lab, what: str = "firing") -> list[Message]:
    found = outbox.messages(lab.context.journal)[::-1]
    return [one for one in found if one.what == what and "retrain" in one.group]


def accept(lab: Lab) -> None:
    lab.done(AcceptRetraining(lab.one().id, PROJECT), ANA)


def to_verdict(lab: Lab) -> None:
    accept(lab)
    lab.until(lambda one: one.state == "running", 60)
    lab.trained()
    lab.until(lambda one: one.deploy is not None, 60)
    lab.stands()
    lab.later(0.6)
    lab.until(lambda one: one.steer is not None, 60)
    lab.rollout_ends(live=True)


def test_one_that_waits_is_told_once_and_its_end_too(lab: Lab, watch: AlertWatch):
    lab.alert()
    for _ in range(6):
        look(lab, watch)
    (told,) = messages(lab)
    assert (told.channel, told.severity) == ("ops", "warning")
    assert "A retraining of net waits for an approver [lora]" in told.title
    for part in ("3 of 20 columns drifted.", "Data: ", "1 min", "30 J", "What it brings",
                 "mlops retrain accept 1"):  # fmt: skip
        assert part in told.body
    (one,) = store.alerts(lab.context.journal, kind="retraining")
    assert one.thread == lab.one().thread
    lab.done(DismissRetraining(lab.one().id, PROJECT, "The data is bad."), ANA)
    look(lab, watch)
    over = {one.channel: one.body for one in messages(lab, "resolved")}
    assert set(over) == {"ops", "escalation"}  # which was told of it after an hour
    assert "ana dismissed it: The data is bad." in over["ops"]


def test_one_that_failed_is_told_and_over_when_what_it_answers_is(lab: Lab, watch: AlertWatch):
    lab.alert()
    look(lab, watch)
    accept(lab)
    lab.until(lambda one: one.state == "running")
    lab.trained(state="failed")
    assert lab.until(lambda one: one.ended).state == "failed"
    look(lab, watch)
    told = messages(lab)[-1]
    assert "The retraining of net failed" in told.title
    assert "Likely cause: Its workflow failed." in told.body
    look(lab, watch)
    (one,) = store.alerts(lab.context.journal, kind="retraining")
    assert one.state == "firing"
    lab.alert(state="ok")
    watch.turn()
    assert store.alert(lab.context.journal, one.id).resolution == (
        "What it was to answer has ended by itself."
    )
    assert messages(lab, "retraining") == []


def test_one_that_was_promoted_is_told_to_who_is_told_of_those_that_wait(
    lab: Lab, watch: AlertWatch
):
    lab.alert()
    look(lab, watch)
    to_verdict(lab)
    assert lab.until(lambda one: one.ended).state == "promoted"
    (told,) = messages(lab, "retraining")
    assert (told.channel, told.state) == ("ops", "waiting")
    assert told.title == "net was retrained: version 7 [lora]"
    for part in (
        "Version 7 is the champion of net.", "accepted by ana, made version 7 in place of",
        "Why: 3 of 20 columns drifted.", "It took 1 min and 40 J.", "changed by +0.1",
        "`mlops retrain show 1`",
    ):  # fmt: skip
        assert part in told.body
    look(lab, watch)
    assert store.alerts(lab.context.journal, kind="retraining") == ()
    assert len(messages(lab, "retraining")) == 1


@pytest.mark.parametrize("seed", range(3))
def test_whoever_is_killed_anywhere_tells_it_once(lab: Lab, watch: AlertWatch, seed: int):
    lab.alert()
    look(lab, watch)
    chance = random.Random(seed)  # noqa: S311 - the same points each time
    lab.kill(lambda: chance.randint(1, 8))
    to_verdict(lab)
    lab.until(lambda one: one.ended, 60)
    assert lab.kills > 3
    for _ in range(10):
        lab.turn()
    assert len(messages(lab, "retraining")) == 1


def test_a_silence_covers_it_and_quiet_hours_put_it_off(lab: Lab, watch: AlertWatch):
    journal, now = lab.context.journal, time.time()
    one = ended("promoted", NOW, candidate=3, said="Version 3 is the champion.\x00\ud800")

    def told() -> int:
        with journal.write() as connection:
            return telling.promoted(connection, one, now, "http://here")

    assert told() == 1
    assert "http://here/monitoring?retraining=1" in messages(lab, "retraining")[0].body
    quiet = Silence(0, "retraining/lora/*", None, "ana", "Enough.", now - 1, now + 60)
    store.add_silence(journal, quiet, 1)
    assert told() == 0


def test_a_channel_of_another_project_or_of_other_kinds_hears_of_none():
    one = ended("promoted", NOW)
    wanted = {
        each.name for each in (Channel("a", "json"), Channel("b", "json", projects=("clip",)),
                               Channel("c", "json", projects=("lora",)),
                               Channel("d", "json", kinds=("drift",)),
                               Channel("e", "json", kinds=("retraining",)))
        if telling._wants(each, one)
    }  # fmt: skip
    assert wanted == {"a", "c", "e"}


def test_what_belongs_to_a_change_of_state_is_written_with_such_a_change_alone(lab: Lab):
    journal, told = lab.context.journal, []
    one = retrainings.put(journal, proposal(0))

    def also(_connection: object, after: Proposal) -> None:
        told.append(after.state)

    for state, said in (("open", "a"), ("promoted", "b"), ("promoted", "c")):
        after = replace(one, state=state, said=said, ended_at=None if state == "open" else NOW)
        retrainings.change(journal, one.id, lambda _, after=after: (after, ()), also)
    assert told == ["promoted"]

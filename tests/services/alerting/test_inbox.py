"""What needs a person, in order."""

import time

import pytest

from services.actions.journal import Journal
from services.actions.roles import Actor
from services.alerting import deciding, inbox, store
from services.alerting.inbox import Item
from services.alerting.models import Event, Policy
from services.alerting.rules import retraining
from services.retraining.models import Evidence
from tests.services.alerting.things import event, unknown
from tests.services.retraining.things import NOW, proposal

ANA = Actor("ana", "operator")


def fill(journal: Journal) -> float:
    now = time.time()
    said: list[Event] = [
        event("run/lora/a", now - 50, severity="warning"),
        event("run/lora/b", now - 40, severity="critical"),
        event("run/clip/c", now - 30, severity="critical", project="clip"),
        event("disk/d", now - 20, severity="info", project=None),
        event("run/lora/e", now - 10, severity="critical"),
        event("engine/x", now - 10, explains=("l:x",), severity="info", project=None),
        event("run/lora/f", now - 10, labels={"l": "x"}),
    ]
    deciding.decide(journal, said, now, Policy())
    by_key = {one.key: one for one in store.alerts(journal)}
    store.acknowledge(journal, by_key["run/lora/b"].id, "ben", "", now)
    deciding.decide(journal, [unknown("run/lora/e", now)], now, Policy())
    return now


def titles(found: tuple[Item, ...]) -> list[str]:
    return [one.title.split(" ")[0] for one in found]


def test_the_worst_that_nobody_looks_after_comes_first_and_what_is_explained_not_at_all(
    journal: Journal,
):
    now = fill(journal)
    found = inbox.inbox(journal, ANA, now=now)
    assert titles(found) == [
        "run/clip/c", "run/lora/a", "engine/x", "disk/d", "run/lora/e", "run/lora/b",
    ]  # fmt: skip
    states = [one.state for one in found]
    assert states == ["firing"] * 4 + ["unknown", "acknowledged"]
    assert found[4].said.startswith("Nobody can tell. Before:")
    assert found[5].said.startswith("ben looks after it.")
    assert [one.act for one in found] == ["Acknowledge"] * 4 + ["", ""]
    assert inbox.counts(found) == {"critical": 3, "warning": 1, "info": 2}


def test_everyone_gets_what_they_may_see_and_do(journal: Journal):
    now = fill(journal)
    scoped = inbox.inbox(journal, Actor("sam", "operator", ("clip",)), now=now)
    assert titles(scoped) == ["run/clip/c"]
    viewer = inbox.inbox(journal, Actor("vera", "viewer"), now=now)
    assert {one.act for one in viewer} == {""}


def test_what_others_know_is_put_in_its_place(journal: Journal):
    now = fill(journal)
    waits = Item(
        "approval", 9, "critical", "firing", "lora", "Approve x", "", now - 99, "Approve", "/x"
    )
    assert titles(inbox.inbox(journal, ANA, [waits], now))[:2] == ["run/clip/c", "Approve"]


def test_in_a_storm_the_worst_is_among_those_that_are_read(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(inbox, "_ALERTS", 2)
    now = fill(journal)
    assert titles(inbox.inbox(journal, ANA, now=now)) == ["run/clip/c", "run/lora/a"]


def test_an_approver_decides_about_what_another_asked_for(journal: Journal):
    asked = proposal(requested_by="ana", evidence=(Evidence(NOW, "It is wrong.", by="ana"),))
    said = retraining.events((asked,), {}, {}, {}, NOW, frozenset())
    deciding.decide(journal, said, NOW, Policy())
    for name, act in (("ana", "Acknowledge"), ("ben", "Decide")):
        found = inbox.inbox(journal, Actor(name, "approver"), now=NOW)
        assert [one.act for one in found] == [act]

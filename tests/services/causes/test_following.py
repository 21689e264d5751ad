"""Alerts get their causes beside the loop, which waits for nobody."""

import threading
import time
from dataclasses import replace

import pytest

from services.alerting import engine, looking
from services.alerting.engine import Book
from services.alerting.models import Event, Policy
from services.causes import following
from services.causes.following import Asked, Follower, asked_of, with_cause
from services.causes.grounds import Ground, Grounds
from services.causes.models import Cause, Explanation, Kind
from services.errors import PlatformError

NOW = 1_795_953_600.0


def event(key: str = "drift/lora/net/data", **more: object) -> Event:
    given = {"labels": {"endpoint": "lora.net"}, "cause": "a moved", "suggestion": "look"} | more
    return Event(key, NOW, "firing", **given)  # type: ignore[arg-type]


def cause(kind: Kind = "version", title: str = "Version 3 answers") -> Cause:
    return Cause(kind, title, "It explains it.", 0.7, True, ("1 then, 2 now.",), "go back", "/x")


def explanation(*causes: Cause) -> Explanation:
    return Explanation("lora", "net", "data", "worse", NOW, "It is so.", causes, (), ())


@pytest.mark.parametrize(
    ("key", "asked"),
    [
        ("drift/lora/net/data", "data"), ("drift/lora/net/accuracy", "accuracy"),
        ("drift/lora/net/quality", "quality"), ("drift/lora/net/prediction", "prediction"),
        ("errors/lora.net", "errors"), ("latency/lora.net", "slow"), ("load/lora.net", "slow"),
        ("accuracy/lora.net", "accuracy"), ("endpoint/lora.net", None), ("disk/x", None),
        ("drift/lora/net/other", None), ("availability/lora.net", "outage"),
    ],
)  # fmt: skip
def test_what_is_searched_for_an_alert(key: str, asked: str | None):
    found = asked_of(event(key))
    assert found == (None if asked is None else ("lora", "net", asked))


def test_nothing_is_searched_for_what_is_over_or_about_no_deployment():
    assert asked_of(replace(event(), state="ok")) is None
    assert asked_of(event(labels={})) is None
    assert asked_of(event(labels={"endpoint": "lora"})) is None


def test_of_a_failed_workflow_its_run_is_looked_into():
    labels = {"workflow": "lora.train", "workflow_run": "one", "engine": "airflow"}
    failed = event("workflow/lora.train", labels=labels)
    assert asked_of(failed) == ("lora.train", "one", "workflow")
    assert asked_of(replace(failed, state="unknown")) is None
    assert asked_of(replace(failed, labels={})) is None


def test_grounds_are_told_in_order_with_their_share_and_their_page():
    page = "/alerts?alert=3"
    first = Ground("engine", "Gateway is down", (f"It ended. ({page})",), "Restart it.", page, 0.5)
    second = Ground(
        "memory", "It was short of memory", ("Then. (/hardware)",), "Wait.", "/hardware"
    )
    beside = follower(lambda _one: Grounds((first, second)))
    (made,) = beside.explained([event("availability/lora.net", evidence=("90 % in service.",))])
    beside.close()
    assert made.cause == (
        "Gateway is down (50 % of the time out of service). Also: It was short of memory."
    )
    assert made.suggestion == "Restart it."
    assert made.labels == {"endpoint": "lora.net", "cause": "engine", "why": page}
    assert made.evidence == (f"It ended. ({page})", "Then. (/hardware)", "90 % in service.")
    assert made.at > NOW, "of evidence of one moment the first counts"
    assert with_cause(event(), Grounds()) == event()


def test_a_cause_replaces_what_the_rule_guessed_and_keeps_its_evidence():
    other = cause("load", "It is asked more often")
    made = with_cause(event(evidence=("report.html",)), explanation(cause(), other))
    assert made.cause == "Version 3 answers (70 % of the change). Also: It is asked more often."
    assert (made.suggestion, made.labels["cause"]) == ("go back", "version")
    assert made.evidence == ("1 then, 2 now.", "report.html")


def test_what_was_not_told_apart_is_about_so_much_and_nothing_is_said_twice():
    guess = replace(cause(), measured=False, evidence=("a moved by 2.",))
    said = ("a moved by 2. 30 % of the answer goes with it.", "b moved by 1.")
    made = with_cause(event(evidence=said), explanation(guess))
    assert made.cause == "Version 3 answers (about 70 % of the change)."
    assert made.evidence == ("a moved by 2.", "b moved by 1.")


NOTHING = replace(
    explanation(), clear=("version", "clients"), unknown=("Others on the machine: no telemetry.",)
)
IN_VAIN = (
    "None was found of 2 things looked at: another version, who asks. "
    "Could not be looked at: Others on the machine: no telemetry."
)


def test_where_nothing_is_found_the_alert_says_what_was_looked_at():
    made = with_cause(event(cause=""), NOTHING)
    assert (made.cause, made.suggestion, made.labels["cause"]) == (IN_VAIN, "look", "none")
    assert made.labels["why"] == "/monitoring?deployment=lora.net&part=causes"
    guessed = with_cause(event(evidence=("report.html",)), NOTHING)
    assert (guessed.cause, guessed.evidence) == ("a moved", ("report.html", f"Causes: {IN_VAIN}"))


def test_where_nothing_can_be_told_the_alert_says_why():
    few = replace(NOTHING, state="unknown", said="2 requests are known.", clear=())
    made = with_cause(event(cause=""), few)
    assert made.cause == "None can be told. 2 requests are known. " + NOTHING.unknown[0]


def test_nothing_found_later_leaves_the_cause_that_was_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "AGAIN_S", 0.0)
    answers = [NOTHING, explanation(cause()), NOTHING]
    beside = follower(lambda _one: answers.pop(0) if answers else NOTHING)
    told = [beside.explained([event(cause="")])[0].cause]
    end = time.monotonic() + 10
    while answers and time.monotonic() < end:
        told.append(beside.explained([event(cause="")])[0].cause)
        time.sleep(0.01)
    beside.explained([event(cause="")])
    told.append(beside.explained([event(cause="")])[0].cause)
    assert told[0] == IN_VAIN
    assert told[-1].startswith("Version 3")
    beside.close()


def follower(search: following.Search, patience_s: float = 5.0) -> Follower:
    return Follower(search, patience_s=patience_s)


def test_each_question_is_asked_once_for_a_while():
    asked: list[Asked] = []

    def search(one: Asked) -> Explanation:
        asked.append(one)
        return explanation(cause())

    beside = follower(search)
    for _ in range(3):
        (first, same, other) = beside.explained(
            [event(), event("drift/lora/net/data"), event("disk/x", labels={})]
        )
    assert asked == [("lora", "net", "data")]
    assert (first.cause, same.cause, other.cause) == (first.cause, first.cause, "a moved")
    assert first.cause.startswith("Version 3")
    beside.close()


def test_a_slow_search_delays_no_look_and_says_when_it_is_done():
    go = threading.Event()

    def search(_one: Asked) -> Explanation:
        assert go.wait(10)
        return explanation(cause())

    beside = follower(search, 0.05)
    begun = time.monotonic()
    (early,) = beside.explained([event()])
    assert time.monotonic() - begun < 1.0
    assert (early.cause, beside.has_news) == ("a moved", False)
    go.set()
    while not beside.has_news:
        time.sleep(0.01)
    (late,) = beside.explained([event()])
    assert late.cause.startswith("Version 3")
    assert not beside.has_news
    beside.close()


def test_a_search_that_fails_leaves_the_alert_as_it_is_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    faults: list[Exception] = [ValueError("a bug"), PlatformError("The log is away.", "Look.")]

    def search(_one: Asked) -> Explanation:
        if faults:
            raise faults.pop()
        return explanation(cause())

    monkeypatch.setattr(following, "RETRY_S", 0.0)
    monkeypatch.setattr(following, "AGAIN_S", 0.0)
    beside = follower(search)
    told = []
    while not told or told[-1] == "a moved":
        told.append(beside.explained([event()])[0].cause)
        time.sleep(0.01)
    assert told[:2] == ["a moved", "a moved"]
    assert "The log is away." in caplog.text
    assert "a bug" in caplog.text
    beside.close()


def test_what_is_over_is_forgotten():
    count = []
    beside = follower(lambda _one: (count.append(1), explanation(cause()))[1])
    beside.explained([event()])
    beside.explained([])
    beside.explained([event()])
    assert len(count) == 2
    beside.close()


def turned(book: Book, one: Event, now: float) -> Book:
    """What the loop of alerts does with an event."""
    return engine.apply(book, looking.news([one], book.alerts, now), (), now, Policy())


def test_a_cause_that_is_found_later_comes_into_the_alert_and_ends_nothing():
    first = turned(Book(), event(), NOW + 1)
    explained = with_cause(event(), explanation(cause()), 1)
    later = turned(first, explained, NOW + 6)
    (alert,) = later.alerts.values()
    assert alert.cause.startswith("Version 3")
    again = turned(later, with_cause(event(), explanation(cause("load", "Load")), 2), NOW + 11)
    (alert,) = again.alerts.values()
    assert alert.cause.startswith("Load")
    assert turned(again, with_cause(event(), explanation(cause("load", "Load")), 2), NOW + 16) == (
        Book(again.alerts)
    )
    # The controller began anew: nothing is known yet, and what was found stays.
    (alert,) = turned(again, event(), NOW + 21).alerts.values()
    assert alert.cause.startswith("Load")
    # The next verdict is steady.
    over = turned(again, Event("drift/lora/net/data", NOW + 30, "ok", said="steady"), NOW + 31)
    assert not over.alerts["drift/lora/net/data"].open

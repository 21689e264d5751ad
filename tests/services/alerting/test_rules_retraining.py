"""Retrainings that wait for a person, and those that ended badly."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerting.engine import Book
from services.alerting.inhibiting import inhibited
from services.alerting.models import Alert, Event
from services.alerting.rules import retraining, runs
from services.retraining.models import BY_POLICY, Evidence, Gain, Policy, Proposal, Range
from tests.services.alerting.test_rules_platform import DagRun
from tests.services.alerting.things import NONE, after, alert, event, ok, states
from tests.services.retraining.things import HOUR, NOW, ended, evidence, policy, proposal

WAITS, ENDED = "retraining/lora/net/waits/1", "retraining/lora/net/ended/1"
AUTOMATIC = {"lora": policy(mode="automatic")}


def said(
    *newest: Proposal, policies: Mapping[str, Policy] | None = None, now: float = NOW,
    open_keys: frozenset[str] = NONE, answered: Mapping[int, Alert] | None = None,
    live: Mapping[str, int] | None = None,
) -> tuple[Event, ...]:  # fmt: skip
    return retraining.events(newest, policies or {}, answered or {}, live or {}, now, open_keys)


def test_one_that_waits_says_why_with_which_data_for_how_much_and_where():
    gain = Gain("acc", "max", Range(0.02, 0.01, 0.03, 4))
    (found,) = said(proposal(gain=gain))
    assert (found.key, found.state, found.severity) == (WAITS, "firing", "warning")
    assert found.title == "A retraining of net waits for an approver"
    for part in (
        "3 of 20 columns drifted.", "Data: Version abab of Monday.",
        "10 min (8 to 14, 5 before) and 500 J (400 to 700, 5 before)",
        "changed acc by +0.02",
    ):  # fmt: skip
        assert part in found.said
    assert found.cause == "pixels moved by 0.6."
    assert "mlops retrain accept 1" in found.suggestion
    assert found.link == "/monitoring?retraining=1"
    assert (found.labels["thread"], found.labels["retraining"]) == ("feed", "1")
    assert "engine" not in found.labels  # no engine that is down keeps it quiet
    unknown = proposal(minutes=None, joules=None)
    assert "an unknown time and unknown energy" in said(unknown)[0].said


def test_it_is_as_pressing_as_a_thing_to_do_and_names_who_may_not_accept():
    for worst, told in (("info", "info"), ("warning", "warning"), ("critical", "warning")):
        assert said(proposal(evidence=(evidence(7, worst),)))[0].severity == told
    asked = proposal(requested_by="mira", evidence=(Evidence(NOW, "It is wrong.", by="mira"),))
    (found,) = said(asked)
    assert found.severity == "warning"
    assert "Asked for by mira, who may not accept it." in found.said


def test_a_policy_gets_a_minute_to_decide_by_itself():
    assert said(proposal(), policies=AUTOMATIC) == ()
    (late,) = said(proposal(), policies=AUTOMATIC, now=NOW + retraining.GRACE_S)
    (refused,) = said(proposal(refused="The budget is used up."), policies=AUTOMATIC)
    assert late.state == refused.state == "firing"
    assert "The policy does not accept it: The budget is used up." in refused.said
    # What a policy said that is off by now is no reason any more.
    assert "budget" not in said(proposal(refused="The budget is used up."))[0].said


@pytest.mark.parametrize(
    ("newest", "told"),
    [
        (
            ended("dismissed", NOW, approved_by="ana", reason="Not now"),
            "ana dismissed it: Not now.",
        ),
        (ended("promoted", NOW, approved_by="ana"), "ana accepted it."),
        (proposal(state="running", approved_by=BY_POLICY), "The policy accepted it."),
        (proposal(2), "Retraining 2 came after it: it is open."),
        (None, "It is known no more."),
    ],
)
def test_the_wait_is_over_when_it_was_decided(newest: Proposal | None, told: str):
    given_ = () if newest is None else (newest,)
    found = {one.key: one for one in said(*given_, open_keys=frozenset({WAITS}))}
    assert (found[WAITS].state, found[WAITS].said) == ("ok", told)


def test_one_that_failed_or_was_dropped_is_told_with_its_reason():
    (failed,) = said(ended("failed", NOW, said="Its workflow failed.", approved_by="ana",
                           took_minutes=9.0))  # fmt: skip
    assert (failed.key, failed.severity) == (ENDED, "warning")
    assert failed.title == "The retraining of net failed"
    assert failed.cause == "Its workflow failed."
    assert "accepted by ana, failed. It came to no new version." in failed.said
    assert "Version 2 stays as it is. It took 9 min." in failed.said
    assert "mlops workflows logs r" in failed.suggestion
    (dropped,) = said(ended("dropped", NOW, candidate=3, approved_by=BY_POLICY,
                            said="It is worse."))  # fmt: skip
    assert dropped.title == "The retraining of net was dropped"
    assert "accepted by the policy, was dropped. Version 3 is not put into service." in dropped.said
    assert "logs" not in dropped.suggestion
    assert said(ended("promoted", NOW), ended("dismissed", NOW)) == ()


def test_an_old_bad_end_greets_nobody_and_an_open_alert_stays():
    old = ended("failed", NOW - retraining.RECENT_S)
    assert said(old) == ()
    assert states(said(old, open_keys=frozenset({ENDED}))) == {ENDED: "firing"}


def test_a_bad_end_is_over_when_another_came_or_nothing_is_left_to_answer():
    mine, later = frozenset({ENDED}), NOW + retraining.LEAST_S
    failed = ended("failed", NOW)
    (other,) = said(ended("promoted", NOW, 2), open_keys=mine)
    assert (other.state, other.said) == ("ok", "Retraining 2 came after it: it is promoted.")
    gone = {7: alert(event("drift/lora/net/data"), ok("drift/lora/net/data"))}
    lasts = {7: alert(event("drift/lora/net/data"))}
    for answered, live, state in (
        (gone, {}, "ok"), (lasts, {}, "firing"), ({}, {}, "firing"),
        (lasts, {"lora.net": 9}, "ok"), (lasts, {"lora.net": 2}, "firing"),
    ):  # fmt: skip
        found = said(failed, answered=answered, live=live, now=later, open_keys=mine)
        assert states(found) == {ENDED: state}
        # However unimportant it is by then: that it failed is told.
        assert states(said(failed, answered=answered, live=live)) == {ENDED: "firing"}
    asked = ended("failed", NOW, evidence=(evidence(7), Evidence(NOW, "It is wrong.", by="mira")))
    assert states(said(asked, answered=gone, now=later, open_keys=mine)) == {ENDED: "firing"}


def test_a_workflow_that_failed_and_its_retraining_are_one_trouble():
    workflow = DagRun("failed", dag_id="lora.retrain", run_id="r")
    both = [*said(ended("failed", NOW)),
            *runs.workflow_events({"lora.retrain": workflow}, NOW, NONE)]  # fmt: skip
    book = after(*both, now=NOW)
    assert inhibited(book.alerts.values()) == {"workflow/lora.retrain": ENDED}


def test_what_merged_later_is_news_and_nothing_else_is():
    book = after(*said(proposal()), now=NOW)
    again = after(*said(proposal()), book=book, now=NOW + 5)
    assert again.alerts[WAITS] is book.alerts[WAITS]
    merged = proposal(evidence=(evidence(), evidence(8, "critical", NOW + 60)))
    told = after(*said(merged, now=NOW + 61), book=again, now=NOW + 61).alerts[WAITS]
    assert (told.count, len(told.evidence), told.since) == (2, 2, NOW)
    assert told.thread == "feed"  # it is found with the alert that it answers


STATES = ("open", "accepted", "running", "judging", "dismissed", "promoted", "dropped", "failed")


@given(st.lists(st.tuples(st.sampled_from(STATES), st.booleans(), st.floats(5, HOUR)), max_size=12))
def test_whatever_happens_what_waits_and_ended_badly_now_is_what_fires(
    past: list[tuple[Any, bool, float]],
):
    book, now, number = Book(), NOW, 1
    one = proposal(number)
    for state, fresh, length in past:
        now += length
        if one.ended or fresh:
            number += 1
        over = {"decided_at": now, "ended_at": now} if state not in {"open"} else {}
        one = proposal(number, state=state, created_at=now, approved_by="ana", **over)
        open_keys = frozenset(key for key, each in book.alerts.items() if each.open)
        book = after(*said(one, now=now, open_keys=open_keys), book=book, now=now)
        fires = {key for key, each in book.alerts.items() if each.open}
        wanted = {"open": retraining.waits_key(one), "failed": retraining.ended_key(one),
                  "dropped": retraining.ended_key(one)}  # fmt: skip
        assert fires == ({wanted[state]} if state in wanted else set())

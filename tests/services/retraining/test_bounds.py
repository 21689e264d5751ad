"""What a policy allows by itself: counts, pauses and budgets, and what is not known."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retraining.bounds import Decision, decide, longest_s
from services.retraining.models import WEEK_S, Proposal, Range
from tests.services.retraining.things import HOUR, NOW, accepted, ended, policy, proposal, running

AUTOMATIC: dict[str, Any] = {"mode": "automatic"}


def decided(*past: Proposal, one: Proposal | None = None, **said: Any) -> Decision:
    return decide(policy(**AUTOMATIC | said), one or proposal(9), past, NOW)


def test_with_nothing_before_it_may_begin():
    found = decided()
    assert found.allowed
    assert found.said == "The project's policy allows it: 0 of 3 in seven days."
    assert found.numbers == {
        "cooldown_h": 24.0, "hours_since_last": None, "in_seven_days": 0, "most_per_week": 3,
    }  # fmt: skip


@pytest.mark.parametrize("mode", ["off", "propose"])
def test_a_policy_that_asks_people_allows_nothing(mode: str):
    assert not decided(mode=mode).allowed


@pytest.mark.parametrize(("hours", "allowed"), [(23.9, False), (24.0, True), (-5.0, False)])
def test_the_cool_down_counts_from_the_end_of_the_last_one(hours: float, allowed: bool):
    last = ended("promoted", NOW - hours * HOUR)
    assert decided(last).allowed is allowed
    assert decided(last).numbers["hours_since_last"] == max(0.0, hours)


def test_the_cool_down_is_of_the_model_alone():
    assert decided(ended("promoted", NOW - HOUR, model="other")).allowed


def test_what_is_under_way_counts_from_when_it_was_accepted():
    assert not decided(running(number=2, decided_at=NOW - 2 * HOUR)).allowed


def test_a_launch_that_failed_waits_too_but_is_no_training():
    failed = ended("failed", NOW - HOUR, workflow=None)
    found = decided(failed, most_per_week=1)
    assert len(found.reasons) == 1
    assert "must lie between two" in found.said
    assert found.numbers["in_seven_days"] == 0


def test_what_a_person_stopped_had_begun_and_counts():
    stopped = ended("dismissed", NOW - HOUR, stopped="Stopped by ops.", took_minutes=12.0)
    found = decided(stopped, most_per_week=1, budget_minutes=20.0)
    assert found.numbers["in_seven_days"] == 1
    assert found.numbers["spent_minutes"] == 12.0
    assert [said.split()[0] for said in found.reasons] == ["The", "The", "It"]
    assert "must lie between two" in found.said
    unlaunched = replace(stopped, workflow=None)
    assert decided(unlaunched).numbers["in_seven_days"] == 0


@pytest.mark.parametrize("state", ["open", "dismissed"])
def test_what_nobody_accepted_counts_nowhere(state: Any):
    assert decided(proposal(2, state=state, approved_by="ana", decided_at=NOW)).allowed


def test_the_most_of_a_week_is_of_the_project():
    old = ended("promoted", NOW - WEEK_S, 1, model="a", decided_at=NOW - WEEK_S)
    new = [ended("dropped", NOW - 30 * HOUR, n, model="a") for n in (2, 3)]
    assert decided(old, *new).allowed
    found = decided(old, *new, ended("failed", NOW - 30 * HOUR, 4, model="b"))
    assert found.reasons == ("The project had 3 retrainings in seven days; 3 are allowed.",)
    assert not decided(most_per_week=0).allowed


def test_a_budget_is_what_was_spent_and_what_is_expected():
    spent = ended("promoted", NOW - 30 * HOUR, took_minutes=12.0)
    assert decided(spent, budget_minutes=22.0).allowed
    found = decided(spent, budget_minutes=21.9)
    assert found.reasons == ("It would take 10 minutes beside 12 in seven days; 21.9 are allowed.",)
    assert found.numbers["spent_minutes"] == 12.0
    assert found.numbers["expected_minutes"] == 10.0


def test_what_is_under_way_is_counted_with_what_is_expected_of_it():
    other = accepted(2, model="other", minutes=Range(8.0, 8.0, 8.0, 1))
    assert decided(other, budget_minutes=18.0).allowed
    assert not decided(other, budget_minutes=17.0).allowed


def test_what_is_not_known_keeps_no_budget():
    dark = ended("promoted", NOW - 30 * HOUR, took_joules=None, joules=None)
    found = decided(dark, budget_joules=1e9)
    assert "1 of the week's retrainings took is not known" in found.said
    blind = decided(one=proposal(9, joules=None), budget_joules=1e9)
    assert blind.said == "How many joules it takes is not known, so the budget cannot be kept."
    assert decided(dark, one=proposal(9, joules=None)).allowed, "without a budget none is needed"


def test_one_that_failed_spent_what_it_took_not_what_was_expected():
    spent = ended("failed", NOW, 3, model="other", took_minutes=300.0)
    assert decided(spent, budget_minutes=400.0).allowed
    assert not decided(spent, budget_minutes=250.0).allowed
    dark = ended("failed", NOW, 3, model="other", took_minutes=None)
    found = decided(dark, budget_minutes=400.0)
    assert "is not known, so the budget cannot be kept." in found.said


@given(
    spent=st.lists(st.floats(0, 100), max_size=5), expected=st.floats(0, 100),
    budget=st.floats(0, 400),
)  # fmt: skip
def test_a_week_never_takes_more_than_its_budget(
    spent: list[float], expected: float, budget: float
):
    past = [
        ended("promoted", NOW - 30 * HOUR, n, took_minutes=took)
        for n, took in enumerate(spent, start=1)
    ]
    one = proposal(99, minutes=Range(expected, expected, expected, 1))
    found = decided(*past, one=one, budget_minutes=budget, most_per_week=100)
    assert found.allowed == (sum(spent) + expected <= budget)


def test_it_looks_as_far_back_as_its_longest_bound():
    assert longest_s(policy(cooldown_h=24.0)) == WEEK_S
    assert longest_s(policy(cooldown_h=400.0)) == 400.0 * HOUR

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.registry.standing import (
    Rules,
    better,
    candidates,
    champion_now,
    judge,
    rules_of,
    value_of,
    versus,
)
from tests.dashboard.registry.versions import model, version

UP = Rules("acc", "max", {"acc": ">= 0.5"})
DOWN = Rules("acc", "min", {"acc": "<= 0.5"})
values = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))


def test_a_failing_gate_names_metric_value_and_bound():
    verdict = judge({"acc": ">= 0.9"}, {"acc": 0.25})

    assert verdict.state == "failed"
    assert verdict.sentence == "acc is 0.25, which fails the gate >= 0.9."


def test_a_metric_that_was_not_logged_fails_its_gate():
    verdict = judge({"acc": ">= 0.9"}, {})

    assert verdict.state == "failed"
    assert "was not logged" in verdict.sentence


def test_a_malformed_gate_is_told_not_raised():
    verdict = judge({"acc": "very good"}, {"acc": 1.0})

    assert verdict.state == "problem"
    assert "'very good'" in verdict.sentence


def test_no_gates_are_no_pass():
    assert judge({}, {"acc": 1.0}).state == "no gates"


@given(values, values)
def test_what_beats_is_not_beaten(a: float | None, b: float | None):
    for goal in ("max", "min"):
        assert not (better(a, b, goal) and better(b, a, goal))  # type: ignore[arg-type]
        assert not better(a, a, goal)  # type: ignore[arg-type]


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e9, 1e9))
def test_the_goal_turns_the_order_round(a: float, b: float):
    if a != b:
        assert better(a, b, "max") != better(a, b, "min")


@given(st.lists(values, min_size=1, max_size=8), st.sampled_from([UP, DOWN]), st.data())
def test_candidates_pass_the_gates_and_beat_the_champion_best_first(
    found: list[float | None], rules: Rules, data: st.DataObject
):
    champion = data.draw(st.one_of(st.none(), st.integers(0, len(found) - 1)))
    held = model(*(version(n + 1, v, champion=n == champion) for n, v in enumerate(found)))
    bar = value_of(champion_now(held), "acc")

    chosen = candidates(held, rules)

    got = [v.metrics["acc"] for v in chosen]
    assert got == sorted(got, reverse=rules.goal == "max")
    for candidate in chosen:
        assert judge(rules.gates, candidate.metrics).state == "passed"
        assert better(candidate.metrics["acc"], bar, rules.goal)
        assert candidate is not champion_now(held)


def test_archived_versions_and_equal_ones_do_not_wait():
    held = model(version(1, 0.8, champion=True), version(2, 0.9, archived=True), version(3, 0.8))

    assert candidates(held, UP) == ()


def test_without_a_champion_the_best_passing_version_waits():
    held = model(version(1, 0.4), version(2, 0.6), version(3, 0.7))

    assert [v.version for v in candidates(held, UP)] == [3, 2]


def test_nothing_is_better_without_a_primary_metric():
    assert candidates(model(version(1, 0.9)), Rules(None, "max", {})) == ()


def test_a_difference_is_good_by_the_goal():
    old, new = version(1, 0.8, champion=True), version(2, 0.6)

    assert versus(new, old, UP).good is False  # type: ignore[union-attr]
    assert versus(new, old, DOWN).good is True  # type: ignore[union-attr]
    assert versus(old, old, UP) is None
    assert versus(new, None, UP) is None
    assert versus(version(3, math.nan), old, UP) is None


@pytest.mark.parametrize(
    ("metric", "goal"),
    [
        ("acc", "max"),
        ("size", "min"),
        ("recall", "max"),
        ("val_loss", "min"),
        ("system/cpu_s", "min"),
    ],
)
def test_the_goal_of_a_metric_comes_from_contract_gate_or_name(metric: str, goal: str):
    rules = Rules("acc", "max", {"size": "< 10", "recall": ">= 0.1"})

    assert rules.goal_of(metric) == goal


def test_an_undeclared_project_has_no_rules():
    assert rules_of(None).metric is None
    assert rules_of(None).gates == {}

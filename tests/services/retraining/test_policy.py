"""A policy's figures: the same in the action, in what is kept and in what may be asked for."""

from dataclasses import MISSING, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.actions.action import Context
from services.actions.retraining_policy import SetRetrainingPolicy
from services.actions.roles import Actor
from services.errors import InputError
from services.retraining.models import BOUNDS, Policy

ANA = Actor("ana", "approver")
WORDS = {"mode", "min_severity", "strategy", "proof", "collect"}
BUDGETS = {"budget_minutes", "budget_joules"}


class _Mirror:
    def project(self, _project: str) -> None:
        """Every project is one."""


def refused(**said: Any) -> bool:
    context = Context(*[None, _Mirror(), None, None, None, None, None, None, None, None])  # type: ignore[arg-type]  # it asks for a project alone
    try:
        SetRetrainingPolicy("lora", **said).check(context, ANA)
    except InputError:
        return True
    return False


def test_what_is_asked_for_is_what_is_kept_and_the_default_is_that_of_who_asked_nothing():
    assert SetRetrainingPolicy("lora").wanted == Policy()
    asked = {one.name: one.default for one in fields(SetRetrainingPolicy) if one.name != "project"}
    assert MISSING not in asked.values()
    assert asked == {one.name: one.default for one in fields(Policy)}


def test_every_figure_has_bounds_and_every_default_is_within():
    assert set(BOUNDS) == set(Policy.__dataclass_fields__) - WORDS
    assert not refused()


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_both_ends_may_be_set_and_nothing_beyond(name: str):
    least, most = BOUNDS[name]
    shortest = {"judge_minutes": 1.0} if name == "patience_h" else {"patience_h": 7.0 * 24}
    for value in (least, most):
        assert not refused(**shortest | {name: value})
    for value in (least - 0.01, most * 1.01, float("nan"), float("inf"), float("-inf")):
        assert refused(**shortest | {name: value})
    if name in BUDGETS:
        assert not refused(**{name: None})


@given(
    minutes=st.floats(*BOUNDS["judge_minutes"]), patience=st.floats(*BOUNDS["patience_h"]),
)  # fmt: skip
def test_nobody_is_dropped_before_it_could_be_judged(minutes: float, patience: float):
    assert refused(judge_minutes=minutes, patience_h=patience) == (patience < minutes / 60)


@given(
    found=st.builds(
        replace, st.just(Policy()),
        cooldown_h=st.floats(*BOUNDS["cooldown_h"]),
        most_per_week=st.integers(0, 1_000),
        budget_minutes=st.none() | st.floats(*BOUNDS["budget_minutes"]),
        percent=st.floats(*BOUNDS["percent"]),
    )
)  # fmt: skip
def test_what_is_kept_can_be_asked_for_again(found: Policy):
    said = {one.name: getattr(found, one.name) for one in fields(Policy)}
    assert not refused(**said)
    assert SetRetrainingPolicy("lora", **said).wanted == found

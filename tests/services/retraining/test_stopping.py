"""A retraining that is under way is stopped by a person: at any point, and it stays so."""

from dataclasses import replace

import pytest

from services import retraining
from services.actions.retraining import AcceptRetraining
from services.actions.retraining_policy import SetRetrainingPolicy
from services.actions.retraining_stop import StopRetraining
from services.errors import ConflictError, DeniedError, InputError, NotFoundError
from services.retraining import store
from services.retraining.models import Proposal
from services.serving import store as deployments
from tests.services.retraining.lab import ANA, EVE, NAME, OPS, PROJECT, Lab

WHY = "The data has another fault."


def stop(lab: Lab, why: str = WHY) -> StopRetraining:
    return StopRetraining(lab.one().id, PROJECT, why)


def accepted(lab: Lab) -> None:
    lab.alert()
    lab.look()
    lab.done(AcceptRetraining(lab.one().id, PROJECT), ANA)


def judging(lab: Lab) -> None:
    accepted(lab)
    lab.until(lambda one: one.state == "running")
    lab.trained()
    lab.until(lambda one: one.deploy is not None)
    lab.stands()
    lab.until(lambda one: one.beside_since is not None)


def is_over(lab: Lab) -> Proposal:
    one = lab.until(lambda one: one.ended)
    assert (one.state, one.said) == ("dismissed", f"Stopped by ops: {WHY}")
    lines = [line.what for line in retraining.thread(lab.context.journal, one.id)]
    assert lines.index("stopped") < lines.index("dismissed")
    return one


def test_before_its_launch_nothing_is_launched(lab: Lab):
    accepted(lab)
    assert lab.done(stop(lab), OPS).state == "done"
    is_over(lab)
    assert lab.airflow.writes == []


def test_its_workflow_is_cancelled(lab: Lab):
    accepted(lab)
    lab.until(lambda one: one.state == "running")
    lab.done(stop(lab), OPS)
    lab.until(lambda one: one.cancel is not None)
    assert lab.actions("workflow-cancel")[0].state == "done"
    assert not lab.one().ended
    lab.trained(state="failed")  # as the mirror sees it then
    is_over(lab)


def test_a_new_version_is_drawn_back_and_stays_in_the_registry(lab: Lab):
    judging(lab)
    lab.done(stop(lab), OPS)
    lab.until(lambda one: one.steer is not None)
    assert [one.params["change"] for one in lab.actions("rollout")] == ["abort"]
    one = is_over(lab)
    assert one.candidate == 7
    assert deployments.endpoint(lab.context.journal, NAME).live
    assert lab.engine.alias("", "", "champion") != 7


def test_what_was_launched_and_never_noted_is_cancelled_all_the_same(lab: Lab):
    accepted(lab)
    lab.until(lambda one: one.launch is not None)
    number = lab.one().id

    def forgotten(now: Proposal) -> store.Changed:  # as after a kill between the two
        return replace(now, state="accepted", launch=None, workflow=None), ()

    store.change(lab.context.journal, number, forgotten)
    lab.done(stop(lab), OPS)
    lab.until(lambda one: one.cancel is not None)
    lab.trained(state="failed")
    is_over(lab)
    assert lab.airflow.writes.count("launched") == 1


def test_its_alert_leads_to_no_other_one_though_nobody_would_be_asked(lab: Lab):
    lab.done(SetRetrainingPolicy(PROJECT, "automatic", cooldown_h=0), ANA)
    lab.alert()
    lab.until(lambda one: one.state in {"accepted", "running"})
    lab.done(stop(lab), OPS)
    is_over(lab)
    lab.later(48)
    lab.alert()
    for _ in range(3):
        lab.turn()
    assert len(retraining.proposals(lab.context.journal)) == 1
    lab.alert(severity="critical")
    lab.look()
    assert len(retraining.proposals(lab.context.journal)) == 2


def test_what_is_being_made_live_is_rolled_back_instead(lab: Lab):
    judging(lab)
    lab.later(0.6)
    lab.until(lambda one: one.verdict == "promote")
    with pytest.raises(ConflictError, match="being made live"):
        lab.submit(stop(lab), OPS)


def test_who_may_not_and_what_cannot_be_stopped_is_told(lab: Lab):
    lab.alert()
    lab.look()
    with pytest.raises(ConflictError, match="not under way: it is open"):
        lab.submit(stop(lab), OPS)
    lab.done(AcceptRetraining(lab.one().id, PROJECT), ANA)
    with pytest.raises(DeniedError):
        lab.submit(stop(lab), EVE)
    with pytest.raises(InputError, match="Say why"):
        lab.submit(stop(lab, " "), OPS)
    with pytest.raises(NotFoundError):
        lab.submit(replace(stop(lab), project="clip"), OPS)
    (said,) = stop(lab).consequences(lab.context)[:1]
    assert said == "Its workflow is cancelled as soon as it is launched, or never launched."
    lab.done(stop(lab), OPS)
    with pytest.raises(ConflictError, match="being stopped already"):
        lab.submit(stop(lab), OPS)

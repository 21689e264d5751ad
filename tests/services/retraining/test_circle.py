"""The whole way over a real journal: alert, proposal, yes, training, gates, canary, champion."""

import random

import pytest

from services import retraining
from services.actions.retraining import AcceptRetraining, DismissRetraining, ProposeRetraining
from services.actions.retraining_policy import SetRetrainingPolicy
from services.errors import (
    ConflictError,
    DeniedError,
    EngineUnreachableError,
    InputError,
    NotFoundError,
)
from services.mirror.queries import Mirror
from services.retraining.models import BY_POLICY
from services.workflows.deploying import Deployer
from tests.services.retraining.lab import ANA, BEN, EVE, NEW_RUN, OPS, PROJECT, Lab
from tests.services.workflows.test_deploying import package


def accept(lab: Lab) -> AcceptRetraining:
    return AcceptRetraining(lab.one().id, PROJECT)


def proposed(lab: Lab) -> int:
    alert = lab.alert()
    lab.watch.turn()
    return alert


def to_judging(lab: Lab) -> None:
    lab.done(accept(lab), ANA)
    lab.until(lambda one: one.state == "running")
    lab.trained()
    lab.until(lambda one: one.deploy is not None)
    lab.stands()
    lab.until(lambda one: one.beside_since is not None)


def test_an_alert_becomes_a_proposal_that_says_why_and_for_how_much(lab: Lab):
    alert = proposed(lab)
    one = lab.one()
    assert (one.state, one.project, one.model, one.version) == ("open", "lora", "net", 2)
    assert one.why == "3 of 20 columns drifted."
    assert one.evidence[0].columns == ("pixels moved by 0.6.",)
    assert one.minutes is not None
    assert (one.minutes.median, one.minutes.count) == (1.0, 2)
    assert one.joules is not None
    assert one.joules.median == 30.0
    assert one.gain is None
    assert one.data.newer is None
    assert (one.alerts, one.requested_by) == ((alert,), BY_POLICY)
    assert retraining.of_alert(lab.context.journal, alert) == (one,)
    for _ in range(3):
        lab.watch.turn()
    assert len(retraining.proposals(lab.context.journal)) == 1


def test_the_circle_closes_in_one_thread(lab: Lab):
    alert = proposed(lab)
    to_judging(lab)
    assert lab.airflow.writes == ["launched"]
    assert lab.engine.tags["mlops.thread"] == lab.one().thread
    lab.later(0.6)
    lab.until(lambda one: one.steer is not None)
    lab.rollout_ends(live=True)
    one = lab.until(lambda one: one.ended)
    assert one.state == "promoted", one.said
    assert lab.engine.alias("", "", "champion") == 7
    assert (one.took_minutes, one.took_joules, one.change) == (1.0, 40.0, pytest.approx(0.1))
    lab.alert(state="ok")
    lines = retraining.thread(lab.context.journal, one.id)
    assert [line.what for line in lines] == [
        "alert", "proposed", "accepted", "launched", "trained", "gates", "beside", "verdict",
        "promoted", "alert",
    ]  # fmt: skip
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    assert lines[0].link == f"/alerts?alert={alert}"
    assert lines[4].link == f"/run?run={NEW_RUN}"
    assert {line.actor for line in lines} == {"platform", BY_POLICY, "ana"}
    assert retraining.of_workflow(lab.context.journal, *(one.workflow or ("", ""))) == one


@pytest.mark.parametrize("seed", range(4))
def test_a_controller_that_is_killed_anywhere_launches_and_deploys_once(lab: Lab, seed: int):
    lab.alert()
    lab.watch.turn()
    lab.done(accept(lab), ANA)
    chance = random.Random(seed)  # noqa: S311 - the same points each time
    lab.kill(lambda: chance.randint(1, 8))
    lab.until(lambda one: one.state == "running", 60)
    lab.trained()
    lab.until(lambda one: one.deploy is not None, 60)
    lab.stands()
    lab.later(0.6)
    lab.until(lambda one: one.steer is not None, 60)
    lab.rollout_ends(live=True)
    one = lab.until(lambda one: one.ended, 60)
    assert lab.kills > 3
    assert one.state == "promoted"
    assert lab.airflow.writes == ["launched"]
    for kind in ("workflow-launch", "deploy", "rollout", "promote"):
        assert len(lab.actions(kind)) == 1
    happened = [line.what for line in retraining.thread(lab.context.journal, one.id)]
    assert len(happened) == len(set(happened))


def test_a_version_that_fails_its_gates_is_dropped_and_never_served(lab: Lab):
    proposed(lab)
    lab.done(accept(lab), ANA)
    lab.until(lambda one: one.state == "running")
    lab.trained(acc=0.3)
    one = lab.until(lambda one: one.ended)
    assert one.state == "dropped"
    assert "fails the gate" in one.said
    assert not lab.actions("deploy")
    assert lab.engine.alias("", "", "champion") is None  # nobody moved it here


def test_a_training_that_fails_says_which_task_and_why(lab: Lab):
    proposed(lab)
    lab.done(accept(lab), ANA)
    lab.until(lambda one: one.state == "running")
    lab.trained(state="failed")
    one = lab.until(lambda one: one.ended)
    assert one.state == "failed"
    assert "Task train: It ran out of memory." in one.said
    lab.watch.turn()
    assert len(retraining.proposals(lab.context.journal)) == 1, "not again before the cool-down"
    lab.later(25)
    lab.watch.turn()
    assert len(retraining.proposals(lab.context.journal)) == 2


def test_a_guard_that_speaks_drops_it_and_the_live_version_stays(lab: Lab):
    proposed(lab)
    to_judging(lab)
    lab.rollout_ends(live=False, said="5 % of 40 requests failed.")
    one = lab.until(lambda one: one.ended)
    assert (one.state, one.said) == ("dropped", "5 % of 40 requests failed.")
    assert not lab.actions("promote")


def test_without_requests_it_is_taken_back_after_the_patience(lab: Lab):
    proposed(lab)
    to_judging(lab)
    lab.answered(3)
    lab.later(25)
    one = lab.until(lambda one: one.ended)
    assert one.state == "dropped"
    assert "Only 3 of 200 requests" in one.said
    assert [record.params["change"] for record in lab.actions("rollout")] == ["abort"]


@pytest.mark.parametrize(("right", "worse"), [(0.5, True), (0.95, False)])
def test_labels_of_both_versions_tell_whether_it_is_worse(lab: Lab, right: float, worse: bool):
    proposed(lab)
    to_judging(lab)
    lab.later(0.6)
    lab.answered(0)  # the gateway began anew: the prediction log still knows
    for version, share in ((2, 0.95), (7, right)):
        lab.predicted(version, 300, share)
    lab.restart()  # who looks anew reads the log at once
    one = lab.until(lambda one: one.verdict != "")
    assert one.verdict == ("drop" if worse else "promote")
    assert "By labels its accuracy is" in one.judged
    assert "300 requests beside it" in one.judged


def test_a_project_that_went_away_ends_it_after_an_hour(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    def gone(_mirror: Mirror, _project: str) -> None:
        raise NotFoundError("There is no project lora.")

    proposed(lab)
    lab.done(accept(lab), ANA)
    lab.until(lambda one: one.state == "running")
    lab.trained()
    monkeypatch.setattr(Mirror, "project", gone)
    lab.look()
    assert lab.one().state == "running"
    lab.later(1.1)
    lab.look()
    assert lab.one().state == "failed"
    assert "There is no project lora." in lab.one().said


def test_a_release_leaves_the_version_of_a_retraining_to_it(lab: Lab):
    proposed(lab)
    lab.done(accept(lab), ANA)
    lab.until(lambda one: one.state == "running")
    lab.trained()
    new = package(7)
    new.manifest["run_id"] = NEW_RUN
    told = Deployer(lab.context, PROJECT, [].append).deploy([new], asked=False)
    assert "comes from retraining 1" in told["skip"]
    assert not lab.actions("deploy")


# Who may, and once


def test_nobody_accepts_what_they_asked_for_and_a_viewer_nothing(lab: Lab):
    lab.done(ProposeRetraining("lora", "net", "It mixes up 3 and 8."), ANA)
    with pytest.raises(DeniedError, match="asked for by ana"):
        lab.submit(accept(lab), ANA)
    for who in (OPS, EVE):
        with pytest.raises(DeniedError, match="takes the role approver"):
            lab.submit(accept(lab), who)
    assert lab.done(accept(lab), BEN).state == "done"
    assert lab.one().approved_by == "ben"


def test_two_approvers_at_once_launch_once(lab: Lab):
    proposed(lab)
    both = [lab.submit(accept(lab), who) for who in (ANA, BEN)]
    lab.execute()
    states = sorted(lab.executor.record(one.id).state for one in both)
    assert states == ["compensated", "done"]
    lab.until(lambda one: one.state == "running")
    assert lab.airflow.writes == ["launched"]
    with pytest.raises(ConflictError, match="was decided by"):
        lab.submit(accept(lab), BEN)


def test_without_airflow_nothing_is_accepted_and_the_reason_is_said(lab: Lab):
    proposed(lab)
    lab.serving.context.mirror.engine.dispose()
    from services.mirror.store import Store

    said = Store(lab.context.mirror.engine)
    said.write_engine("controller", "Controller", "live")
    said.write_engine("airflow", "Airflow", "down", "Nobody listens", "`mlops up`")
    with pytest.raises(EngineUnreachableError, match="Nobody listens"):
        lab.submit(accept(lab), ANA)
    assert lab.one().state == "open"


def test_a_dismissal_is_remembered_until_the_alert_gets_worse(lab: Lab):
    proposed(lab)
    with pytest.raises(InputError, match="Say why"):
        lab.submit(DismissRetraining(1, "lora", " "), OPS)
    lab.done(DismissRetraining(1, "lora", "A camera was broken."), OPS)
    assert lab.one().state == "dismissed"
    lab.later(100)
    lab.watch.turn()
    assert len(retraining.proposals(lab.context.journal)) == 1
    lab.alert(severity="critical")
    lab.watch.turn()
    assert [one.state for one in retraining.proposals(lab.context.journal)] == [
        "open", "dismissed",
    ]  # fmt: skip


def test_more_reasons_for_one_model_are_one_proposal(lab: Lab):
    proposed(lab)
    lab.alert("accuracy", "critical", said="Accuracy fell to 0.7.")
    lab.watch.turn()
    record = lab.done(ProposeRetraining("lora", "net", "Users complain."), OPS)
    assert record.result == "retraining 1 has your reason, too"
    one = lab.one()
    assert (one.id, one.severity, len(one.alerts)) == (1, "critical", 2)
    assert [e.said for e in one.evidence] == [
        "3 of 20 columns drifted.", "Accuracy fell to 0.7.", "Users complain.",
    ]  # fmt: skip


def test_of_alerts_that_came_together_the_first_is_what_it_is_of(lab: Lab):
    first = lab.alert(said="The inputs moved.")
    second = lab.alert("prediction", "critical", said="The answers moved.")
    lab.later(0.1)
    lab.watch.turn()
    one = lab.one()
    assert (one.why, one.alerts) == ("The inputs moved.", (first, second))
    lines = retraining.thread(lab.context.journal, one.id)
    assert [line.what for line in lines] == ["alert", "alert", "proposed", "merged"]


def test_data_of_poor_quality_is_mended_and_not_learned(lab: Lab):
    lab.alert("quality", "critical", said="The column pixels is missing.")
    lab.watch.turn()
    assert not retraining.proposals(lab.context.journal)


def test_a_proposal_whose_alert_ended_is_taken_back(lab: Lab):
    proposed(lab)
    lab.alert(state="ok")
    lab.watch.turn()
    assert lab.one().state == "dismissed"
    assert "All columns are as they were." in lab.one().said


# Policies


def test_what_the_policy_allows_needs_nobody_and_is_in_the_audit(lab: Lab):
    lab.done(SetRetrainingPolicy("lora", "automatic", budget_minutes=5.0), ANA)
    proposed(lab)
    one = lab.one()
    assert (one.state, one.approved_by) == ("accepted", BY_POLICY)
    line = retraining.thread(lab.context.journal, one.id)[-1]
    assert line.what == "accepted"
    assert line.numbers["budget_minutes"] == 5.0
    assert line.numbers["expected_minutes"] == 1.0
    from services.actions import audit

    newest = audit.entries(lab.context.journal, limit=1)[0]
    assert (newest.actor, newest.what) == (BY_POLICY, "retrain.accepted")
    lab.until(lambda one: one.state == "running")


def test_what_is_beyond_the_budget_waits_for_a_person_and_says_so_once(lab: Lab):
    lab.done(SetRetrainingPolicy("lora", "automatic", budget_joules=20.0), ANA)
    proposed(lab)
    for _ in range(3):
        lab.later(0.1)
        lab.watch.turn()
    one = lab.one()
    assert one.state == "open"
    assert "It would take 30 joules beside 0 in seven days; 20 are allowed." in one.refused
    what = [line.what for line in retraining.thread(lab.context.journal, one.id)]
    assert what.count("refused") == 1
    assert lab.done(accept(lab), BEN).state == "done"


def test_a_proposal_of_before_is_accepted_by_itself_only_if_the_policy_hears_its_alert(lab: Lab):
    proposed(lab)
    lab.done(SetRetrainingPolicy("lora", "automatic", min_severity="critical"), ANA)
    lab.later(0.1)
    lab.watch.turn()
    assert lab.one().state == "open"
    lab.done(SetRetrainingPolicy("lora", "automatic", min_severity="warning"), ANA)
    lab.watch.turn()
    assert lab.one().state == "accepted"


def test_a_policy_that_is_off_leads_to_nothing_but_people_may_propose(lab: Lab):
    lab.done(SetRetrainingPolicy("lora", "off"), ANA)
    proposed(lab)
    assert not retraining.proposals(lab.context.journal)
    lab.done(ProposeRetraining("lora", "net", "It mixes up 3 and 8."), OPS)
    assert lab.one().requested_by == "ops"


@pytest.mark.parametrize(
    "wrong",
    [{"mode": "always"}, {"cooldown_h": float("nan")}, {"most_per_week": -1}, {"percent": 80.0},
     {"budget_joules": -1.0}, {"patience_h": 0.1}, {"strategy": "blue-green"}],
)  # fmt: skip
def test_a_policy_of_figures_that_are_none_is_refused(lab: Lab, wrong: dict[str, object]):
    with pytest.raises(InputError):
        lab.submit(SetRetrainingPolicy("lora", **wrong), ANA)  # type: ignore[arg-type]  # the point

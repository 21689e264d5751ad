"""One step of a retraining at a time: what it asks for, what it waits for, how it ends."""

from dataclasses import replace

import pytest

from services.errors import (
    ConflictError,
    EngineUnreachableError,
    GateError,
    InputError,
    NotFoundError,
)
from services.retraining import steps
from services.retraining.known import Asked, Beside, End, Known, Ran
from services.retraining.models import Data, Happened, Proposal
from services.retraining.steps import Step
from tests.services.retraining.things import (
    FAILS,
    HOUR,
    NOW,
    accepted,
    judging,
    policy,
    proposal,
    running,
    trained,
)

DEPLOYED = judging(deploy=5)
DONE = Asked(5, "done")


def told(found: Step) -> list[str]:
    return [one.what for one in found.happened]


def ends(found: Step, state: str, word: str) -> None:
    assert found.after.state == state
    assert found.after.ended_at == NOW
    assert word in found.after.said
    assert found.ask is None
    assert found.happened[-1].said == found.after.said


@pytest.mark.parametrize("state", ["open", "dismissed", "promoted", "dropped", "failed"])
def test_what_waits_for_a_person_or_has_ended_is_left_alone(state: str):
    one = proposal(state=state)
    assert steps.step(one, Known(NOW, live=1)) == Step(one)


def test_what_was_accepted_is_launched_and_then_followed():
    assert steps.step(accepted(), Known(NOW)) == Step(accepted(), ask="launch")
    one = steps.asked(accepted(), "launch", 4)
    waits = steps.step(one, Known(NOW, launch=Asked(4, "under way", "Start run r")))
    assert (waits.after.said, waits.ask) == ("Start run r", None)
    known = Known(NOW, launch=Asked(4, "done", workflow=("lora.retrain", "r")))
    found = steps.step(one, known)
    assert found.after.state == "running"
    assert found.after.workflow == ("lora.retrain", "r")
    assert found.happened == (
        Happened(NOW, "launched", "Workflow lora.retrain runs as r.", "policy:retraining", {},
                 "/workflows?dag=lora.retrain&run=r"),
    )  # fmt: skip


@pytest.mark.parametrize("launch", [Asked(4, "failed", "Airflow said no."), None])
def test_a_launch_that_failed_or_is_lost_ends_it(launch: Asked | None):
    ends(steps.step(accepted(launch=4), Known(NOW, launch=launch)), "failed", "launched")


def test_a_launch_that_is_refused_for_good_ends_it_and_an_absent_airflow_is_waited_for():
    refused = steps.refused(accepted(), "launch", InputError("No such data."), NOW)
    ends(refused, "failed", "No such data.")
    away = EngineUnreachableError("Airflow is away.")
    waits = steps.refused(accepted(), "launch", away, NOW)
    assert (waits.after.state, told(waits)) == ("accepted", ["waits"])
    again = steps.refused(waits.after, "launch", away, NOW + HOUR)
    assert (again.after.state, told(again)) == ("accepted", [])
    late = steps.refused(waits.after, "launch", away, NOW + 25 * HOUR)
    assert late.after.state == "failed"


COLLECTS = accepted(policy=policy(collect="labelled"))
COLLECTED = Data("ef" * 8, "cd" * 8, newer=True, said="Version efef.", rows=600)


def test_what_it_learns_from_is_collected_before_it_is_launched():
    assert steps.step(COLLECTS, Known(NOW)) == Step(COLLECTS, ask="collect")
    one = steps.asked(COLLECTS, "collect", 3)
    assert one.collect == 3
    waits = steps.step(one, Known(NOW, Asked(3, "under way", "Collect the rows")))
    assert (waits.after.said, waits.ask, told(waits)) == ("Collect the rows", None, [])
    found = steps.step(one, Known(NOW, Asked(3, "done", "600 rows."), COLLECTED))
    assert (found.after.state, found.after.data, found.ask) == ("accepted", COLLECTED, None)
    assert found.happened == (
        Happened(NOW, "collected", "600 rows.", "policy:retraining",
                 {"version": "ef" * 8, "rows": 600}, f"/data?of=lora&revision={'ef' * 8}"),
    )  # fmt: skip
    assert steps.step(found.after, Known(NOW)) == Step(found.after, ask="launch")


@pytest.mark.parametrize(
    ("collect", "data", "word"),
    [(Asked(3, "failed", "No room."), None, "nothing was trained: No room."),
     (None, None, "The journal lost"), (Asked(3, "done", "600 rows."), None, "600 rows."),
     (Asked(3, "done"), replace(COLLECTED, bad="It is bad."), "It is bad.")],
)  # fmt: skip
def test_without_what_was_to_be_collected_nothing_is_trained(
    collect: Asked | None, data: Data | None, word: str
):
    one = replace(COLLECTS, collect=3)
    ends(steps.step(one, Known(NOW, collect, data)), "failed", word)


def test_data_that_were_known_to_be_bad_when_a_person_accepted_them_are_trained_with():
    one = replace(COLLECTS, collect=3, data=replace(COLLECTED, bad="It was bad before."))
    known = Known(NOW, Asked(3, "done"), replace(COLLECTED, bad="It is bad."))
    assert told(steps.step(one, known)) == ["collected"]


def test_a_collection_that_is_refused_ends_it_and_an_absent_engine_is_waited_for():
    few = ConflictError("There are 3 new labelled rows.")
    ends(steps.refused(COLLECTS, "collect", few, NOW), "failed", "nothing was trained: There are 3")
    waits = steps.refused(COLLECTS, "collect", EngineUnreachableError("It is away."), NOW)
    assert (waits.after.state, told(waits)) == ("accepted", ["waits"])
    assert waits.after.said == "It waits for its rows to be collected: It is away."


def test_what_was_stopped_collects_nothing_more():
    ends(steps.step(replace(COLLECTS, stopped="Stopped by ann."), Known(NOW)), "dismissed", "ann")


def test_a_run_that_failed_says_why():
    known = Known(NOW, run=Ran("failed", "Task train: It took more memory than it may."))
    ends(steps.step(running(), known), "failed", "more memory than it may")


def test_a_run_that_registered_nothing_ends_it():
    known = Known(NOW, run=Ran("success", registers=False))
    ends(steps.step(running(), known), "failed", "registered no version of net")


def test_a_version_that_is_not_seen_yet_is_waited_for_an_hour():
    known = Known(NOW, run=Ran("success", registers=True))
    waits = steps.step(running(), known).after
    assert waits.state == "running"
    later = Known(NOW + steps.PATIENCE_S, run=Ran("success", registers=True))
    assert steps.step(waits, later).after.state == "failed"


def test_a_clock_that_is_set_back_ends_no_wait_early():
    waits = steps.step(running(stuck_since=NOW + 9 * HOUR), Known(NOW))
    assert waits.after.state == "running"
    assert waits.after.stuck_since == NOW


def test_what_passes_its_gates_goes_on_with_what_it_took():
    found = steps.step(running(), Known(NOW, run=Ran("success"), trained=trained()))
    assert found.after.state == "judging"
    assert (found.after.candidate, found.after.took_minutes, found.after.took_joules) == (
        3, 9.0, 450.0,
    )  # fmt: skip
    assert found.after.change == pytest.approx(0.1)
    assert told(found) == ["trained", "gates"]
    assert "acc is 0.9, 0.8 the version before" in found.happened[0].said


def test_what_fails_a_gate_is_dropped_and_nothing_is_deployed():
    found = steps.step(running(), Known(NOW, run=Ran("success"), trained=trained(FAILS)))
    ends(found, "dropped", "fails the gate")
    assert told(found) == ["trained", "gates", "dropped"]


def test_run_and_version_are_tagged_before_anything_is_served():
    found = steps.step(judging(tagged=False), Known(NOW, live=2))
    assert found.ask == "tag"
    assert steps.asked(found.after, "tag", 0).tagged


def test_the_new_version_is_put_beside_the_live_one():
    assert steps.step(judging(), Known(NOW, live=2)).ask == "deploy"
    assert steps.asked(judging(), "deploy", 5).deploy == 5


@pytest.mark.parametrize("known", [{"off": "Serving is away."}, {"busy": "Version 9 is first."}])
def test_a_busy_or_absent_engine_is_waited_for_as_long_as_the_policy_says(known: dict[str, str]):
    one = judging(policy=policy(patience_h=2.0))
    waits = steps.step(one, Known(NOW, live=2, **known))  # type: ignore[arg-type]  # texts
    assert (waits.after.state, waits.ask) == ("judging", None)
    late = Known(NOW + 2 * HOUR, live=2, **known)  # type: ignore[arg-type]  # texts
    assert steps.step(waits.after, late).after.state == "dropped"


def test_a_refused_deployment_is_tried_again_unless_it_never_can_be():
    waits = steps.refused(judging(), "deploy", ConflictError("It does not fit."), NOW)
    assert waits.after.state == "judging"
    ends(steps.refused(judging(), "deploy", InputError("A pickle."), NOW), "dropped", "A pickle.")


def test_where_nothing_is_in_service_gates_and_evaluation_decide():
    good = steps.step(judging(), Known(NOW, trained=trained()))
    assert (good.ask, good.after.verdict) == ("alias", "promote")
    worse = trained(before=0.9, after=0.8)
    ends(steps.step(judging(), Known(NOW, trained=worse)), "dropped", "is worse than")
    less = trained(before=0.2, after=0.3, goal="min")
    ends(steps.step(judging(), Known(NOW, trained=less)), "dropped", "is worse than")


def standing(minutes: float, requests: int, **said: str) -> Known:
    return Known(NOW, live=2, deploy=DONE, beside=Beside(NOW - minutes * 60, requests, **said))


def test_a_deployment_that_failed_drops_it():
    known = Known(NOW, live=2, deploy=Asked(5, "failed", "It answered NaN."))
    ends(steps.step(DEPLOYED, known), "dropped", "It answered NaN.")


def test_it_stands_beside_the_live_one_until_both_bounds_are_met():
    early = steps.step(DEPLOYED, standing(29, 5_000))
    few = steps.step(DEPLOYED, standing(300, 199))
    for found in (early, few):
        assert (found.after.state, found.after.verdict, found.ask) == ("judging", "", None)
        assert told(found) == ["beside"]
    assert told(steps.step(early.after, standing(29.5, 5_001))) == []
    enough = steps.step(few.after, standing(30, 200, said="By labels it is better."))
    assert enough.after.verdict == "promote"
    assert "By labels it is better." in enough.after.judged
    assert enough.happened[0].numbers == {
        "minutes": 30.0, "requests": 200, "judge_minutes": 30.0, "judge_requests": 200,
    }  # fmt: skip
    assert steps.step(enough.after, standing(31, 210)).ask == "promote"


@pytest.mark.parametrize(("state", "ended"), [("under way", False), ("done", False),
                                              ("failed", True)])  # fmt: skip
def test_the_rollout_is_steered_once_and_its_end_is_waited_for(state: str, ended: bool):
    one = judging(deploy=5, verdict="promote", judged="Well.", steer=6)
    known = Known(NOW, live=2, deploy=DONE, beside=Beside(NOW - HOUR, 300),
                  steer=Asked(6, state, "It was slow."))  # type: ignore[arg-type]  # fmt: skip  # a state
    found = steps.step(one, known)
    assert found.ask is None
    assert found.after.ended == ended


def test_what_labels_call_worse_is_taken_back_at_once():
    found = steps.step(DEPLOYED, standing(1, 40, worse="Its accuracy is 0.4."))
    assert found.after.verdict == "drop"
    assert steps.step(found.after, standing(1, 41)).ask == "abort"


def test_without_requests_nobody_can_tell_and_it_is_dropped():
    found = steps.step(DEPLOYED, standing(24 * 60, 3))
    assert found.after.verdict == "drop"
    assert "Only 3 of 200 requests" in found.after.judged


@pytest.mark.parametrize("kind", ["rolled-back", "failed", "undeployed"])
def test_a_guard_that_spoke_drops_it(kind: str):
    known = Known(NOW, live=2, deploy=DONE, end=End(kind, "5 % of 40 requests failed."))  # type: ignore[arg-type]  # one of them
    ends(steps.step(DEPLOYED, known), "dropped", "requests failed")


def test_a_rollout_that_something_else_ended_drops_it():
    ends(steps.step(DEPLOYED, Known(NOW, live=2, deploy=DONE)), "dropped", "something else")


def test_what_is_live_becomes_champion_whoever_made_it_live():
    known = Known(NOW, live=3, deploy=DONE, end=End("live", "It is live."))
    for one in (DEPLOYED, judging(deploy=5, verdict="drop", judged="Too few.", steer=6)):
        found = steps.step(one, known)
        assert (found.ask, found.after.verdict) == ("alias", "promote")
    crowned = judging(deploy=5, verdict="promote", judged="No guard spoke.", alias=8)
    found = steps.step(crowned, Known(NOW, alias=Asked(8, "done")))
    ends(found, "promoted", "Version 3 is the champion of net. No guard spoke.")


@pytest.mark.parametrize(("one", "state"), [(running(), "failed"), (judging(), "dropped")])
def test_what_it_is_about_may_be_gone_for_an_hour(one: Proposal, state: str):
    gone = NotFoundError("There is no project lora.")
    waits = steps.lost(one, gone, NOW).after
    assert (waits.state, waits.said) == (one.state, "There is no project lora.")
    assert steps.lost(waits, gone, NOW + steps.PATIENCE_S).after.state == state


@pytest.mark.parametrize(("deploy", "state"), [(5, "promoted"), (None, "dropped")])
def test_an_alias_that_cannot_be_moved_is_said(deploy: int | None, state: str):
    one = judging(deploy=deploy, verdict="promote", judged="Well.", alias=8)
    found = steps.step(one, Known(NOW, alias=Asked(8, "failed", "MLflow said no.")))
    ends(found, state, "MLflow said no.")
    refused = steps.refused(judging(deploy=deploy), "alias", GateError("acc fails."), NOW)
    ends(refused, state, "acc fails.")


def test_it_survives_the_journal():
    one = steps.step(running(), Known(NOW, run=Ran("success"), trained=trained())).after
    assert Proposal.from_json(one.id, one.as_json()) == one

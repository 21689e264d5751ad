"""What a policy has left: whatever runs or waits counts, whatever was tried counts, and once."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.actions.retraining import AcceptRetraining, ProposeRetraining
from services.actions.retraining_policy import SetRetrainingPolicy
from services.engines.mlflow.models import Metric, Model, Version
from services.mirror.store import Store
from services.retraining import bounds, history, steps, store
from services.retraining.bounds import Decision
from services.retraining.known import Known, Ran
from services.retraining.models import ENDED, WEEK_S, Policy, Proposal, Range
from tests.services.mirror.conftest import tracked
from tests.services.retraining.lab import ANA, BEN, OPS, PROJECT, Lab
from tests.services.retraining.things import (
    HOUR,
    NOW,
    accepted,
    ended,
    judging,
    policy,
    proposal,
    running,
    trained,
)

DAY = 24 * HOUR


def decided(*past: Proposal, **said: Any) -> Decision:
    return bounds.decide(policy(mode="automatic", **said), proposal(99), past, NOW)


# What runs or waits, whatever its date


@pytest.mark.parametrize("days", [0, 6, 8, 400])
@pytest.mark.parametrize("make", [accepted, running, judging])
def test_what_runs_or_waits_counts_however_long_ago_it_was_accepted(make: Any, days: int):
    one = replace(make(model="other", decided_at=NOW - days * DAY), id=2)
    assert not decided(one, most_per_week=1).allowed
    assert not decided(one, budget_minutes=19.9).allowed
    assert decided(one, budget_minutes=20.0).allowed


def test_what_waited_long_and_ended_lately_counts_from_its_end():
    late = ended("failed", NOW - DAY, 2, model="other", decided_at=NOW - 9 * DAY, took_minutes=50.0)
    assert not decided(late, budget_minutes=59.0).allowed
    assert decided(late, budget_minutes=60.0).allowed
    over = replace(late, ended_at=NOW - WEEK_S)
    assert decided(over, budget_minutes=10.0).allowed


@st.composite
def anything(draw: st.DrawFn) -> Proposal:
    """Return a retraining of another model, of any state, age and cost."""
    state = draw(st.sampled_from(
        ["open", "dismissed", "accepted", "running", "judging", "promoted", "dropped", "failed"]
    ))  # fmt: skip
    decided_at = NOW - draw(st.floats(-DAY, 30 * DAY))
    over = state in ENDED
    cost = draw(st.none() | st.integers(0, 100))
    return proposal(
        draw(st.integers(2, 90)), model=draw(st.sampled_from(["a", "b"])), state=state,
        approved_by="ana", decided_at=decided_at,
        ended_at=decided_at + draw(st.floats(0, 20 * DAY)) if over else None,
        workflow=None if state == "accepted" else ("lora.retrain", "r"),
        took_minutes=draw(st.none() | st.integers(0, 100)) if state not in {"accepted", "running"}
        else None,
        minutes=None if cost is None else Range(cost, cost, cost, 1),
    )  # fmt: skip


@given(past=st.lists(anything(), max_size=8), budget=st.integers(0, 300))
def test_a_budget_is_kept_over_any_past(past: list[Proposal], budget: int):
    """By the words of the guide, reckoned another way: in minutes, each retraining alone."""
    spent: list[float | None] = []
    for one in past:
        if one.state in {"open", "dismissed"}:
            continue
        if one.state in {"accepted", "running", "judging"}:
            expected = one.minutes.median if one.minutes else None
            spent.append(expected if one.took_minutes is None else one.took_minutes)
        elif one.ended_at is not None and one.ended_at > NOW - WEEK_S:
            spent.append(one.took_minutes)
    found = decided(*past, budget_minutes=float(budget), most_per_week=1_000)
    unknown = any(one is None for one in spent)
    known = sum(one for one in spent if one is not None)
    assert found.allowed == (not unknown and known + 10 <= budget)
    assert decided(*past, most_per_week=len(spent)).allowed is False
    assert decided(*past, most_per_week=len(spent) + 1).allowed


# What was tried


def write(lab: Lab, *runs: tuple[int, str, int | None, str]) -> None:
    """Write runs: number, state, seconds (None: it has no end), task."""
    made = []
    for number, state, seconds, task in runs:
        tags = {"mlops.technique": "lora"} | ({"mlops.task": task} if task else {})
        one = tracked(number, status=state, tags=tags, metrics={"system/energy_j":
                                                                Metric(10.0, 1, 0)})  # fmt: skip
        end = None if seconds is None else (one.started_ms or 0) + seconds * 1000
        made.append(replace(one, ended_ms=end))
    Store(lab.context.mirror.engine).write_runs("lora", made)


def whole(lab: Lab) -> list[tuple[float, float | None]]:
    found = history.trainings(lab.context.mirror, "lora")
    return [(one.minutes, one.joules) for one in found if one.place is not None]


@pytest.mark.parametrize("state", ["failed", "killed"])
def test_a_try_that_failed_is_part_of_what_the_training_took(lab: Lab, state: str):
    write(lab, (10, state, 600, "lora.retrain/a/train/1"),
          (11, "finished", 60, "lora.retrain/a/train/2"))  # fmt: skip
    assert whole(lab) == [(11.0, 20.0)]


def test_a_try_of_which_no_end_is_known_leaves_its_training_unknown(lab: Lab):
    write(lab, (10, "running", None, "lora.retrain/a/train/1"),
          (11, "finished", 60, "lora.retrain/a/train/2"))  # fmt: skip
    assert whole(lab) == []
    Store(lab.context.mirror.engine).mark_lost({f"{10:032x}": "Its process is gone."})
    assert whole(lab) == []


def test_what_came_to_nothing_does_not_tell_what_a_training_takes(lab: Lab):
    write(lab, (10, "failed", 600, "lora.retrain/a/train/1"),
          (11, "failed", 600, "lora.retrain/a/train/2"), (12, "failed", 900, ""))  # fmt: skip
    assert whole(lab) == []
    found = history.trainings(lab.context.mirror, "lora")
    assert history.cost(found, "lora")[0] == Range(1.0, 1.0, 1.0, 2), "two runs by hand that ended"


def test_a_training_of_which_only_a_part_is_looked_at_is_left_out(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    write(lab, (10, "failed", 600, "lora.retrain/a/train/1"),
          (11, "finished", 60, "lora.retrain/a/train/2"),
          (12, "finished", 60, "lora.retrain/b/train/1"))  # fmt: skip
    assert whole(lab) == [(1.0, 10.0), (11.0, 20.0)]
    monkeypatch.setattr(history, "_LOOKED_AT", 2)
    assert whole(lab) == [(1.0, 10.0)]


TRIES = st.lists(
    st.tuples(st.sampled_from(["finished", "failed", "killed"]), st.integers(0, 500)), min_size=1,
    max_size=5,
)  # fmt: skip


@given(workflows=st.lists(TRIES, max_size=4))
def test_a_training_takes_all_that_its_tries_took(workflows: list[list[tuple[str, int]]]):
    runs = [
        _Run(f"{place}/{number}", state, float(seconds), {"mlops.task": f"p.train/{place}/t/1"})
        for place, tries in enumerate(workflows)
        for number, (state, seconds) in enumerate(tries)
    ]
    found = history.trainings(_Mirror(runs), "p")  # type: ignore[arg-type]  # it is asked for runs alone
    assert {one.place: one.minutes for one in found} == {
        ("p.train", str(place)): pytest.approx(sum(seconds for _, seconds in tries) / 60)
        for place, tries in enumerate(workflows)
        if any(state == "finished" for state, _ in tries)
    }


class _Run:
    technique = "lora"

    def __init__(self, run_id: str, status: str, duration_s: float, tags: dict[str, str]) -> None:
        self.run_id, self.status, self.duration_s, self.tags = run_id, status, duration_s, tags
        self.metrics: dict[str, float] = {}


class _Mirror:
    def __init__(self, runs: list[_Run]) -> None:
        self.rows, self.total = runs, len(runs)

    def runs(self, _query: object) -> "_Mirror":
        return self


# What it took


def test_a_workflow_that_ended_without_a_version_is_measured_however_it_ended():
    failed = steps.step(running(), Known(NOW, run=Ran("failed", minutes=300.0))).after
    nothing = Known(NOW, run=Ran("success", registers=False, minutes=40.0))
    assert (failed.state, failed.took_minutes) == ("failed", 300.0)
    assert steps.step(running(), nothing).after.took_minutes == 40.0
    seen = Known(NOW, run=Ran("success", registers=True, minutes=50.0))
    waits = steps.step(running(), seen).after
    over = steps.step(waits, replace(seen, now=NOW + steps.PATIENCE_S)).after
    assert (over.state, over.took_minutes) == ("failed", 50.0)


def test_where_its_runs_do_not_tell_the_workflow_does():
    known = Known(NOW, run=Ran("success", minutes=70.0), trained=trained(minutes=None))
    assert steps.step(running(), known).after.took_minutes == 70.0
    known = replace(known, trained=trained(minutes=9.0))
    assert steps.step(running(), known).after.took_minutes == 9.0


def test_a_retraining_that_was_tried_twice_spent_both(lab: Lab):
    lab.alert()
    lab.watch.turn()
    lab.done(AcceptRetraining(1, PROJECT), ANA)
    one = lab.until(lambda one: one.state == "running")
    write(lab, (60, "failed", 600, "/".join((*(one.workflow or ()), "train", "1"))))
    lab.trained()
    one = lab.until(lambda one: one.candidate is not None)
    assert (one.took_minutes, one.took_joules) == (11.0, 50.0)


# Once


@pytest.fixture
def two(lab: Lab) -> Lab:
    """Give the project a second model, of which an operator proposed a retraining first."""
    versions = [Version("other", 1, f"{1:032x}", 0, "READY", "", "", {"mlops.technique": "lora"})]
    models = [Model("other", "", 0, 0, {"champion": 1}, {}),
              Model("net", "", 0, 0, {"champion": 2}, {})]  # fmt: skip
    versions += [
        Version("net", number, f"{number:032x}", 0, "READY", "", "", {"mlops.technique": "lora"})
        for number in (1, 2)
    ]
    Store(lab.context.mirror.engine).write_registry("lora", models, versions)
    lab.done(ProposeRetraining("lora", "other", "It is old."), OPS)
    return lab


@pytest.mark.parametrize("limit", [{"most_per_week": 1}, {"budget_minutes": 1.5}])
def test_what_a_person_accepts_while_the_policy_reckons_is_reckoned_with(
    two: Lab, limit: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    two.done(SetRetrainingPolicy("lora", "automatic", **limit), ANA)
    reckon, looks = bounds.decide, []

    def meanwhile(*where: Any) -> Decision:
        found = reckon(*where)
        looks.append(found.allowed)
        if len(looks) == 1:  # the loop of actions is another thread
            assert two.done(AcceptRetraining(1, PROJECT), BEN).state == "done"
        return found

    monkeypatch.setattr(bounds, "decide", meanwhile)
    two.alert()
    two.watch.turn()
    assert looks == [True, False]
    states = {one.model: one.state for one in store.proposals(two.context.journal)}
    assert states == {"other": "accepted", "net": "open"}
    assert two.one().refused
    assert [one.what for one in store.happened(two.context.journal, 2)] == ["proposed", "refused"]


def test_a_policy_that_is_changed_meanwhile_decides_by_what_it_says_now(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    lab.done(SetRetrainingPolicy("lora", "automatic"), ANA)
    reckon = bounds.decide

    def meanwhile(*where: Any) -> Decision:
        store.set_policy(lab.context.journal, "lora", Policy(mode="off"), "ana", NOW)
        return reckon(*where)

    monkeypatch.setattr(bounds, "decide", meanwhile)
    lab.alert()
    lab.watch.turn()
    assert (lab.one().state, lab.one().refused) == ("open", "")


def test_the_policy_accepts_no_more_than_its_week_in_one_look(two: Lab):
    """Alerts of both models at once, and one retraining left."""
    two.done(SetRetrainingPolicy("lora", "automatic", most_per_week=1), ANA)
    two.alert()
    labels = {"project": "lora", "model": "other", "version": "1", "verdict": "v2"}
    two.alert("prediction", labels=labels)
    two.watch.turn()
    states = sorted(one.state for one in store.proposals(two.context.journal))
    assert states == ["accepted", "open"]

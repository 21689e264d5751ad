"""On what evidence a version is promoted: told in each mode, needed where nobody is asked."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.actions.retraining_policy import SetRetrainingPolicy
from services.monitoring.models import Verdict
from services.monitoring.store import VerdictStore, verdict_id
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback, Record
from services.retraining import steps, wording
from services.retraining.known import Asked, Beside, Known, Ran, Trained
from services.retraining.models import Evidence, Policy
from tests.services.predictions.records import request_id
from tests.services.retraining.lab import ANA, MODEL, PROJECT, Lab
from tests.services.retraining.test_circle import proposed, to_judging
from tests.services.retraining.things import HOUR, NOW, judging, running, trained

DRIFT = Evidence(NOW, "3 of 20 columns drifted.", 7, "warning", key="drift/lora/net/data")
NEEDED = Policy(mode="automatic")


def looked(policy: Policy, hours: float = 1.0, *, proved: bool = True, **said: Any) -> steps.Step:
    one = judging(deploy=5, policy=policy, evidence=(DRIFT,), proved=proved)
    beside = Beside(NOW - hours * HOUR, 500, **said)
    return steps.step(one, Known(NOW, live=2, deploy=Asked(5, "done"), beside=beside))


def test_where_a_person_decided_what_is_not_known_is_told_and_nothing_waits():
    found = looked(Policy(), proved=False, said="By labels it is as good.").after
    assert found.verdict == "promote"
    assert "By labels it is as good." in found.judged
    assert "How good it is is not known" in found.judged
    assert "Whether it cures what it was made for is not known" in found.judged


def test_where_nobody_is_asked_it_waits_for_what_it_needs_and_then_is_dropped():
    waits = looked(NEEDED).after
    assert (waits.state, waits.verdict) == ("judging", "")
    assert "Whether it cures what it was made for is not known" in waits.said
    late = looked(NEEDED, 24.0).after
    assert late.verdict == "drop"
    assert "did not come in 24 h. Whether it cures" in late.judged


@pytest.mark.parametrize(
    ("policy", "cured", "proved", "labelled", "verdict"),
    [(NEEDED, True, True, False, "promote"), (NEEDED, True, False, True, "promote"),
     (NEEDED, True, False, False, ""), (NEEDED, False, True, True, "drop"),
     (NEEDED, None, True, True, ""), (Policy(), False, True, True, "promote"),
     (Policy(proof="needed"), False, True, True, "drop"),
     (Policy(mode="automatic", proof="told"), None, False, False, "promote")],
)  # fmt: skip
def test_what_is_needed_is_quality_and_the_cure(
    policy: Policy, cured: bool | None, proved: bool, labelled: bool, verdict: str
):
    own = "Its own verdict on its inputs is drifted."
    found = looked(policy, proved=proved, labelled=labelled, cured=cured, own=own).after
    assert found.verdict == verdict
    assert "own verdict on its inputs is drifted" in found.said


def test_what_a_person_asked_for_alone_has_nothing_to_cure():
    word = Evidence(NOW, "Users complain.", by="ana")
    one = judging(deploy=5, policy=NEEDED, evidence=(word,), proved=True)
    known = Known(NOW, live=2, deploy=Asked(5, "done"), beside=Beside(NOW - HOUR, 500))
    assert steps.step(one, known).after.verdict == "promote"


@given(
    cured=st.none() | st.booleans(), labelled=st.booleans(), proved=st.booleans(),
    worse=st.sampled_from(["", "It is worse."]), hours=st.floats(0, 48),
    requests=st.integers(0, 400),
)  # fmt: skip
def test_nothing_is_promoted_without_what_is_needed_and_all_is_decided_in_time(
    cured: bool | None, labelled: bool, proved: bool, worse: str, hours: float, requests: int
):
    one = judging(deploy=5, policy=NEEDED, evidence=(DRIFT,), proved=proved)
    beside = Beside(NOW - hours * HOUR, requests, worse, "", labelled, cured, "")
    found = steps.step(one, Known(NOW, live=2, deploy=Asked(5, "done"), beside=beside)).after
    if found.verdict == "promote":
        assert cured
        assert labelled or proved
        assert not worse
    if hours >= 24:
        assert found.verdict


# Evaluations


def passed(made: Trained) -> steps.Step:
    return steps.step(running(), Known(NOW, run=Ran("success"), trained=made))


def test_an_evaluation_that_is_worse_on_the_same_data_drops_it_and_is_told():
    found = passed(trained(before=0.9, after=0.8, same_data=True))
    assert found.after.state == "dropped"
    assert "worse than version 2 on the same data: acc is 0.8, it was 0.9." in found.after.said
    assert [one.what for one in found.happened] == ["trained", "dropped"]
    assert passed(trained(before=0.9, after=0.8)).after.state == "judging", "other data"
    assert passed(trained(before=0.8, after=0.8, same_data=True)).after.state == "judging"


def test_gates_or_a_comparable_evaluation_are_proof():
    bare = Trained(3, "f" * 32, (), 1.0, None, "acc", 0.5, 0.6)
    assert not bare.proved
    assert Trained(3, "f" * 32, (), 1.0, None, "acc", 0.5, 0.6, same_data=True).proved
    assert trained().proved
    assert not passed(bare).after.proved
    assert passed(trained()).after.proved


def test_without_gates_and_with_nothing_in_service_a_person_decides():
    bare = Trained(3, "f" * 32, (), 1.0, None, "acc", 0.5, 0.6)
    waits = steps.step(judging(), Known(NOW, trained=bare))
    assert (waits.after.state, waits.ask) == ("judging", None)
    assert "a person decides: `mlops models promote net 3" in waits.after.said
    yes = steps.step(waits.after, Known(NOW + HOUR, trained=bare, champion=3)).after
    assert (yes.state, yes.said) == ("promoted", "Somebody made version 3 the champion of net.")
    week = steps.step(waits.after, Known(NOW + 7 * 24 * HOUR, trained=bare, champion=2)).after
    assert week.state == "dropped"


def test_what_a_policy_needs_is_in_its_sentences():
    assert "none is promoted" in " ".join(wording.said_of(NEEDED))
    assert "is told" in " ".join(wording.said_of(Policy()))
    told = " ".join(wording.after(judging(), NEEDED, 2, serves=True))
    assert "what has not come in 24 h drops it" in told


# Over real logs


def checked(lab: Lab, version: int, state: Any) -> None:
    """Have a check of a version have come to this."""
    at = lab.now()
    store = VerdictStore(lab.home)
    store.record([Verdict(verdict_id(at), PROJECT, MODEL, version, "data", at, "", at, at, 500, (),
                          0.0, "none", state, "All as it was.")])  # fmt: skip
    store.close()


def test_its_own_check_lets_an_automatic_retraining_be_promoted(lab: Lab):
    lab.done(SetRetrainingPolicy(PROJECT, "automatic"), ANA)
    proposed(lab)
    lab.until(lambda one: one.state == "running")
    lab.trained()
    lab.until(lambda one: one.deploy is not None)
    lab.stands()
    lab.until(lambda one: one.beside_since is not None)
    lab.later(0.6)
    checked(lab, 2, "steady")  # of another version
    lab.restart()
    for _ in range(3):
        lab.turn()
    assert lab.one().verdict == ""
    checked(lab, 7, "steady")
    lab.restart()
    one = lab.until(lambda one: one.verdict != "")
    assert one.verdict == "promote"
    assert "Its own verdict on its inputs is steady: All as it was." in one.judged


@pytest.mark.parametrize(("right", "verdict"), [(20, "drop"), (58, "promote")])
def test_labels_of_the_same_requests_judge_a_shadow(lab: Lab, right: int, verdict: str):
    lab.done(SetRetrainingPolicy(PROJECT, strategy="shadow"), ANA)
    proposed(lab)
    to_judging(lab)
    lab.later(0.6)
    log = PredictionLog.open(lab.home, "test", reserve_bytes=1 << 16)
    for n in range(60):
        at = time.time() + n * 0.01
        name = request_id(at)
        for version, label in ((2, 1), (7, int(n < right))):
            log.append(
                Record(name, at, PROJECT, MODEL, version, "plain", 200, 1.0, inputs={"a": [1.0]},
                       outputs={"label": [label]}, shadow=version == 7),
                privacy="full",
            )  # fmt: skip
        log.append_feedback(Feedback(name, at + 0.05, 1), privacy="full")
    log.close()
    lab.restart()
    one = lab.until(lambda one: one.verdict != "")
    assert one.verdict == verdict
    assert "By labels of the same 60 rows its accuracy is" in one.judged

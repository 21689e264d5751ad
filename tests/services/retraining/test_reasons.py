"""Whose the reasons of a retraining are: who may accept it, and who may take it back."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import retraining
from services.actions.retraining import AcceptRetraining, DismissRetraining, ProposeRetraining
from services.actions.retraining_policy import SetRetrainingPolicy
from services.actions.roles import Actor
from services.errors import DeniedError, MlopsError
from services.retraining import store
from services.retraining.models import BY_POLICY, Evidence, Proposal
from tests.services.retraining.lab import ANA, BEN, OPS, PROJECT, Lab
from tests.services.retraining.things import NOW, evidence, proposal

PEOPLE = (ANA, BEN, OPS)


def word(lab: Lab, who: Actor, why: str = "It mixes up 3 and 8.") -> str:
    return lab.done(ProposeRetraining("lora", "net", why), who).result


def accept(lab: Lab) -> AcceptRetraining:
    return AcceptRetraining(lab.one().id, PROJECT)


def automatic(lab: Lab, **said: object) -> None:
    lab.done(SetRetrainingPolicy("lora", "automatic", **said), ANA)  # type: ignore[arg-type]  # figures


def test_a_reason_carries_the_name_of_who_gave_it_and_an_alert_none(lab: Lab):
    lab.alert()
    lab.watch.turn()
    word(lab, OPS)
    assert [one.by for one in lab.one().evidence] == ["", "ops"]
    assert lab.one().asked_by == (BY_POLICY, "ops")


def test_nobody_accepts_what_holds_a_reason_of_their_own(lab: Lab):
    lab.alert()
    lab.watch.turn()
    told = ProposeRetraining("lora", "net", "It mixes up 3 and 8.").consequences(lab.context)
    assert told[1] == "You cannot accept it then: nobody accepts what holds a reason of their own."
    assert word(lab, ANA) == "retraining 1 has your reason, too"
    with pytest.raises(DeniedError, match="asked for by ana"):
        lab.submit(accept(lab), ANA)
    assert lab.done(accept(lab), BEN).state == "done"


def test_a_reason_given_between_the_press_and_the_deed_counts(lab: Lab):
    lab.alert()
    lab.watch.turn()
    pressed = lab.submit(accept(lab), ANA)
    draft = ProposeRetraining("lora", "net", "It mixes up 3 and 8.")._draft(lab.context, "ana", NOW)
    store.put(lab.context.journal, draft)
    lab.execute()
    assert lab.executor.record(pressed.id).state != "done"
    assert lab.one().state == "open"


def test_what_a_person_asked_for_stays_when_its_alert_ends(lab: Lab):
    lab.alert()
    lab.watch.turn()
    word(lab, OPS)
    lab.alert(state="ok")
    lab.watch.turn()
    assert lab.one().state == "open"
    assert lab.done(accept(lab), ANA).state == "done"


@pytest.mark.parametrize("first", ["person", "alert"])
def test_a_person_who_asked_does_not_keep_the_policy_from_deciding(lab: Lab, first: str):
    automatic(lab, most_per_week=0)
    if first == "person":
        word(lab, OPS)
    lab.alert(severity="critical")
    lab.watch.turn()
    if first == "alert":
        word(lab, OPS)
    assert len(lab.one().evidence) == 2
    automatic(lab)
    lab.watch.turn()
    assert (lab.one().state, lab.one().approved_by) == ("accepted", BY_POLICY)


def test_what_only_people_asked_for_the_policy_leaves_to_people(lab: Lab):
    automatic(lab)
    word(lab, OPS)
    lab.watch.turn()
    assert lab.one().state == "open"


def test_what_only_people_ask_for_still_is_not_the_policys_to_accept(lab: Lab):
    """Its alert has ended: what is left is a person's word."""
    automatic(lab, most_per_week=0)
    lab.alert()
    lab.watch.turn()
    word(lab, OPS)
    lab.alert(state="ok")
    automatic(lab)
    lab.watch.turn()
    assert lab.one().state == "open"


def test_who_dismisses_it_hears_whom_the_reason_goes_to(lab: Lab):
    lab.alert()
    lab.watch.turn()
    word(lab, OPS)
    told = DismissRetraining(1, "lora", "A camera was broken.").consequences(lab.context)
    assert told[0] == "Nothing is trained; your reason is there for ops to read."
    assert "unless it gets worse" in told[1]


def test_a_reason_of_a_journal_from_before_is_read(lab: Lab):
    del lab
    said = proposal(evidence=(evidence(), evidence(None))).as_json()
    for one in said["evidence"]:
        del one["by"]
    found = Proposal.from_json(1, said)
    assert not found.by_alerts_alone
    assert found.asked_by == (BY_POLICY,)


REASONS = st.lists(
    st.one_of(
        st.integers(1, 5).map(evidence),
        st.sampled_from(["ana", "ben"]).map(lambda name: Evidence(NOW, "It is wrong.", by=name)),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@given(reasons=REASONS, asked=st.sampled_from([BY_POLICY, "ana", "ops"]))
def test_all_who_gave_a_reason_are_known_once_however_it_was_kept(
    reasons: list[Evidence], asked: str
):
    one = proposal(evidence=tuple(reasons), requested_by=asked)
    kept = Proposal.from_json(one.id, one.as_json())
    assert kept == one
    assert set(kept.asked_by) == {asked} | {reason.by for reason in reasons if reason.by}
    assert len(set(kept.asked_by)) == len(kept.asked_by)
    assert kept.by_alerts_alone == all(not reason.by for reason in reasons)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_nobody_accepts_their_own_and_no_word_of_a_person_is_lost(
    lab: Lab, seed: int
):
    """Alerts come and end, people ask, press and dismiss, the policy changes; then it is judged."""
    chance = random.Random(seed)  # noqa: S311 - the same story each time
    for what in ("data", "prediction"):
        lab.alert(what, "critical")
    for _ in range(30):
        _something(lab, chance)
        for one in retraining.proposals(lab.context.journal):
            if one.state == "accepted" and one.approved_by != BY_POLICY:
                given = {e.by for e in one.evidence if e.at <= (one.decided_at or 0)}
                assert one.approved_by not in given | {one.requested_by}
            if one.state == "dismissed" and one.approved_by == BY_POLICY:
                assert one.by_alerts_alone
            if one.state == "accepted" and one.approved_by == BY_POLICY:
                assert one.alerts


def _something(lab: Lab, chance: random.Random) -> None:
    who = chance.choice(PEOPLE)
    found = chance.choice(["alert", "end", "word", "accept", "dismiss", "policy", "turn", "turn"])
    open_ = retraining.proposals(lab.context.journal, ("open",))
    try:
        if found in {"alert", "end"}:
            what = chance.choice(["data", "prediction"])
            lab.alert(what, "critical", "firing" if found == "alert" else "ok")
        elif found == "word":
            word(lab, who, f"It is wrong, says {who.name}.")
        elif found == "accept" and open_:
            lab.done(accept(lab), who)
        elif found == "dismiss" and open_ and chance.random() < 0.4:
            lab.done(DismissRetraining(open_[0].id, PROJECT, "Not now."), who)
        elif found == "policy":
            mode = chance.choice(["propose", "automatic"])
            lab.done(SetRetrainingPolicy("lora", mode, cooldown_h=0.0, most_per_week=50), ANA)  # type: ignore[arg-type]  # a mode
        elif found == "turn":
            _end_what_began(lab)
            lab.later(0.1)
            lab.watch.turn()
    except MlopsError:
        return  # it was refused


def _end_what_began(lab: Lab) -> None:
    """Have what was accepted come to an end, so that another one can be proposed."""
    from dataclasses import replace

    for one in retraining.proposals(lab.context.journal, ("accepted",)):
        over = replace(one, state="failed", ended_at=lab.now(), said="It failed.")
        store.change(lab.context.journal, one.id, lambda _now, over=over: (over, ()))  # type: ignore[misc]  # bound at once

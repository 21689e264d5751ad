"""A retraining with data that is marked as bad: said to people, refused by the policy."""

from dataclasses import replace

from services.actions.retraining import AcceptRetraining
from services.actions.retraining_policy import SetRetrainingPolicy
from services.lineage import marked
from services.lineage.models import Mark, Ref
from services.retraining import wording
from services.retraining.bounds import decide
from services.retraining.models import Data, Proposal
from tests.services.retraining.lab import ANA, PROJECT, Lab
from tests.services.retraining.test_figures_of_now import Folder, folder
from tests.services.retraining.things import NOW, policy, proposal

__all__ = ["folder"]

BAD = "The data abab is marked as bad by mira: wrong labels."
SUSPECT = replace(proposal(9), data=Data("abab", "cdcd", newer=True, said="Newer.", bad=BAD))


def test_no_policy_accepts_it_and_the_reason_is_told():
    found = decide(policy(mode="automatic"), SUSPECT, (), NOW)
    assert found.reasons == (f"{BAD} A person decides.",)
    clean = replace(SUSPECT, data=replace(SUSPECT.data, bad=""))
    assert decide(policy(mode="automatic"), clean, (), NOW).allowed


def test_whoever_decides_reads_it_and_it_is_kept():
    assert BAD in wording.costs(SUSPECT)
    assert Proposal.from_json(9, SUSPECT.as_json()) == SUSPECT
    old = SUSPECT.as_json()
    del old["data"]["bad"]
    assert Proposal.from_json(9, old).data.bad == ""


def test_the_loop_leaves_it_to_a_person_who_reads_it_once(lab: Lab, folder: Folder):
    bad = folder.version("bad")
    marked.put(
        lab.context.journal, Mark(Ref("data", bad), PROJECT, "wrong labels", "mira", 5.0, None)
    )
    lab.done(SetRetrainingPolicy(PROJECT, "automatic"), ANA)
    lab.alert()
    for _ in range(3):
        lab.watch.turn()
    said = f"The data {bad} is marked as bad by mira: wrong labels."
    assert (lab.one().state, lab.one().data.bad) == ("open", said)
    assert said in lab.one().refused
    told = AcceptRetraining(1, PROJECT).consequences(lab.context)
    assert told.count(said) == 1
    assert lab.done(AcceptRetraining(1, PROJECT), ANA).state == "done"

"""What would learn from the same data again: no policy accepts it, and it is proposed once."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.actions.retraining import AcceptRetraining
from services.actions.retraining_policy import SetRetrainingPolicy
from services.errors import NotFoundError
from services.mirror.queries import Mirror
from services.retraining import drafting, history, proposing, store, wording
from services.retraining.bounds import decide
from services.retraining.models import BY_POLICY, Data, Evidence, Proposal
from tests.services.data.conftest import put
from tests.services.retraining.lab import ANA, BEN, PROJECT, Lab
from tests.services.retraining.test_figures_of_now import Folder, folder, registered
from tests.services.retraining.things import NOW, ended, evidence, policy, proposal

__all__ = ["folder"]
AUTOMATIC = policy(mode="automatic", most_per_week=100, cooldown_h=0.0)
SAME = Data("aa" * 8, "aa" * 8, newer=False, said="")
DARK = Data("aa" * 8, None, None, "")
OWN = Data(None, None, None, "", declared=False)
OTHER = Data("bb" * 8, "aa" * 8, newer=True, said="")
FOLDER = Data(None, "aa" * 8, newer=True, said="")


@pytest.mark.parametrize(
    ("data", "word"),
    [(SAME, "no other data"), (DARK, "is not known"), (OWN, ""), (OTHER, ""), (FOLDER, "")],
)
def test_a_policy_accepts_what_is_known_to_learn_from_other_data(data: Data, word: str):
    found = decide(AUTOMATIC, proposal(data=data), (), NOW)
    assert found.allowed is (not word)
    assert word in found.said


def test_a_policy_does_not_do_again_what_did_not_help():
    found = decide(AUTOMATIC, proposal(data=OWN, again=4), (), NOW)
    assert "Retraining 4 answered the same with the same data" in found.said


@given(
    newer=st.sampled_from([True, False, None]), declared=st.booleans(),
    again=st.none() | st.integers(1, 9), minutes=st.none() | st.floats(0, 1e6),
)  # fmt: skip
def test_no_figure_of_a_policy_lets_the_same_data_through(
    newer: bool | None, declared: bool, again: int | None, minutes: float | None
):
    one = proposal(data=Data(None, None, newer, "", declared), again=again)
    allows = replace(AUTOMATIC, budget_minutes=minutes)
    if decide(allows, one, (), NOW).allowed:
        assert again is None
        assert newer or (newer is None and not declared)


def promoted(number: int = 1, data: Data = OTHER, **said: Any) -> Proposal:
    return ended("promoted", NOW, number, data=data, **said)


@pytest.mark.parametrize(
    ("data", "again"),
    [(SAME, 1), (DARK, 1), (OWN, 1), (OTHER, 1), (FOLDER, None),
     (replace(OTHER, revision="cc" * 8), None)],
)  # fmt: skip
def test_what_is_not_known_to_be_other_data_is_the_same(data: Data, again: int | None):
    assert history.answered([promoted()], [evidence(7)], data) == again


def test_the_same_cause_is_the_same_alert_or_one_of_its_key():
    keyed = replace(evidence(7), key="drift/lora/net/data")
    past = [promoted(evidence=(keyed,))]
    back = Evidence(NOW, "It is back.", 99, key="drift/lora/net/data")
    other = Evidence(NOW, "Accuracy fell.", 99, key="drift/lora/net/accuracy")
    word = Evidence(NOW, "Users complain.", by="ana")
    assert history.answered(past, [back], SAME) == 1
    assert history.answered(past, [evidence(7)], SAME) == 1
    assert history.answered(past, [other], SAME) is None
    assert history.answered([promoted(evidence=(word,))], [word], SAME) is None
    dropped = ended("dropped", NOW, 2, evidence=(keyed,))
    assert history.answered([dropped], [back], SAME) is None
    assert history.answered([dropped, *past], [back], SAME) == 1


def test_it_is_told_to_whoever_decides():
    assert "Retraining 4 answered the same" in wording.costs(proposal(again=4))[0]
    assert "answered the same" not in " ".join(wording.costs(proposal()))


def test_only_what_said_it_and_ended_is_told():
    said = ended("promoted", NOW, 2, again=1)
    assert proposing.is_told(evidence(7), said)
    assert not proposing.is_told(evidence(7, "critical"), said), "it got worse"
    assert not proposing.is_told(evidence(7), proposal(again=1)), "it waits"
    assert not proposing.is_told(evidence(7), ended("promoted", NOW))


# Over a real journal


def in_service(lab: Lab, revision: str) -> None:
    """Have version 2 have been trained with this data, as a promotion would leave it."""
    registered(lab, {1: revision, 2: revision})


def ends(lab: Lab, state: Any = "promoted") -> None:
    """Have the newest retraining have gone its way."""
    now = lab.now()

    def how(one: Proposal) -> store.Changed:
        return replace(one, state=state, decided_at=now, ended_at=now, approved_by="ana"), ()

    store.change(lab.context.journal, lab.one().id, how)


def test_an_automatic_project_asks_a_person_where_there_is_nothing_new(lab: Lab, folder: Folder):
    lab.done(SetRetrainingPolicy("lora", "automatic"), ANA)
    lab.alert()
    lab.watch.turn()
    assert lab.one().state == "open"
    assert "no other data" in lab.one().refused
    assert lab.done(AcceptRetraining(1, PROJECT), BEN).state == "done", "a person may"


def test_new_data_lets_the_policy_go_on(lab: Lab, folder: Folder):
    lab.done(SetRetrainingPolicy("lora", "automatic"), ANA)
    lab.alert()
    lab.watch.turn()
    folder.version("second")
    lab.later(0.1)
    lab.watch.turn()
    assert (lab.one().state, lab.one().approved_by) == ("accepted", BY_POLICY)


def test_the_same_cause_after_a_promotion_is_proposed_once_until_there_is_other_data(
    lab: Lab, folder: Folder
):
    lab.alert()
    new = folder.version("second")
    lab.watch.turn()
    ends(lab)
    in_service(lab, new)
    for _ in range(5):
        lab.later(25)
        lab.watch.turn()
        lab.watch.turn()
        if lab.one().id == 2 and not lab.one().ended:
            assert lab.one().again == 1
            ends(lab)
    assert lab.one().id == 2, "once"
    third = folder.version("third")
    lab.later(0.5)
    lab.watch.turn()
    one = lab.one()
    assert (one.id, one.again, one.data.revision) == (3, None, third)


def test_what_got_worse_is_proposed_again_and_an_alert_that_came_back_too(lab: Lab, folder: Folder):
    lab.alert()
    lab.watch.turn()
    ends(lab)
    lab.later(25)
    lab.watch.turn()
    ends(lab)
    lab.alert(severity="critical")
    lab.watch.turn()
    assert (lab.one().id, lab.one().again) == (3, 2)
    ends(lab)
    lab.alert(state="ok")
    lab.later(25)
    lab.alert(severity="critical")
    lab.watch.turn()
    assert (lab.one().id, lab.one().again) == (4, 3)


def test_looking_for_other_data_is_done_once_a_minute(lab: Lab, folder: Folder):
    lab.alert()
    lab.watch.turn()
    ends(lab)
    lab.later(25)
    lab.watch.turn()
    ends(lab)
    lab.later(25)
    before = folder.looked
    for _ in range(20):
        lab.watch.turn()
    assert folder.looked == before + 1


def test_a_project_without_a_data_repository_declares_none_or_cannot_be_told(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    found = drafting.data_of(lab.context, PROJECT, None, "version 2")
    assert (found.declared, found.newer) == (False, None)
    contract = lab.folder / "lora" / "pyproject.toml"
    contract.write_text(contract.read_text() + 'data = ["data/"]\n')
    put(lab.folder / "lora", data__a="first")
    assert drafting.data_of(lab.context, PROJECT, None, "version 2").declared
    contract.unlink()
    assert drafting.data_of(lab.context, PROJECT, None, "version 2").declared

    def gone(_mirror: Mirror, _project: str) -> None:
        raise NotFoundError("There is no project lora.")

    monkeypatch.setattr(Mirror, "project", gone)
    assert drafting.data_of(lab.context, PROJECT, None, "version 2").declared


def test_what_a_project_makes_anew_each_time_is_done_once_by_itself(lab: Lab):
    """It declares no data: nobody can tell, so once, and then a person is asked."""
    lab.done(SetRetrainingPolicy("lora", "automatic"), ANA)
    lab.alert()
    lab.watch.turn()
    assert lab.one().approved_by == BY_POLICY
    ends(lab)
    lab.later(25)
    lab.watch.turn()
    one = lab.one()
    assert (one.id, one.state, one.again) == (2, "open", 1)
    assert "a person decides" in one.refused

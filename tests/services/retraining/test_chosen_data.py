"""Whoever accepts may choose with which version of the data it trains."""

import pytest

from services.actions.retraining import AcceptRetraining
from services.errors import MlopsError, NotFoundError
from services.lineage import marked
from services.lineage.models import Mark, Ref
from tests.services.retraining.lab import ANA, PROJECT, Lab
from tests.services.retraining.test_figures_of_now import Folder, folder
from tests.services.retraining.test_same_data import ends

__all__ = ["folder"]


@pytest.mark.parametrize("chosen", [True, False])
def test_it_trains_with_the_version_that_was_chosen(lab: Lab, folder: Folder, chosen: bool):
    good, bad = folder.version("good"), folder.version("bad")
    lab.alert()
    lab.watch.turn()
    assert lab.one().data.revision == bad
    accept = AcceptRetraining(1, PROJECT, data=good if chosen else "")
    wanted = good if chosen else bad
    assert wanted in " ".join(accept.consequences(lab.context))
    assert lab.done(accept, ANA).state == "done"
    assert (lab.one().data.revision, lab.one().data.newer) == (wanted, True)
    lab.until(lambda one: one.state == "running")
    (launch,) = lab.actions("workflow-launch")
    assert wanted in str(launch.params)


def test_that_of_the_version_in_service_is_no_newer_data(lab: Lab, folder: Folder):
    folder.version("second")
    lab.alert()
    lab.watch.turn()
    assert lab.done(AcceptRetraining(1, PROJECT, data=folder.old), ANA).state == "done"
    assert lab.one().data.newer is False


def test_what_is_no_version_of_its_data_is_refused(lab: Lab, folder: Folder):
    lab.alert()
    lab.watch.turn()
    for wrong in ("feedfeedfeedfeed", "no revision"):
        with pytest.raises(MlopsError):
            lab.submit(AcceptRetraining(1, PROJECT, data=wrong), ANA)
    with pytest.raises(NotFoundError):
        lab.submit(AcceptRetraining(1, PROJECT, data="feedfeedfeedfeed"), ANA)
    assert lab.one().state == "open"


def test_of_the_version_that_was_chosen_it_is_told_that_it_is_bad(lab: Lab, folder: Folder):
    bad = folder.version("bad")
    mark = Mark(Ref("data", bad), PROJECT, "wrong labels", "mira", 5.0, None)
    marked.put(lab.context.journal, mark)
    good = folder.version("good")
    lab.alert()
    lab.watch.turn()
    said = f"The data {bad} is marked as bad by mira: wrong labels."
    assert said not in AcceptRetraining(1, PROJECT, data=good).consequences(lab.context)
    accept = AcceptRetraining(1, PROJECT, data=bad)
    assert said in accept.consequences(lab.context)
    assert lab.done(accept, ANA).state == "done"
    assert lab.one().data.bad == said


def test_whether_it_was_answered_already_is_told_of_the_version_that_was_chosen(
    lab: Lab, folder: Folder
):
    lab.alert()
    new = folder.version("second")
    lab.watch.turn()
    ends(lab)  # promoted, with the second version
    other = folder.version("third")
    lab.later(25)
    lab.watch.turn()
    assert (lab.one().id, lab.one().data.revision, lab.one().again) == (2, other, None)
    told = " ".join(AcceptRetraining(2, PROJECT, data=new).consequences(lab.context))
    assert "Retraining 1 answered the same" in told
    now = AcceptRetraining(2, PROJECT, data=other).consequences(lab.context)
    assert "answered the same" not in " ".join(now)
    assert lab.done(AcceptRetraining(2, PROJECT, data=new), ANA).state == "done"
    assert lab.one().again == 1


def test_what_was_answered_with_the_proposed_data_is_open_with_other_data(lab: Lab, folder: Folder):
    lab.alert()
    other = folder.version("second")
    new = folder.version("third")
    lab.watch.turn()
    ends(lab)  # promoted, with the third version
    lab.later(25)
    lab.watch.turn()
    assert (lab.one().id, lab.one().data.revision, lab.one().again) == (2, new, 1)
    told = " ".join(AcceptRetraining(2, PROJECT, data=other).consequences(lab.context))
    assert "answered the same" not in told
    assert lab.done(AcceptRetraining(2, PROJECT, data=other), ANA).state == "done"
    assert lab.one().again is None

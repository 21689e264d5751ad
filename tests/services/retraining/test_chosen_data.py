"""Whoever accepts may choose with which version of the data it trains."""

import pytest

from services.actions.retraining import AcceptRetraining
from services.errors import MlopsError, NotFoundError
from tests.services.retraining.lab import ANA, PROJECT, Lab
from tests.services.retraining.test_figures_of_now import Folder, folder

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

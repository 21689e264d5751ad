"""Rows that the model was asked are collected before it trains: by the policy, or by choice."""

import random
import time
from dataclasses import replace
from typing import Any

import pytest

from services import retraining
from services.actions.data_collect import DataCollect, made_by
from services.actions.retraining import AcceptRetraining
from services.actions.retraining_policy import SetRetrainingPolicy
from services.actions.retraining_stop import StopRetraining
from services.data.collected import collections
from services.errors import ConflictError, InputError
from services.predictions import collected
from services.projects.contract import require
from services.retraining.models import BY_POLICY
from services.serving import store as deployments
from services.serving.models import Endpoint
from tests.services.retraining.lab import ANA, BEN, MODEL, OPS, PROJECT, Lab
from tests.services.retraining.test_figures_of_now import Folder, folder

__all__ = ["folder"]


@pytest.fixture
def learns(lab: Lab, folder: Folder) -> Folder:
    """Have the project's training read what is collected."""
    contract = lab.folder / PROJECT / "pyproject.toml"
    contract.write_text(contract.read_text() + "collected = true\n")
    return folder


def automatic(lab: Lab, rows: int = 20, **said: Any) -> None:
    wanted = SetRetrainingPolicy(
        PROJECT, **{"mode": "automatic", "collect": "labelled", "collect_rows": rows, **said}
    )
    assert lab.done(wanted, ANA).state == "done"


def files(lab: Lab) -> list[str]:
    root = lab.folder / PROJECT
    return [one.path.name for one in collections(root, require(root), MODEL)]


def happened(lab: Lab) -> list[str]:
    return [line.what for line in retraining.thread(lab.context.journal, lab.one().id)]


def test_the_policy_collects_first_and_trains_with_what_was_collected(lab: Lab, learns: Folder):
    automatic(lab)
    lab.predicted(2, 30, 0.5)
    lab.alert()
    lab.watch.turn()
    one = lab.one()
    assert (one.state, one.approved_by) == ("accepted", BY_POLICY)
    assert (one.data.rows, one.data.revision, one.data.newer) == (30, None, True)
    assert "30 labelled rows of what net was asked" in one.data.said
    one = lab.until(lambda one: one.state == "running")
    (collect,) = lab.actions("data-collect")
    assert (collect.state, collect.actor) == ("done", BY_POLICY)
    assert collect.params["labelled"]
    assert one.collected == made_by(collect) != learns.old
    assert (one.data.revision, one.data.before, one.data.newer) == (
        one.collected, learns.old, True,
    )  # fmt: skip
    (launch,) = lab.actions("workflow-launch")
    assert one.collected in str(launch.params)
    assert launch.id > collect.id
    assert happened(lab) == ["alert", "proposed", "accepted", "collected", "launched"]
    line = retraining.thread(lab.context.journal, one.id)[3]
    assert "30 rows of 30 requests, 30 with a label" in line.said
    assert line.numbers == {"version": one.collected, "rows": 30}
    assert line.link == f"/data?of={PROJECT}&revision={one.collected}"
    assert len(files(lab)) == 1


def test_with_fewer_rows_nothing_is_launched_and_the_thread_says_why(lab: Lab, learns: Folder):
    automatic(lab)
    lab.predicted(2, 19, 0.5)
    lab.alert()
    for _ in range(3):
        lab.turn()
    one = lab.one()
    assert one.state == "open"
    assert "There are 19 new labelled rows of what net was asked; 20 are needed." in one.refused
    assert "no other data" not in one.refused
    assert happened(lab) == ["alert", "proposed", "refused"]
    assert not lab.actions("data-collect")
    lab.predicted(2, 1, 0.5)
    lab.later(0.1)
    lab.until(lambda one: one.state == "running")
    assert lab.one().data.rows == 20


def test_what_an_earlier_collection_holds_is_not_new(lab: Lab, learns: Folder):
    lab.predicted(2, 30, 0.5)
    by_hand = DataCollect(PROJECT, MODEL, time.time() - 3600, labelled=True)
    assert lab.done(by_hand, OPS).state == "done"
    automatic(lab)
    lab.alert()
    lab.watch.turn()
    assert "There are 0 new labelled rows" in lab.one().refused
    lab.predicted(2, 20, 0.5)
    lab.later(0.1)
    one = lab.until(lambda one: one.state == "running")
    assert one.state == "running"
    assert len(files(lab)) == 2


def test_of_labels_that_are_no_value_a_row_none_counts_and_the_file_goes(
    lab: Lab, learns: Folder, monkeypatch: pytest.MonkeyPatch
):
    automatic(lab)
    lab.predicted(2, 20, 0.5)
    lab.alert()
    real = collected.labelled_ids
    monkeypatch.setattr(collected, "labelled_ids", lambda path: real(path)[1:])
    one = lab.until(lambda one: one.ended)
    assert one.state == "failed"
    assert one.said.startswith("Its rows could not be collected, so nothing was trained: There are")
    assert "19 new labelled rows" in one.said
    assert happened(lab)[-1] == "failed"
    assert not lab.actions("workflow-launch")
    assert files(lab) == []


def test_a_privacy_that_changed_on_the_way_ends_it_and_nothing_is_trained(lab: Lab, learns: Folder):
    automatic(lab)
    lab.predicted(2, 30, 0.5)
    lab.alert()
    lab.watch.turn()
    assert lab.one().state == "accepted"

    def hashed(now: Endpoint) -> Endpoint:
        return replace(now, privacy="hash")

    deployments.change(lab.context.journal, PROJECT, MODEL, hashed)
    one = lab.until(lambda one: one.ended)
    assert one.state == "failed"
    assert "nothing was trained: The privacy of lora.net is hash" in one.said
    assert not lab.actions("workflow-launch")
    assert files(lab) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_controller_that_is_killed_anywhere_collects_and_launches_once(
    lab: Lab, learns: Folder, seed: int
):
    automatic(lab)
    lab.predicted(2, 30, 0.5)
    lab.alert()
    lab.watch.turn()
    chance = random.Random(seed)  # noqa: S311 - the same points each time
    lab.kill(lambda: chance.randint(1, 4))
    lab.until(lambda one: one.state == "running", 60)
    assert lab.kills > 2
    assert len(lab.actions("data-collect")) == len(lab.actions("workflow-launch")) == 1
    assert len(files(lab)) == 1
    assert len(happened(lab)) == len(set(happened(lab)))


def test_a_collection_that_was_never_noted_is_not_asked_for_again(lab: Lab, learns: Folder):
    automatic(lab)
    lab.predicted(2, 30, 0.5)
    lab.alert()
    lab.watch.turn()
    from services.retraining import asking, store

    asking.ask(lab.context, lab.one(), "collect")  # and was killed before it noted that
    lab.execute()
    assert len(files(lab)) == 1
    lab.predicted(2, 9, 0.5)
    one = lab.until(lambda one: one.state == "running")
    assert one.data.rows == 30
    assert len(lab.actions("data-collect")) == 1
    assert store.proposal(lab.context.journal, one.id).collect == lab.actions("data-collect")[0].id


def test_it_is_stopped_before_anything_is_launched(lab: Lab, learns: Folder):
    automatic(lab)
    lab.predicted(2, 30, 0.5)
    lab.alert()
    lab.watch.turn()
    lab.look()  # it is asked for, and not done yet
    stop = StopRetraining(1, PROJECT, "Not now.")
    assert "Rows that are collected already stay in the data." in stop.consequences(lab.context)[0]
    lab.done(stop, OPS)
    one = lab.until(lambda one: one.ended)
    assert one.state == "dismissed"
    assert not lab.actions("workflow-launch")


# By choice of a person


def test_a_person_chooses_that_rows_are_collected_first(lab: Lab, learns: Folder):
    lab.predicted(2, 30, 0.5)
    lab.alert()
    lab.watch.turn()
    assert lab.one().data.rows is None
    accept = AcceptRetraining(1, PROJECT, collect="labelled", collect_rows=31)
    with pytest.raises(ConflictError, match="30 new labelled rows of what net was asked; 31 are"):
        lab.submit(accept, BEN)
    assert lab.one().state == "open"
    accept = replace(accept, collect_rows=30)
    assert "30 labelled rows of what net was asked" in " ".join(accept.consequences(lab.context))
    record = lab.done(accept, BEN)
    assert record.result == "its rows are collected next"
    one = lab.until(lambda one: one.state == "running")
    assert one.collected == one.data.revision
    assert retraining.policy(lab.context.journal, PROJECT).collect == "no"


def test_a_person_chooses_that_none_are_or_another_version(lab: Lab, learns: Folder):
    automatic(lab, mode="propose")
    lab.alert()
    lab.watch.turn()
    with pytest.raises(ConflictError, match="No request of this time has a label"):
        lab.submit(AcceptRetraining(1, PROJECT), BEN)
    with pytest.raises(InputError, match="no other can be chosen"):
        lab.submit(AcceptRetraining(1, PROJECT, data=learns.old, collect="labelled"), BEN)
    for wrong in ({"collect": "all"}, {"collect_rows": 0}):
        with pytest.raises(InputError):
            lab.submit(AcceptRetraining(1, PROJECT, **wrong), BEN)  # type: ignore[arg-type]  # the point
    assert lab.done(AcceptRetraining(1, PROJECT, data=learns.old), BEN).state == "done"
    one = lab.until(lambda one: one.state == "running")
    assert (one.collected, one.data.revision) == ("", learns.old)
    assert not lab.actions("data-collect")


def test_who_waits_for_a_decision_reads_how_many_rows_there_are_now(lab: Lab, learns: Folder):
    lab.predicted(2, 30, 0.5)
    lab.alert()
    lab.watch.turn()
    automatic(lab, mode="propose")
    lab.look()  # at once: another policy is other data
    assert lab.one().data.rows == 30
    automatic(lab, mode="propose", collect="no")
    lab.look()
    assert (lab.one().data.rows, lab.one().data.revision) == (None, learns.old)


def test_data_that_turn_out_to_be_bad_are_not_trained_with(
    lab: Lab, learns: Folder, monkeypatch: pytest.MonkeyPatch
):
    automatic(lab)
    lab.predicted(2, 30, 0.5)
    lab.alert()
    lab.watch.turn()
    said = "The data hold files that are marked as bad."
    monkeypatch.setattr("services.actions.flags.told", lambda *_: iter([said]))
    one = lab.until(lambda one: one.ended)
    assert (one.state, one.said) == (
        "failed", f"Nothing was trained with what was collected: {said}",
    )  # fmt: skip
    assert not lab.actions("workflow-launch")


# Where it is refused


def test_where_training_does_not_read_them_the_setting_is_refused(lab: Lab, folder: Folder):
    with pytest.raises(InputError, match="LoRA does not learn from collected rows"):
        lab.submit(SetRetrainingPolicy(PROJECT, collect="labelled"), ANA)
    lab.predicted(2, 30, 0.5)
    lab.alert()
    lab.watch.turn()
    accept = AcceptRetraining(lab.one().id, PROJECT, collect="labelled", collect_rows=20)
    with pytest.raises(InputError, match="would change nothing"):
        lab.submit(accept, BEN)
    assert folder.old == lab.one().data.before


@pytest.mark.parametrize("rows", [0, 200_001, float("nan")])
def test_the_least_of_rows_has_bounds(lab: Lab, learns: Folder, rows: Any):
    with pytest.raises(InputError, match="The least of collected rows"):
        lab.submit(SetRetrainingPolicy(PROJECT, collect_rows=rows), ANA)

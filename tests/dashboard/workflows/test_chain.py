"""Workflows that set each other off, and the runs that did."""

from datetime import timedelta

import pytest

from dashboard import navigation
from dashboard.workflows import chain
from tests.dashboard.workflows.made import NOW, run
from tests.services.mirror.workflow_things import workflow

PASSED = "mlops://lora/passed-gates"
TRAIN = workflow(makes=(PASSED,))
RETRAIN = workflow(name="retrain", makes=(PASSED,))
RELEASE = workflow(name="release", starts_on=(PASSED,), makes=("mlops://lora/deployed",))
CHECK = workflow("platform", "check", starts_on=("mlops://lora/deployed",))
ALONE = workflow("vision", makes=("mlops://vision/passed-gates",))


@pytest.fixture(autouse=True)
def _addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(navigation, "address", lambda name, **params: f"/{name}?{params}")


def test_a_chain_goes_through_all_that_set_each_other_off():
    (found,) = chain.chains([TRAIN, RETRAIN, RELEASE, CHECK, ALONE])
    assert [one.name for one in found.workflows] == ["train", "retrain", "release", "check"]
    assert found.edges == (
        ("lora.release", "asset:mlops://lora/deployed"),
        ("asset:mlops://lora/deployed", "platform.check"),
        ("lora.train", f"asset:{PASSED}"),
        ("lora.retrain", f"asset:{PASSED}"),
        (f"asset:{PASSED}", "lora.release"),
    )
    assert chain.of("lora.release", [found]) is found
    assert chain.of("vision.train", [found]) is None


def test_what_nobody_waits_for_or_nobody_makes_is_no_chain():
    assert chain.chains([TRAIN, ALONE]) == ()
    assert chain.chains([RELEASE]) == ()


def test_boxes_tell_the_last_run_and_the_asset_by_its_name():
    (found,) = chain.chains([TRAIN, RELEASE])
    last = {"lora.train": run(state="failed"), "lora.release": None}
    train, release, asset = chain.nodes(found, last, "lora.train")
    assert (train.state, train.marked, release.below) == ("failed", True, "never ran")
    assert (asset.label, asset.round) == ("passed gates", True)


def test_runs_are_followed_both_ways():
    first = run(run_id="train-1", queued_at=NOW - timedelta(hours=2))
    second = run(dag_id="lora.release", run_id="rel-1", caused_by=("lora.train", "train-1"))
    third = run(
        dag_id="platform.check", run_id="check-1", caused_by=("lora.release", "rel-1"),
        queued_at=NOW,
    )  # fmt: skip
    other = run(run_id="train-2")
    for looked_at in (first, second, third):
        found, edges = chain.of_runs(looked_at, [first, second, third, other])
        assert found == (first, second, third)
        assert edges == (
            ("lora.train/train-1", "lora.release/rel-1"),
            ("lora.release/rel-1", "platform.check/check-1"),
        )
    assert chain.of_runs(other, [first, second]) == ((other,), ())


def test_a_cause_that_is_not_known_is_left_out():
    caused = run(dag_id="lora.release", caused_by=("lora.train", "deleted"))
    assert chain.of_runs(caused, []) == ((caused,), ())
    (box,) = chain.run_nodes([caused], caused)
    assert box.marked
    assert box.label == "release"

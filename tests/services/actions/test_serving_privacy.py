"""What the prediction log keeps of a project."""

from pathlib import Path
from typing import Any

import pytest

from services.access import store as people
from services.actions import catalog
from services.actions.action import Deed
from services.actions.roles import Actor
from services.actions.serving_privacy import SetPrivacy
from services.errors import ConflictError, DeniedError, InputError, MlopsError, NotFoundError
from services.serving import store
from services.serving.models import Rollout, Target
from tests.services.actions.conftest import OWNER, Clock
from tests.services.actions.serving_lab import Lab, copied, deploy, made


@pytest.fixture
def lab(tmp_path: Path, mould: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Lab:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    return made(copied(mould, tmp_path), clock)


def kept(lab: Lab) -> dict[str, tuple[str, float]]:
    found = store.endpoints(lab.context.journal)
    return {one.name: (one.privacy, one.sample) for one in found}


def other(lab: Lab, project: str, model: str) -> None:
    store.put_rollout(lab.context.journal, project, model, Rollout(Target(1), action_id=40))


def test_all_endpoints_of_a_project_follow_it(lab: Lab):
    lab.live(1)
    other(lab, "lora", "other")
    other(lab, "clip", "m")
    action = SetPrivacy("lora", "sample", 0.25)
    assert action.title == "Have the prediction log of lora keep sample 25 %"
    assert "lora.net, lora.other" in action.consequences(lab.context)[1]
    assert lab.begin(action).result == "2 endpoints follow it"
    assert kept(lab) == {
        "clip.m": ("full", 1.0), "lora.net": ("sample", 0.25), "lora.other": ("sample", 0.25),
    }  # fmt: skip
    assert catalog.load(action.kind, catalog.dump(action)) == action


def test_it_is_taken_back(lab: Lab):
    lab.live(1)
    (step,) = SetPrivacy("lora", "off").steps(lab.context, Deed(1, OWNER))
    step.do()
    assert kept(lab)["lora.net"] == ("off", 1.0)
    assert step.undo is not None
    step.undo()
    assert kept(lab)["lora.net"] == ("full", 1.0)


@pytest.mark.parametrize(
    ("others", "said", "then"),
    [("full", "", "full"), ("hash", "", "hash"), ("full", "off", "off"), ("off", "full", "full")],
)
def test_a_new_endpoint_keeps_what_it_is_told_or_what_the_others_keep(
    lab: Lab, others: Any, said: Any, then: str
):
    other(lab, "lora", "other")
    lab.begin(SetPrivacy("lora", others))
    lab.begin(deploy(privacy=said))
    assert kept(lab)["lora.net"][0] == then


def test_an_update_changes_nothing_of_it(lab: Lab):
    lab.live(1)
    lab.begin(SetPrivacy("lora", "hash"))
    lab.begin(deploy(version=2, privacy="full"))
    assert kept(lab)["lora.net"][0] == "hash"


@pytest.mark.parametrize(
    ("said", "kind", "why"),
    [
        (("lora", "some"), InputError, "is no way to keep"),
        (("lora", "sample", 0.0), InputError, "more than 0"),
        (("lora", "sample", float("nan")), InputError, "more than 0"),
        (("lora", "off", 0.5), InputError, "goes with sample"),
        (("nobody", "off"), NotFoundError, "no project"),
        (("p", "off"), ConflictError, "Nothing of p is in service"),
    ],
)
def test_what_cannot_be_is_refused(lab: Lab, said: Any, kind: type[MlopsError], why: str):
    lab.live(1)
    with pytest.raises(kind, match=why):
        lab.submit(SetPrivacy(*said))


def test_an_operator_may_not(lab: Lab):
    lab.live(1)
    people.insert(lab.context.journal, "pat", "x", "operator", None)
    with pytest.raises(DeniedError):
        lab.submit(SetPrivacy("lora", "off"), Actor("pat", "operator"))
    with pytest.raises(InputError, match="no way to keep"):
        lab.submit(deploy(version=2, privacy="some"))
    with pytest.raises(InputError, match="mlops privacy"):
        lab.submit(deploy(version=2, privacy="sample"))

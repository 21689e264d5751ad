"""What is marked as bad is said before it is used, and no policy uses it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.actions import flags
from services.actions.action import Action
from services.actions.data_checkout import DataCheckout
from services.actions.deploy import Deploy
from services.actions.deploy_rollback import RollbackDeployment
from services.actions.promote import Promote, Rollback
from services.actions.roles import policy
from services.actions.rollout_step import SteerRollout
from services.actions.workflow_launch import LaunchWorkflow
from services.data.remote import Remote
from services.data.service import DataService
from services.errors import GateError, PlatformError
from services.home import Home
from services.lineage import marked
from services.lineage.models import Mark, Ref
from services.lineage.sources.data import Revisions
from services.serving import store
from services.serving.models import Rollout, Target
from services.workflows.deploying import Deployer
from tests.services.actions.conftest import OWNER, Clock, close, fill
from tests.services.actions.flows import DAG, connected, laid
from tests.services.actions.serving_lab import Lab, made
from tests.services.workflows.test_deploying import package

THING = Ref("version", "lora/net:2")
SAID = "Version 2 of lora.net is marked as bad by mira: wrong labels."
UNTOLD = "Whether it came from what is marked as bad cannot be told: Data of clip: It is damaged."
POLICY = policy("retraining", "approver", ("lora",))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    fill(tmp_path)
    lab = made(tmp_path, Clock())
    marked.put(lab.context.journal, Mark(THING, "lora", "wrong labels", "mira", 5.0, None))
    yield lab
    close(lab.context)


@pytest.mark.parametrize(
    "action",
    [
        Deploy("lora", "net", 2),
        Promote("lora", "net", 2),
        Rollback("lora", "net", to_version=2),
        RollbackDeployment("lora", "net", 2),
    ],
    ids=lambda one: one.kind,
)
def test_it_is_the_first_that_a_person_reads(lab: Lab, action: Action):
    lab.live(1)
    assert action.consequences(lab.context)[0] == SAID
    marked.take_back(lab.context.journal, THING)
    assert SAID not in action.consequences(lab.context)


def test_making_a_canary_live_says_it_and_no_policy_does(lab: Lab):
    lab.live(1)
    canary = Rollout(Target(2), strategy="canary", share=0.1)
    store.put_rollout(lab.context.journal, "lora", "net", canary)
    whole = SteerRollout("lora", "net", "promote")
    assert whole.consequences(lab.context)[0] == SAID
    whole.check(lab.context, OWNER)
    for change in (whole, SteerRollout("lora", "net", "share", 50.0)):
        with pytest.raises(GateError):
            change.check(lab.context, POLICY)
    SteerRollout("lora", "net", "abort").check(lab.context, POLICY)


@pytest.mark.parametrize("action", [Deploy("lora", "net", 2), Promote("lora", "net", 2)],
                         ids=lambda one: one.kind)  # fmt: skip
def test_a_policy_is_refused_with_the_reason_and_a_person_is_not(lab: Lab, action: Action):
    action.check(lab.context, OWNER)
    with pytest.raises(GateError) as caught:
        action.check(lab.context, POLICY)
    assert SAID in caught.value.message
    assert "mlops lineage bad" in caught.value.hint
    marked.take_back(lab.context.journal, THING)
    action.check(lab.context, POLICY)


@pytest.mark.parametrize("asked", [True, False])
def test_a_release_leaves_it_to_people_and_says_why(lab: Lab, asked: bool):
    lab.live(1)
    told = Deployer(lab.context, "lora", [].append).deploy([package(2)], asked=asked)
    assert told["deployments"] == []
    assert told["skip"] == (
        f"{SAID} So it is not deployed by itself; a person may: `mlops deploy lora/net:2`."
    )


def test_a_launch_and_a_checkout_say_that_the_data_is_marked(
    tmp_path: Path, mould: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
):
    flows = connected(laid(tmp_path, mould, monkeypatch), clock)
    (flows.project / "data").mkdir()
    (flows.project / "data" / "a").write_text("one")
    flows.context = replace(flows.context, data=DataService(Remote(Home.locate())))
    flows.context.data.configure("lora", flows.project)
    revision = "ab" * 16
    flows.context.data.project("lora").repository.commit(
        "Track data", {"Mlops-Kind": "data", "Mlops-Revision": revision, "Mlops-Files": "1",
                       "Mlops-Bytes": "3"}, [],
    )  # fmt: skip
    bad = Mark(Ref("data", revision), "lora", "wrong labels", "mira", 5.0, None)
    said = f"The data {revision} is marked as bad by mira: wrong labels."
    launch = LaunchWorkflow(DAG, json.dumps({"data_revision": revision[:8]}))
    checkout = DataCheckout("lora", revision)
    for action in (launch, checkout):
        assert said not in action.consequences(flows.context)
    marked.put(flows.context.journal, bad)
    for action in (launch, checkout):
        assert said in action.consequences(flows.context)
    close(flows.context)


def test_that_it_cannot_be_told_is_said_and_stops_a_policy_alone(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    def away(*_: object) -> None:
        raise PlatformError("The mirror is away.")

    monkeypatch.setattr("services.lineage.flagged.of", away)
    said = tuple(flags.of_version(lab.context, "lora", "net", 2))
    assert said == (
        "Whether it came from what is marked as bad cannot be told: The mirror is away.",
    )
    Promote("lora", "net", 2).check(lab.context, OWNER)
    with pytest.raises(PlatformError):
        Promote("lora", "net", 2).check(lab.context, POLICY)


def test_what_cannot_be_compared_with_a_mark_is_said_and_stops_all_that_goes_by_itself(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    marked.take_back(lab.context.journal, THING)
    unread = Revisions({}, ("Data of clip: It is damaged.",))
    monkeypatch.setattr("services.lineage.asking.revisions", lambda _: unread)
    told = Deploy("lora", "net", 2)
    assert UNTOLD not in told.consequences(lab.context)
    told.check(lab.context, POLICY)  # nothing is marked, so nothing is asked
    bad = Mark(Ref("data", "f" * 16), "lora", "wrong labels", "mira", 5.0, None)
    marked.put(lab.context.journal, bad)
    assert told.consequences(lab.context)[0] == UNTOLD
    told.check(lab.context, OWNER)
    for action in (told, Promote("lora", "net", 2)):
        with pytest.raises(GateError, match="cannot be told: Data of clip") as caught:
            action.check(lab.context, POLICY)
        assert UNTOLD in caught.value.message
    lab.live(1)
    left = Deployer(lab.context, "lora", [].append).deploy([package(2)], asked=True)
    assert (left["deployments"], left["skip"].startswith(UNTOLD)) == ([], True)

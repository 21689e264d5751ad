"""Endpoints: going back, steering a rollout, and out of service."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from services.access import store as people
from services.actions import schema
from services.actions.action import Deed, NotYetError
from services.actions.catalog import load
from services.actions.deploy_rollback import RollbackDeployment
from services.actions.records import ActionRecord
from services.actions.roles import Actor
from services.actions.rollout_step import SteerRollout
from services.actions.undeploy import Undeploy
from services.errors import (
    ConflictError,
    DeniedError,
    InputError,
    MlopsError,
    NotFoundError,
)
from services.serving import store
from services.serving.models import EndpointStatus, Rollout, Target
from tests.services.actions.conftest import OWNER, Clock
from tests.services.actions.serving_lab import (
    NAME,
    Lab,
    copied,
    deploy,
    events,
    made,
    running,
)


@pytest.fixture
def lab(tmp_path: Path, mould: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Lab:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    return made(copied(mould, tmp_path), clock)


# Back


def test_it_goes_back_to_what_was_live_before(lab: Lab):
    for version in (1, 6, 2):
        lab.live(version, min_replicas=2, max_replicas=3)
    record = lab.begin(RollbackDeployment("lora", "net", reason="Labels drift."))
    assert record.title == "Roll the endpoint net back to version 6"
    (begun, *_) = store.events(lab.context.journal, NAME, 1)
    assert (begun.kind, begun.said) == (
        "deploy",
        "Going back to version 6 was begun. Labels drift.",
    )
    assert record.params["to_version"] == 6
    now = lab.endpoint()
    assert now is not None
    assert now.rollout is not None
    target = now.rollout.target
    assert (target.version, target.min_replicas, target.max_replicas) == (6, 2, 3)
    assert (now.rollout.watch_s, now.rollout.guards.max_error_share) == (0.0, None)
    lab.engine_ends(live=True)
    lab.turn()
    assert lab.record(record).state == "done"
    back = RollbackDeployment("lora", "net")
    assert back.earlier(lab.context) == (2, 1)
    assert back.consequences(lab.context)[0] == (
        "Version 2 answers all requests to lora.net instead of version 6."
    )


def test_with_a_broken_contract_there_is_nothing_to_go_back_to_and_it_says_why(lab: Lab):
    lab.live(1)
    lab.live(2)
    back = RollbackDeployment("lora", "net")
    assert back.earlier(lab.context) == (1,)
    folder = Path(lab.context.mirror.project("lora").path)
    (folder / "pyproject.toml").write_text("[tool.mlops\n")
    assert back.earlier(lab.context) == ()
    with pytest.raises(ConflictError, match=r"no earlier version to go back to: .*lora is not a"):
        lab.submit(back)


def test_what_cannot_be_gone_back_to_is_refused(lab: Lab):
    with pytest.raises(NotFoundError, match="is not deployed"):
        lab.submit(RollbackDeployment("lora", "net"))
    lab.live(1)
    with pytest.raises(ConflictError, match="no earlier version"):
        lab.submit(RollbackDeployment("lora", "net"))
    with pytest.raises(ConflictError, match="is live already"):
        lab.submit(RollbackDeployment("lora", "net", 1))
    with pytest.raises(ConflictError, match="is archived"):
        lab.submit(RollbackDeployment("lora", "net", 3))
    lab.begin(deploy(version=2))
    with pytest.raises(ConflictError, match="under way"):
        lab.submit(RollbackDeployment("lora", "net", 6))


# Steering


def test_a_canary_is_made_live(lab: Lab):
    lab.live(1)
    lab.begin(deploy(version=2, strategy="canary"))
    record = lab.begin(SteerRollout("lora", "net", "promote"))
    assert record.title == "Make net version 2 live"
    assert record.params["version"] == 2
    now = lab.endpoint()
    assert now is not None
    assert now.rollout is not None
    assert now.rollout.promote
    assert record.state == "pending"
    with pytest.raises(ConflictError, match="being made live already"):
        lab.submit(SteerRollout("lora", "net", "promote"))
    lab.engine_ends(live=True, said="Version 2 answers all requests.")
    lab.turn()
    ended = lab.record(record)
    assert ended.state == "done"
    assert "Version 2 answers all requests." in ended.result


def test_a_promotion_that_goes_back_tells_why(lab: Lab):
    lab.live(1)
    lab.begin(deploy(version=2, strategy="shadow"))
    record = lab.begin(SteerRollout("lora", "net", "promote"))
    lab.engine_ends(live=False, said="It was 4 times as slow.")
    lab.turn()
    assert lab.record(record).state == "compensated"
    assert "It was 4 times as slow." in lab.record(record).error


def test_the_share_of_a_canary_is_changed(lab: Lab):
    lab.live(1)
    lab.begin(deploy(version=2, strategy="canary"))
    action = SteerRollout("lora", "net", "share", 40)
    assert action.consequences(lab.context) == (
        "40 % of the requests to lora.net are answered by version 2; now 10 %.",
    )
    record = lab.begin(action)
    assert record.state == "done"
    now = lab.endpoint()
    assert now is not None
    assert now.rollout is not None
    assert now.rollout.share == 0.4
    assert events(lab)[-1] == ("scaled", 2)


def test_a_rollout_is_ended_while_its_deployment_waits(lab: Lab):
    lab.live(1)
    waiting = lab.begin(deploy(version=2))
    record = lab.begin(SteerRollout("lora", "net", "abort", reason="Wrong one."))
    assert record.state == "done"
    lab.turn()
    told = lab.record(waiting)
    assert told.state == "compensated"
    assert told.error == "Version 2 did not become live: Ended by owner. Wrong one."
    with pytest.raises(ConflictError, match=r"No rollout of lora\.net is under way"):
        lab.submit(SteerRollout("lora", "net", "abort"))


def another_canary(lab: Lab) -> None:
    """End the rollout of version 2, and have somebody begin another one of the same version."""
    assert store.finish_rollout(lab.context.journal, NAME, 2, live=False, said="It was slow.")
    wish = Rollout(Target(2), "canary", 0.1, action_id=900, actor="bob")
    store.put_rollout(lab.context.journal, "lora", "net", wish)


@pytest.mark.parametrize(
    "said", [{"change": "abort"}, {"change": "share", "percent": 40}, {"change": "promote"}]
)
def test_another_rollout_of_the_same_version_is_not_steered(lab: Lab, said: dict[str, Any]):
    lab.live(1)
    deployed = lab.begin(deploy(version=2, strategy="canary"))
    record = lab.submit(SteerRollout("lora", "net", **said))
    assert record.params["begun_by"] == deployed.id
    another_canary(lab)
    before = lab.endpoint()
    lab.turn()
    if said["change"] == "abort":
        assert lab.record(record).steps[0].detail == "it had ended already"
    else:
        assert "The rollout of version 2 ended meanwhile." in lab.record(record).error
    assert lab.endpoint() == before


def test_the_end_of_another_rollout_of_the_same_version_is_not_its_own(lab: Lab):
    lab.live(1)
    lab.begin(deploy(version=2, strategy="canary"))
    record = lab.begin(SteerRollout("lora", "net", "promote"))
    assert record.state == "pending"
    another_canary(lab)
    lab.engine_ends(live=True)
    lab.turn()
    told = lab.record(record)
    assert told.state == "compensated"
    assert told.error == "Version 2 did not become live: It was slow."


def test_who_looked_at_an_earlier_rollout_is_told_that_it_is_another_one(lab: Lab):
    lab.live(1)
    deployed = lab.begin(deploy(version=2, strategy="canary"))
    another_canary(lab)
    with pytest.raises(ConflictError, match="Another rollout of version 2"):
        lab.submit(SteerRollout("lora", "net", "promote", version=2, begun_by=deployed.id))


# A crash between a deed and its note


def begun_again(lab: Lab, deployed: ActionRecord) -> str:
    """Do the step again that begins the rollout, as after a kill before it was noted as done."""
    action = load("deploy", json.dumps(deployed.params))
    memory = {"target": asdict(Target(2))}
    for step in action.steps(lab.context, Deed(deployed.id, OWNER, memory)):
        if step.name == "Begin the rollout":
            return str(step.do())
    raise AssertionError("There is no such step.")


def test_a_rollout_that_is_begun_again_keeps_its_share_and_promotion(lab: Lab):
    lab.live(1)
    deployed = lab.begin(deploy(version=2, strategy="canary"))
    lab.begin(SteerRollout("lora", "net", "share", 40))
    lab.begin(SteerRollout("lora", "net", "promote"))
    before, told = lab.endpoint(), events(lab)
    assert begun_again(lab, deployed) == "it was begun before"
    assert lab.endpoint() == before
    assert before is not None
    assert before.rollout is not None
    assert (before.rollout.share, before.rollout.promote) == (0.4, True)
    assert events(lab) == told


def test_a_rollout_that_was_wished_and_not_told_keeps_its_share_too(lab: Lab):
    lab.live(1)
    deployed = lab.begin(deploy(version=2, strategy="canary"))
    lab.begin(SteerRollout("lora", "net", "share", 40))
    with lab.context.journal.write() as connection:
        connection.execute(delete(schema.serving_events))
    begun_again(lab, deployed)
    now = lab.endpoint()
    assert now is not None
    assert now.rollout is not None
    assert now.rollout.share == 0.4
    assert events(lab) == [("deploy", 2)]


def test_an_endpoint_taken_out_of_service_does_not_come_back_by_a_crash(lab: Lab):
    lab.live(1)
    deployed = lab.begin(deploy(version=2))
    store.remove(lab.context.journal, NAME, said="Nobody uses it.", action_id=99, actor="bob")
    begun_again(lab, deployed)
    assert lab.endpoint() is None


@pytest.mark.parametrize(
    ("strategy", "said", "kind", "why"),
    [
        ("blue-green", {"change": "promote"}, ConflictError, "becomes live by itself"),
        (
            "blue-green",
            {"change": "share", "percent": 5},
            ConflictError,
            "no canary with a share",
        ),
        ("shadow", {"change": "share", "percent": 5}, ConflictError, "no canary with a share"),
        ("canary", {"change": "share"}, InputError, "A share goes with"),
        ("canary", {"change": "promote", "percent": 5}, InputError, "A share goes with"),
        ("canary", {"change": "share", "percent": float("nan")}, InputError, "is no share"),
        ("canary", {"change": "stop"}, InputError, "is no change"),
        ("canary", {"change": "abort", "version": 6}, ConflictError, "No rollout of version 6"),
    ],
)
def test_what_cannot_be_steered_so_is_refused(
    lab: Lab, strategy: Any, said: dict[str, Any], kind: type[MlopsError], why: str
):
    lab.live(1)
    lab.begin(deploy(version=2, strategy=strategy))
    with pytest.raises(kind, match=why):
        lab.submit(SteerRollout("lora", "net", **said))


@pytest.mark.parametrize(
    ("said", "may"),
    [
        ({"change": "abort"}, True),
        ({"change": "share", "percent": 50}, True),
        ({"change": "share", "percent": 60}, False),
        ({"change": "promote"}, False),
    ],
)
def test_an_operator_may_end_it_and_send_it_half(lab: Lab, said: dict[str, Any], may: bool):
    lab.live(1)
    lab.begin(deploy(version=2, strategy="canary"))
    people.insert(lab.context.journal, "pat", "x", "operator", None)
    action, pat = SteerRollout("lora", "net", **said), Actor("pat", "operator")
    if may:
        assert lab.submit(action, pat).state == "pending"
    else:
        with pytest.raises(DeniedError, match="takes the role approver"):
            lab.submit(action, pat)


# Out


def test_it_is_taken_out_of_service_when_its_servers_have_ended(lab: Lab):
    lab.live(1)
    lab.engine(running(1, 2))
    assert Undeploy("lora", "net").consequences(lab.context)[0].startswith("Whoever asks lora.net")
    record = lab.begin(Undeploy("lora", "net", "Nobody uses it."))
    assert record.error == "What is under way is answered; 2 model servers left."
    assert lab.endpoint() is None
    lab.engine(EndpointStatus(NAME, "stopped"))
    lab.turn()
    assert lab.record(record).state == "done"
    last = store.events(lab.context.journal, NAME, 1)[0]
    assert (last.kind, last.said) == (
        "undeployed",
        "Taken out of service by owner. Nobody uses it.",
    )
    with pytest.raises(NotFoundError, match="is not deployed"):
        lab.submit(Undeploy("lora", "net"))


def test_an_engine_that_is_away_keeps_nobody_waiting_for_the_end(lab: Lab):
    lab.live(1)
    lab.engine(running(1), at=time.time() - 60)
    record = lab.begin(Undeploy("lora", "net"))
    assert record.state == "done"
    assert "when the serving engine is back" in record.result


def test_a_step_that_is_not_done_keeps_its_count_of_tries(lab: Lab):
    record = lab.begin(deploy())
    for _ in range(30):
        lab.turn()
    assert lab.record(record).state == "pending"
    assert isinstance(NotYetError("x").pause_s, float)

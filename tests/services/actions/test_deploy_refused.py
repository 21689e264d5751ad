"""Deploying: what is refused, with the reason, and who may."""

import time
from pathlib import Path
from typing import Any

import pytest

from services.access import store as people
from services.actions.deploy import Deploy
from services.actions.roles import Actor, policy
from services.errors import (
    ConflictError,
    DeniedError,
    InputError,
    MlopsError,
    NotFoundError,
    PlatformError,
)
from services.serving.models import Target
from tests.services.actions.conftest import Clock
from tests.services.actions.serving_lab import (
    TOO_LARGE,
    Lab,
    copied,
    deploy,
    made,
)


@pytest.fixture
def lab(tmp_path: Path, mould: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Lab:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    return made(copied(mould, tmp_path), clock)


@pytest.mark.parametrize(
    ("said", "kind", "why"),
    [
        ({"version": 9}, NotFoundError, "net has no version 9"),
        ({"alias": "blue"}, NotFoundError, "No version of net is blue"),
        ({"alias": "v1"}, InputError, "is no alias"),
        ({"version": 3}, ConflictError, "is archived"),
        ({"version": 4}, ConflictError, "is a pickle"),
        ({"version": 5}, ConflictError, "is pending_registration"),
        ({"strategy": "canary"}, ConflictError, "no live version"),
        ({"strategy": "shadow"}, ConflictError, "no live version"),
        ({"strategy": "big-bang"}, InputError, "is no strategy"),
        ({"backend": "tpu"}, InputError, "is no backend"),
        ({"percent": 10}, InputError, "goes with the strategy canary"),
        ({"header": True}, InputError, "goes with the strategy canary"),
        ({"strategy": "canary", "header": True, "percent": 5}, InputError, "a share or goes by"),
        ({"strategy": "canary", "percent": 0}, InputError, "asked nothing"),
        ({"strategy": "canary", "percent": 101}, InputError, "0 to 100"),
        ({"strategy": "canary", "percent": float("nan")}, InputError, "0 to 100"),
        ({"memory_gb": 0.0}, InputError, "The memory of a replica"),
        ({"memory_gb": float("inf")}, InputError, "The memory of a replica"),
        ({"watch_s": -1}, InputError, "The time it is watched"),
        ({"max_error_share": 2}, InputError, "share of errors"),
        ({"max_latency_ratio": 0.5}, InputError, "ratio of latencies"),
        ({"max_batch": 0}, InputError, "largest batch"),
        ({"min_replicas": 2, "max_replicas": 1}, InputError, "2 to 1 replicas cannot be"),
        ({"min_replicas": -1}, InputError, "-1 to 1 replicas"),
        ({"max_replicas": 65}, InputError, "cannot be"),
        ({"min_replicas": 0, "max_replicas": 0}, InputError, "0 to 0 replicas"),
    ],
)
def test_what_cannot_be_is_refused(
    lab: Lab, said: dict[str, Any], kind: type[MlopsError], why: str
):
    with pytest.raises(kind, match=why):
        lab.submit(deploy(**said))
    assert lab.bench.calls == []
    assert lab.endpoint() is None


def test_an_unknown_model_and_a_broken_project_are_refused(lab: Lab):
    with pytest.raises(NotFoundError, match="no registered model"):
        lab.submit(Deploy("lora", "other"))
    with pytest.raises(NotFoundError):
        lab.submit(Deploy("nobody", "net"))


def test_where_nothing_serves_it_says_how_to_switch_it_on(lab: Lab):
    lab.bench.said["enabled"] = False
    with pytest.raises(PlatformError, match="switched off") as caught:
        lab.submit(deploy())
    assert "serving_enabled" in caught.value.hint
    lab.bench.said["enabled"] = True
    lab.engine(at=time.time() - 60)
    with pytest.raises(PlatformError, match="said nothing for a while"):
        lab.submit(deploy())
    (lab.home.run / "serving" / "status.json").unlink()
    with pytest.raises(PlatformError, match="has not started yet"):
        lab.submit(deploy())


def test_a_second_rollout_and_what_is_live_are_refused(lab: Lab):
    lab.live(1)
    with pytest.raises(ConflictError, match="is live already"):
        lab.submit(deploy(version=1))
    lab.begin(deploy(version=2))
    with pytest.raises(ConflictError, match=r"version 2 of lora\.net is under way") as caught:
        lab.submit(deploy(version=6))
    assert "mlops rollout lora/net --abort" in caught.value.hint


def test_what_is_known_not_to_fit_is_refused_at_once(lab: Lab):
    lab.bench.said.update(outlook=TOO_LARGE, known=True)
    with pytest.raises(ConflictError, match=r"10\.0 GB more than studio has") as caught:
        lab.submit(deploy())
    assert caught.value.hint.startswith("Evicting a.b")


@pytest.mark.parametrize(
    ("role", "said", "may"),
    [
        ("viewer", {"strategy": "canary"}, False),
        ("operator", {"strategy": "canary", "percent": 50}, True),
        ("operator", {"strategy": "canary", "percent": 50.5}, False),
        ("operator", {"strategy": "canary", "header": True}, True),
        ("operator", {"strategy": "shadow"}, True),
        ("operator", {}, False),
        ("approver", {}, True),
        ("approver", {"strategy": "canary", "percent": 100}, True),
    ],
)
def test_who_may(lab: Lab, role: Any, said: dict[str, Any], may: bool):
    lab.live(1)
    people.insert(lab.context.journal, "pat", "x", role, None)
    pat = Actor("pat", role)
    action = deploy(version=2, **said)
    if may:
        assert lab.submit(action, pat).state == "pending"
        return
    with pytest.raises(DeniedError, match="takes the role"):
        lab.submit(action, pat)
    with pytest.raises(DeniedError):
        action.check(lab.context, pat)


def test_who_is_scoped_elsewhere_may_not_and_a_policy_may(lab: Lab):
    people.insert(lab.context.journal, "pat", "x", "approver", ("clip",))
    with pytest.raises(DeniedError, match="scoped to other projects"):
        lab.submit(deploy(), Actor("pat", "approver", ("clip",)))
    assert lab.submit(deploy(), policy("release", "approver", ("lora",))).state == "pending"


def test_who_lost_the_role_meanwhile_is_refused_and_the_rollout_ends(lab: Lab):
    lab.live(1)
    people.insert(lab.context.journal, "pat", "x", "approver", None)
    record = lab.begin(deploy(version=2), Actor("pat", "approver"))
    with lab.context.journal.write() as connection:
        table = people.schema.users
        connection.execute(table.update().values(role="operator"))
    lab.turn()
    assert lab.record(record).state == "denied"
    now = lab.endpoint()
    assert now is not None
    assert (now.live, now.rollout) == (Target(1), None)

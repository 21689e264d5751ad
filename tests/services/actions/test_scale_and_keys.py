"""Scaling an endpoint, and the API keys of applications."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.access import store as people
from services.actions import catalog, replicas_follow
from services.actions.action import Deed, NotYetError
from services.actions.api_keys import AddApiKey, RevokeApiKey
from services.actions.roles import Actor
from services.actions.scale import Scale
from services.errors import ConflictError, DeniedError, InputError, MlopsError, NotFoundError
from services.resources.models import GIB
from services.serving import store
from services.serving.models import ReplicaStatus, Rollout, Target
from services.serving.status import ServingStatus
from tests.services.actions.conftest import OWNER, Clock
from tests.services.actions.serving_lab import NAME, Lab, copied, made, running


@pytest.fixture
def lab(tmp_path: Path, mould: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Lab:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    return made(copied(mould, tmp_path), clock)


def scale(**said: Any) -> Scale:
    return Scale("lora", "net", **said)


# Scaling


def test_it_is_scaled_and_the_history_tells_it(lab: Lab):
    lab.live(1, memory_bytes=GIB)
    lab.engine(running(1))
    action = scale(
        min_replicas=0, max_replicas=4, pinned_in_memory=True, idle_after_s=60, deadline_s=2
    )
    said = action.consequences(lab.context)
    assert said[0] == "lora.net has 0 to 4 replicas; now 1 replica."
    assert said[1] == "They reserve 0 MB, and up to 4.0 GB when it is busy."
    assert "the first request then waits for it to load" in said[2]
    record = lab.begin(action)
    assert (record.state, record.result) == (
        "done", "it is to have 0 to 4 replicas; 1 replica is ready",
    )  # fmt: skip
    assert record.title == (
        "Scale net: 0 to 4 replicas, pinned, idle after 60 s, 2 s for an answer"
    )
    now = lab.endpoint()
    assert now is not None
    assert now.live == Target(1, 0, 4, memory_bytes=GIB)
    assert (now.pinned, now.idle_after_s, now.deadline_ms) == (True, 60, 2000)
    event = store.events(lab.context.journal, NAME, 1)[0]
    assert (event.kind, event.actor, event.action_id) == ("scaled", "owner", record.id)
    assert catalog.load("scale", catalog.dump(action)) == action


def test_what_is_not_named_stays(lab: Lab):
    lab.live(1, min_replicas=2, max_replicas=3)
    lab.engine(running(1))
    lab.begin(scale(max_replicas=1))
    now = lab.endpoint()
    assert now is not None
    assert now.live == Target(1, 1, 1)
    lab.engine(running(1, 5))
    lab.begin(scale(min_replicas=5))
    now = lab.endpoint()
    assert now is not None
    assert now.live == Target(1, 5, 5)
    lab.begin(scale(pinned_in_memory=False))
    assert lab.endpoint() is not None
    assert lab.begin(scale(max_replicas=5)).state == "done"
    assert scale(max_replicas=5).consequences(lab.context) == ()


def test_a_rollout_under_way_is_scaled_with_it(lab: Lab):
    lab.live(1)
    store.put_rollout(lab.context.journal, "lora", "net", Rollout(Target(2), action_id=50))
    lab.engine(running(1, 2))
    assert lab.begin(scale(min_replicas=2, max_replicas=2)).state == "done"
    now = lab.endpoint()
    assert now is not None
    assert now.live is not None
    assert now.rollout is not None
    assert (now.live.min_replicas, now.rollout.target.min_replicas) == (2, 2)


def test_a_rollout_that_was_scaled_is_taken_back_with_it(lab: Lab):
    lab.live(1)
    store.put_rollout(lab.context.journal, "lora", "net", Rollout(Target(2), action_id=50))
    before = lab.endpoint()
    step, _ = scale(min_replicas=2, max_replicas=2).steps(lab.context, Deed(9, OWNER, {}))
    step.do()
    assert step.undo is not None
    step.undo()
    now = lab.endpoint()
    assert now is not None
    assert before is not None
    assert (now.live, now.rollout) == (before.live, before.rollout)


def test_scaling_that_is_taken_back_brings_nothing_back_into_service(lab: Lab):
    lab.live(1)
    step, _ = scale(min_replicas=2, max_replicas=2).steps(lab.context, Deed(9, OWNER, {}))
    step.do()
    store.remove(lab.context.journal, NAME, said="", action_id=None, actor="ana")
    assert step.undo is not None
    step.undo()
    assert lab.endpoint() is None


def test_scaling_is_taken_back_to_what_it_was(lab: Lab):
    lab.live(1, min_replicas=2, max_replicas=3)
    memory: dict[str, Any] = {}
    step, _ = scale(min_replicas=1, pinned_in_memory=True).steps(
        lab.context, Deed(9, OWNER, memory)
    )
    step.do()
    memory = json.loads(json.dumps(memory))
    again, _ = scale(min_replicas=1, pinned_in_memory=True).steps(
        lab.context, Deed(9, OWNER, memory)
    )
    again.do()
    assert len(store.events(lab.context.journal, NAME, kinds=("scaled",))) == 1
    assert again.undo is not None
    again.undo()
    now = lab.endpoint()
    assert now is not None
    assert (now.live, now.pinned) == (Target(1, 2, 3), False)


def test_it_is_followed_until_the_replicas_are_ready(lab: Lab):
    lab.live(1)
    lab.engine(replace(running(1), generation=1))  # as it was before the wish
    record = lab.begin(scale(min_replicas=3, max_replicas=3))
    assert record.state == "pending"  # asked again after a pause
    assert record.steps[1].detail == "The serving engine looks at it in a moment."
    lab.engine(running(1, said="The second one loads."))
    lab.turn()
    said = lab.record(record).steps[1].detail
    assert said == "1 of 3 replicas is ready. The second one loads."
    lab.engine(running(1, 3))
    lab.turn()
    assert lab.record(record).state == "done"
    assert lab.record(record).steps[1].detail == "3 replicas are ready"
    fewer = lab.begin(scale(min_replicas=1, max_replicas=1))
    assert fewer.steps[1].detail == "2 of 3 replicas are to end."
    lab.engine(running(1))
    lab.turn()
    assert lab.record(fewer).state == "done"


def test_what_is_no_wish_for_replicas_is_not_waited_for(lab: Lab):
    lab.live(1)
    assert lab.begin(scale(pinned_in_memory=True)).state == "done"


def test_why_they_do_not_come_is_said_and_the_wish_stays(lab: Lab):
    lab.live(1, min_replicas=3, max_replicas=3, memory_bytes=GIB)
    wanted = lab.endpoint()
    seen = ServingStatus(time.time(), 1, memory_free_bytes=GIB // 2, endpoints={NAME: running(1)})
    with pytest.raises(NotYetError, match="1 of 3 replicas is ready"):
        replicas_follow.outcome(wanted, seen, 1.0)
    assert replicas_follow.outcome(wanted, seen, replicas_follow.MEMORY_S) == (
        "1 of 3 replicas is ready. One reserves 1.0 GB, and 512 MB are left for serving. The "
        "serving engine goes on with it"
    )
    enough = replace(seen, memory_free_bytes=GIB)
    with pytest.raises(NotYetError):
        replicas_follow.outcome(wanted, enough, replicas_follow.LONGEST_S - 1)
    assert replicas_follow.outcome(wanted, enough, replicas_follow.LONGEST_S) == (
        "1 of 3 replicas is ready. The serving engine goes on with it"
    )
    silent = replace(seen, at=1.0)
    assert "sees to it when it is back" in replicas_follow.outcome(wanted, silent, 0.0)
    assert "out of service" in replicas_follow.outcome(None, seen, 0.0)


def test_those_that_start_hold_their_memory_already(lab: Lab):
    lab.live(1, min_replicas=2, max_replicas=2, memory_bytes=GIB)
    found = running(1)
    starting = ReplicaStatus("r", "starting")
    (version,) = found.versions
    version = replace(version, replicas=(*version.replicas, starting))
    endpoints = {NAME: replace(found, versions=(version,))}
    seen = ServingStatus(time.time(), 1, memory_free_bytes=0, endpoints=endpoints)
    with pytest.raises(NotYetError, match="1 of 2"):
        replicas_follow.outcome(lab.endpoint(), seen, replicas_follow.MEMORY_S)


@pytest.mark.parametrize(
    ("said", "kind", "why"),
    [
        ({}, InputError, "Nothing is named"),
        ({"min_replicas": 3, "max_replicas": 2}, InputError, "3 to 2 replicas cannot be"),
        ({"max_replicas": 0}, InputError, "0 to 0 replicas"),
        ({"max_replicas": 65}, InputError, "cannot be"),
        ({"idle_after_s": 1}, InputError, "no time to sleep after"),
        ({"idle_after_s": float("nan")}, InputError, "no time to sleep after"),
        ({"deadline_s": 0.01}, InputError, "no time for an answer"),
        ({"deadline_s": float("nan")}, InputError, "no time for an answer"),
    ],
)
def test_what_cannot_be_is_refused(lab: Lab, said: Any, kind: type[MlopsError], why: str):
    lab.live(1)
    with pytest.raises(kind, match=why):
        lab.submit(scale(**said))


def test_more_than_there_is_memory_for_is_refused(lab: Lab):
    lab.live(1, memory_bytes=GIB)
    lab.engine(running(1), memory_free_bytes=2 * GIB)
    with pytest.raises(ConflictError, match=r"3 more replicas reserve 3\.0 GB, 1\.0 GB more than"):
        lab.submit(scale(min_replicas=4, max_replicas=4))
    assert lab.submit(scale(min_replicas=3, max_replicas=3)).state == "pending"
    # Those that autoscaling added already are not counted twice.
    lab.engine(running(1, 3), memory_free_bytes=0)
    assert lab.submit(scale(min_replicas=3, max_replicas=9)).state == "pending"


def test_what_is_not_deployed_cannot_be_scaled(lab: Lab):
    with pytest.raises(NotFoundError, match="is not deployed"):
        lab.submit(scale(max_replicas=2))


# Keys


def adding(name: str = "app", of: str = "lora", **said: Any) -> AddApiKey:
    key_id, _, hashed = store.new_key()
    return AddApiKey(of, name, key_id, hashed, **said)


def test_a_key_is_made_and_its_hash_is_in_no_history(lab: Lab):
    action = adding(models=("net",), rate_per_s=5, concurrency=2, expires_at=time.time() + 60)
    assert action.consequences(lab.context)[0] == (
        "Whoever has the key can ask net of lora: up to 5 requests a second, 2 at once."
    )
    assert catalog.load(action.kind, catalog.dump(action)) == action
    record = lab.begin(action)
    assert record.state == "done"
    assert action.token_hash not in str(record.params)
    (kept,) = store.keys(lab.context.journal)
    assert (kept.id, kept.hash, kept.models) == (action.key_id, action.token_hash, ("net",))
    assert kept.created_by == "owner"
    with pytest.raises(ConflictError, match="has a key 'app'"):
        lab.submit(adding())


def test_a_key_is_revoked(lab: Lab):
    action = adding()
    lab.begin(action)
    revoke = RevokeApiKey("lora", action.key_id)
    assert "refused (401)" in revoke.consequences(lab.context)[0]
    assert lab.begin(revoke).state == "done"
    assert not store.keys(lab.context.journal)[0].good(time.time())
    assert revoke.consequences(lab.context) == ("Nothing changes: app was revoked before.",)
    assert lab.begin(revoke).result == "it had ended already"
    assert lab.submit(adding()).state == "pending"  # the name is free again
    with pytest.raises(NotFoundError, match="has a key"):
        lab.submit(RevokeApiKey("lora", "0" * 12))
    with pytest.raises(NotFoundError, match="has a key"):
        lab.submit(RevokeApiKey("clip", action.key_id))


def test_a_step_that_is_taken_back_leaves_no_key(lab: Lab):
    action = adding()
    (step,) = action.steps(lab.context, Deed(1, OWNER))
    step.do()
    assert step.undo is not None
    step.undo()
    assert not store.keys(lab.context.journal)[0].good(time.time())


@pytest.mark.parametrize(
    ("said", "kind", "why"),
    [
        ({"name": " "}, InputError, "can be seen"),
        ({"name": "a\nb"}, InputError, "can be seen"),
        ({"name": "x" * 121}, InputError, "can be seen"),
        ({"of": "nobody"}, NotFoundError, "no project"),
        ({"models": ()}, InputError, "1 to 100 models"),
        ({"models": ("other",)}, NotFoundError, "no registered model 'other'"),
        ({"of": "*", "models": ("net",)}, InputError, "names no model"),
        ({"rate_per_s": 0}, InputError, "no limit"),
        ({"rate_per_s": float("nan")}, InputError, "no limit"),
        ({"rate_per_s": float("inf")}, InputError, "no limit"),
        ({"concurrency": 0}, InputError, "no limit"),
        ({"concurrency": True}, InputError, "no limit"),
        ({"expires_at": 1.0}, InputError, "ends in the future"),
        ({"expires_at": float("inf")}, InputError, "ends in the future"),
        ({"expires_at": float("nan")}, InputError, "ends in the future"),
    ],
)
def test_a_key_that_cannot_be_is_refused(lab: Lab, said: Any, kind: type[MlopsError], why: str):
    with pytest.raises(kind, match=why):
        lab.submit(adding(**said))
    assert store.keys(lab.context.journal) == ()


def test_what_is_no_hash_is_refused(lab: Lab):
    with pytest.raises(InputError, match="no hash of a key"):
        lab.submit(AddApiKey("lora", "app", "0" * 12, "mlk_secret"))
    with pytest.raises(InputError, match="no hash of a key"):
        lab.submit(AddApiKey("lora", "app", "../x", "0" * 64))


@pytest.mark.parametrize(
    ("role", "projects", "of", "may"),
    [
        ("operator", None, "lora", False),
        ("approver", None, "lora", True),
        ("approver", ("lora",), "lora", True),
        ("approver", ("clip",), "lora", False),
        ("approver", None, "*", False),
        ("admin", None, "*", True),
        ("admin", ("lora",), "*", False),
    ],
)
def test_who_may_make_and_revoke_keys(lab: Lab, role: Any, projects: Any, of: str, may: bool):
    people.insert(lab.context.journal, "pat", "x", role, projects)
    pat = Actor("pat", role, projects)
    theirs = adding("other", of)
    lab.begin(theirs)
    for action in (adding(of=of), RevokeApiKey(of, theirs.key_id)):
        if may:
            assert lab.submit(action, pat).state == "pending"
        else:
            with pytest.raises(DeniedError):
                lab.submit(action, pat)

"""Deploying: how a rollout is followed to its end, what a crash leaves, what it is told."""

import time
from pathlib import Path

import pytest

from services.actions import catalog
from services.actions.action import Deed
from services.actions.serving_privacy import SetPrivacy
from services.actions.undeploy import Undeploy
from services.errors import (
    ConflictError,
    PlatformError,
)
from services.resources.models import GIB
from services.serving import store
from services.serving.models import Privacy, Rollout, Target
from tests.services.actions.conftest import OWNER, Clock
from tests.services.actions.serving_lab import (
    ERROR,
    FITS,
    MIB,
    NAME,
    TOO_LARGE,
    Lab,
    copied,
    deploy,
    events,
    made,
)


@pytest.fixture
def lab(tmp_path: Path, mould: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Lab:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    return made(copied(mould, tmp_path), clock)


# To its end


def test_it_is_followed_step_by_step_until_it_is_live(lab: Lab):
    record = lab.begin(deploy())
    assert record.state == "pending"
    assert record.title == "Deploy net version 2"
    assert [step.name for step in record.steps] == [
        "Package and sign version 2", "Make its bento", "Try it and plan its memory",
        "Begin the rollout", "Follow the rollout",
    ]  # fmt: skip
    assert lab.bench.calls == ["package 2", "bento 2", "measure 2"]
    assert record.steps[-1].detail == "The serving engine looks at it in a moment."
    wish = lab.endpoint()
    assert wish is not None
    assert wish.live is None
    assert wish.rollout is not None
    assert (wish.rollout.action_id, wish.rollout.actor) == (record.id, "owner")
    assert wish.rollout.target.memory_bytes == 300 * MIB
    lab.engine_rolls(record.id, "Warm up", "2 of 3 batches.")
    lab.turn()
    assert lab.record(record).steps[-1].detail == "Warm up: 2 of 3 batches."
    assert lab.record(record).error == "Warm up: 2 of 3 batches."
    lab.engine_ends(live=True, said="Version 2 answers all requests.")
    lab.turn()
    ended = lab.record(record)
    assert (ended.state, ended.error) == ("done", "")
    # One sentence; what each step did is with the step.
    assert ended.result == "version 2 answers all requests; 1 replica on MLX, 300 MB reserved"
    assert lab.bench.calls == ["package 2", "bento 2", "measure 2"]
    assert events(lab) == [("deploy", 2), ("live", 2)]


def test_one_that_goes_back_is_told_with_the_reason(lab: Lab):
    lab.live(1)
    record = lab.begin(deploy(version=2))
    lab.engine_ends(live=False, said="12 % of its answers were errors.")
    lab.turn()
    ended = lab.record(record)
    assert ended.state == "compensated"
    assert ended.error == "Version 2 did not become live: 12 % of its answers were errors."
    assert ended.hint == "What was live before answers again."
    now = lab.endpoint()
    assert now is not None
    assert now.live == Target(1)
    assert now.rollout is None
    assert events(lab) == [("live", 1), ("deploy", 2), ("rolled-back", 2)]


def test_a_first_one_that_fails_leaves_no_endpoint(lab: Lab):
    record = lab.begin(deploy())
    lab.engine_ends(live=False, said="It did not load.")
    lab.turn()
    assert lab.record(record).hint == "Nothing else was live, so the endpoint is gone again."
    assert lab.endpoint() is None


def test_a_package_that_must_not_be_loaded_changes_nothing(lab: Lab):
    lab.bench.said["package"] = ERROR
    record = lab.begin(deploy())
    assert (record.state, record.error, record.hint) == ("compensated", ERROR.message, ERROR.hint)
    assert lab.endpoint() is None


def test_what_turns_out_too_large_changes_nothing(lab: Lab):
    lab.bench.said["outlook"] = TOO_LARGE
    record = lab.begin(deploy())
    assert record.state == "compensated"
    assert record.error == TOO_LARGE.said
    assert "Evicting a.b frees 10.0 GB" in record.hint
    assert lab.endpoint() is None


def test_an_engine_that_goes_away_is_waited_for(lab: Lab):
    record = lab.begin(deploy())
    lab.engine(at=time.time() - 60)
    lab.turn()
    waits = lab.record(record)
    assert waits.state == "pending"
    assert "The rollout goes on when it is back." in waits.error
    lab.engine(ray="Its head does not answer.")
    lab.turn()
    assert lab.record(record).error.startswith("Ray is not well: Its head does not answer.")
    lab.engine_ends(live=True)
    lab.turn()
    assert lab.record(record).state == "done"


def test_many_are_followed_side_by_side(lab: Lab):
    first = lab.begin(deploy())
    other = Undeploy("lora", "net")
    ended = lab.begin(other)
    assert ended.state == "done"
    lab.turn()
    told = lab.record(first)
    assert told.state == "compensated"
    assert "Taken out of service by owner." in told.error


def test_a_crash_after_the_wish_begins_no_second_rollout(lab: Lab):
    """The engine ended the rollout, and the step that wished for it is done again."""
    action = deploy(version=2)
    deed = Deed(77, OWNER)
    steps = action.steps(lab.context, deed)
    for step in steps[:4]:
        step.do()
    lab.engine_ends(live=True)
    again = action.steps(lab.context, deed)
    assert again[3].do() == "it was begun before"
    now = lab.endpoint()
    assert now is not None
    assert now.rollout is None
    assert again[4].do() == "It answers well."
    assert events(lab) == [("deploy", 2), ("live", 2)]


def test_taken_back_it_is_wanted_no_longer(lab: Lab):
    lab.live(1)
    steps = deploy(version=2).steps(lab.context, Deed(78, OWNER))
    for step in steps[:4]:
        step.do()
    assert steps[3].undo is not None
    steps[3].undo()
    steps[3].undo()
    now = lab.endpoint()
    assert now is not None
    assert (now.live, now.rollout) == (Target(1), None)
    assert events(lab)[-1] == ("rolled-back", 2)


def test_another_ones_rollout_is_not_taken_back(lab: Lab):
    lab.live(1)
    other = Rollout(Target(6), action_id=99)
    store.put_rollout(lab.context.journal, "lora", "net", other)
    steps = deploy(version=2).steps(lab.context, Deed(78, OWNER))
    for step in steps[:3]:
        step.do()
    with pytest.raises(ConflictError, match="rollout of version 6 under way"):
        steps[3].do()
    assert steps[3].undo is not None
    steps[3].undo()
    now = lab.endpoint()
    assert now is not None
    assert now.rollout == other
    with pytest.raises(PlatformError, match="ended by something else"):
        steps[4].do()


# What it is told


def test_the_version_and_how_it_is_served_are_fixed_when_it_is_asked_for(lab: Lab):
    lab.live(1, min_replicas=2, max_replicas=4, backend="cpu", max_batch=8)
    asked = deploy().pinned(lab.context)
    assert (asked.version, asked.min_replicas, asked.max_replicas) == (2, 2, 4)
    assert (asked.backend, asked.max_batch) == ("cpu", 8)
    by_rule = deploy(backend="auto", min_replicas=6).pinned(lab.context)
    assert (by_rule.backend, by_rule.min_replicas, by_rule.max_replicas) == ("auto", 6, 6)
    fewer = deploy(max_replicas=1).pinned(lab.context)
    assert (fewer.min_replicas, fewer.max_replicas) == (1, 1)
    assert catalog.load("deploy", catalog.dump(asked)) == asked


def test_what_a_person_gives_is_what_is_reserved(lab: Lab):
    lab.begin(deploy(memory_gb=1.5, max_replicas=2, min_replicas=0))
    now = lab.endpoint()
    assert now is not None
    assert now.rollout is not None
    target = now.rollout.target
    assert (target.memory_bytes, target.memory_said) == (int(1.5 * GIB), "a person said so")
    assert (target.min_replicas, target.max_replicas) == (0, 2)


def test_a_canary_is_done_when_it_gets_its_share(lab: Lab):
    lab.live(1)
    record = lab.begin(deploy(version=2, strategy="canary", percent=25))
    assert record.title == "Deploy net version 2 as a canary of 25 %"
    now = lab.endpoint()
    assert now is not None
    assert now.rollout is not None
    assert (now.rollout.share, now.rollout.header) == (0.25, False)
    store.record_event(lab.context.journal, NAME, "canary", "Version 2 gets 25 %.", version=2)
    lab.turn()
    assert lab.record(record).state == "done"
    assert lab.endpoint() == now
    assert deploy(strategy="canary").pinned(lab.context).percent == 10
    assert deploy(strategy="canary", header=True).pinned(lab.context).percent is None
    assert "by header" in deploy(strategy="canary", header=True).title
    assert deploy(strategy="shadow").title == "Deploy net champion as a shadow"


def test_the_guard_of_drift_is_told_and_reaches_the_rollout(lab: Lab):
    guarded = deploy(version=2, max_drift=0.3)
    assert "no version is live whose answers" in "".join(guarded.consequences(lab.context))
    lab.live(1)
    said = (
        "It goes back when more than 30 % of the columns of its answers are distributed otherwise "
        "than those of version 1; with fewer than 500 predictions of each that is not known."
    )
    assert said in guarded.consequences(lab.context)
    assert said in deploy(version=2, strategy="shadow", max_drift=0.3).consequences(lab.context)
    assert "drift" not in "".join(deploy(version=2).consequences(lab.context)).lower()
    lab.begin(guarded)
    wish = lab.endpoint()
    assert wish is not None
    assert wish.rollout is not None
    assert wish.rollout.guards.max_drift == 0.3


@pytest.mark.parametrize("privacy", ["hash", "off"])
def test_what_the_log_does_not_keep_is_not_guarded_and_that_is_told(lab: Lab, privacy: Privacy):
    lab.live(1)
    lab.begin(SetPrivacy("lora", privacy))
    said = "".join(deploy(version=2, max_drift=0.3).consequences(lab.context))
    assert "Drift is not guarded: the prediction log keeps no answers" in said


def test_consequences_say_who_answers_and_how_it_goes_back(lab: Lab):
    said = deploy().consequences(lab.context)
    assert said[0] == "lora.net comes into being: whoever has a key of the project can ask it."
    assert any("goes back and is gone again by itself" in one for one in said)
    assert said[-1].startswith("It is packaged and its memory planned first")
    lab.live(1)
    lab.bench.said["known"] = True
    said = deploy(version=2).consequences(lab.context)
    assert said[0] == "Version 2 answers all requests to lora.net instead of 1."
    assert any("within 30 s after the switch, it goes back to version 1" in one for one in said)
    assert FITS.said in said
    assert "It runs on mlx: MLX." in said
    quick = deploy(version=2, watch_s=0).consequences(lab.context)
    assert any("answer well it goes back to version 1 by itself" in one for one in quick)
    canary = deploy(version=2, strategy="canary").consequences(lab.context)
    assert "10 % of the requests to lora.net are answered by version 2" in canary[0]
    header = deploy(version=2, strategy="canary", header=True).consequences(lab.context)
    assert "X-Model-Version: 2" in header[0]
    assert (
        "a copy of every request"
        in deploy(version=2, strategy="shadow").consequences(lab.context)[0]
    )

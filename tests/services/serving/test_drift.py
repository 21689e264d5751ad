"""What the serving engine wishes to be compared, and what it makes of what was found."""

import dataclasses
import json
import time

import pytest

from services.home import Home
from services.serving import drift, paths
from services.serving.drift import Comparing, Found, Wish
from services.serving.models import Guards
from tests.services.serving.lab import MODEL, NAME, PROJECT
from tests.services.serving.simulated import Simulation, endpoint, rollout, target

GUARDED = Guards(max_drift=0.3)


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.create()
    return made


@pytest.fixture
def first():
    made = Simulation(endpoint(rollout=rollout(1)))
    made.pass_time(20)
    return made


def wished(made):
    return drift.wish_of(made.run)


def test_what_is_watched_is_wished_for_by_its_strategy(first):
    assert wished(first) is None
    first.deploy(2, strategy="canary", share=0.2, guards=GUARDED, watch_s=60)
    first.turn()
    assert wished(first) is None  # it loads
    first.pass_time(10)
    since = first.run.rollout.since
    assert wished(first) == Wish(NAME, PROJECT, MODEL, 2, 1, since, beside=True)
    first.desired = dataclasses.replace(
        first.desired, rollout=dataclasses.replace(first.desired.rollout, promote=True)
    )
    first.pass_time(10)
    assert first.phase == "watching"
    assert first.run.rollout.since > since
    assert wished(first) == Wish(NAME, PROJECT, MODEL, 2, 1, first.run.rollout.since)
    first.pass_time(80)
    assert first.phase == "live"
    assert wished(first) is None


def test_a_shadows_answers_are_those_nobody_got(first):
    first.deploy(2, strategy="shadow", guards=GUARDED)
    first.pass_time(10)
    since = first.run.rollout.since
    assert wished(first) == Wish(NAME, PROJECT, MODEL, 2, 1, since, shadow=True, beside=True)


def test_what_is_not_guarded_is_not_compared(first):
    first.deploy(2, strategy="canary", share=0.2)
    first.pass_time(10)
    assert wished(first) is None


@pytest.mark.parametrize(("privacy", "said"), [("hash", "hashes"), ("off", "none of them")])
def test_what_the_log_does_not_keep_cannot_be_compared(first, privacy, said):
    first.desired = dataclasses.replace(first.desired, privacy=privacy)
    first.deploy(2, strategy="canary", share=0.2, guards=GUARDED)
    first.pass_time(10)
    found = wished(first)
    assert isinstance(found, Found)
    assert found.share is None
    assert said in found.said


def test_without_another_version_there_is_nothing_to_compare(first):
    made = Simulation(endpoint(rollout=rollout(1, guards=GUARDED, watch_s=60)))
    made.pass_time(10)
    assert made.phase == "watching"
    assert "No other version was live" in wished(made).said
    first.deploy(1, action_id=9, target=target(1, memory_bytes=1 << 28), guards=GUARDED, watch_s=60)
    first.pass_time(10)
    assert first.phase == "watching"
    assert "No other version was live" in wished(first).said


def test_wishes_are_written_while_there_are_some(home, first):
    comparing = Comparing(home)
    paths.publish(drift.wishes_path(home), {"v": 1})  # of an earlier life
    assert comparing.look([first.run]) == {}
    assert not drift.wishes_path(home).exists()
    first.deploy(2, strategy="canary", share=0.2, guards=GUARDED)
    first.pass_time(10)
    assert comparing.look([first.run])[NAME].said == (
        "Its answers are not compared: the engine predictions is silent (`mlops status`)."
    )  # in simulated time it began long ago
    wish = wished(first)
    assert drift.wishes(home) == (wish,)
    before = drift.wishes_path(home).stat().st_mtime_ns
    comparing.look([first.run])
    assert drift.wishes_path(home).stat().st_mtime_ns == before
    first.desired = dataclasses.replace(first.desired, rollout=None)
    first.turn()
    assert comparing.look([first.run]) == {}
    assert drift.wishes(home) == ()


def test_wishes_are_renewed(home, first, monkeypatch):
    first.deploy(2, strategy="canary", share=0.2, guards=GUARDED)
    first.pass_time(10)
    comparing = Comparing(home)
    comparing.look([first.run])
    drift.wishes_path(home).unlink()
    now = time.monotonic() + 11
    monkeypatch.setattr(time, "monotonic", lambda: now)
    comparing.look([first.run])
    assert drift.wishes(home)


def test_what_was_found_counts_for_its_own_watch_alone(home, first):
    first.deploy(2, strategy="canary", share=0.2, guards=GUARDED)
    first.pass_time(10)
    comparing, wish = Comparing(home), wished(first)
    found = Found(NAME, 2, wish.began_at, 0.4, "So far apart.")
    drift.write_found(home, [found])
    assert comparing.look([first.run]) == {NAME: found}
    for other in ({"version": 3}, {"began_at": wish.began_at - 1}):
        drift.write_found(home, [dataclasses.replace(found, **other)])
        assert comparing.look([first.run])[NAME].share is None


def test_what_began_a_moment_ago_is_not_called_silence(home, first):
    first.now = time.time()
    first.deploy(2, strategy="canary", share=0.2, guards=GUARDED)
    first.pass_time(10)
    assert Comparing(home).look([first.run])[NAME].said == "Its answers are not compared yet."


def test_what_nobody_renewed_is_nothing(home):
    wish = Wish(NAME, PROJECT, MODEL, 2, 1, 5.0)
    drift.write_wishes(home, [wish])
    drift.write_found(home, [Found(NAME, 2, 5.0, 0.0, "")])
    assert drift.wishes(home) == (wish,)
    for path in (drift.wishes_path(home), drift.found_path(home)):
        said = json.loads(path.read_bytes())
        path.write_text(json.dumps(said | {"at": said["at"] - drift.STALE_S - 1}))
    assert drift.wishes(home) == ()
    assert drift.read_found(home) is None


@pytest.mark.parametrize("said", [b"", b"[]", b"{", b'{"v":9}', b'{"v":1,"at":9e9}'])
def test_what_is_broken_is_nothing(home, said):
    for path in (drift.wishes_path(home), drift.found_path(home)):
        path.write_bytes(said)
    assert drift.wishes(home) == ()
    assert drift.read_found(home) is None


def test_a_full_disk_is_no_reason_to_stop(home, first, monkeypatch):
    first.deploy(2, strategy="canary", share=0.2, guards=GUARDED)
    first.pass_time(10)

    def full(*_: object):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(paths, "publish", full)
    assert Comparing(home).look([first.run])[NAME].share is None

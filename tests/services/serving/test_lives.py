"""An endpoint over another life of the engine, over a change of its scale, and over set clocks."""

from dataclasses import replace

from services.serving.endpoint import EndpointRun
from services.serving.figures import VersionFigures
from tests.services.serving.simulated import endpoint, target

# Another life of the engine


def reborn(made):
    """Let an engine take over what this one has, from what it said last."""
    said = made.run.status(made.now)
    run = made.run
    made.run = EndpointRun(made.desired, made.make, lambda spec: "", "here", made.now)
    made.run.want(made.desired, made.now)
    made.run.remember(said)
    assert made.run.adopt([spec for spec, _, _ in made.servers.values()], made.now) == []
    for one, before in zip(made.run.runs, run.runs, strict=True):
        one.prepared = before.prepared


def test_a_killed_engine_holds_a_version_against_what_was_before_it(first):
    first.passing[2] = VersionFigures(2, total=1000, total_errors=200)  # when it was live last
    first.thermal = 4
    first.deploy(2, watch_s=60)
    first.pass_time(10)
    first.passing[2] = VersionFigures(2, total=1050, total_errors=200, requests=50)
    reborn(first)
    first.pass_time(70)
    assert first.ended[-1] == (
        2,
        True,
        "It is live: 50 requests, 0 of them failed in the 60 s it was watched.",
    )
    assert first.answering == {2}


def test_a_killed_engine_still_takes_a_slow_version_back(first):
    first.passing[1] = VersionFigures(1, total=500, requests=100, p95_ms=40.0)
    first.deploy(2, watch_s=60)
    first.pass_time(10)
    first.passing[1] = VersionFigures(1, total=500)
    reborn(first)
    first.passing[2] = VersionFigures(2, total=50, requests=50, p95_ms=200.0)
    first.pass_time(1)
    assert "5.0 times" in first.ended[-1][2]


def test_who_was_evicted_stays_so_until_somebody_asks(first):
    first.run.evict(first.now)
    first.pass_time(5)
    assert (first.phase, first.servers) == ("idle", {})
    reborn(first)
    first.pass_time(30)
    assert (first.phase, first.servers) == ("idle", {})
    assert first.run.status(first.now).versions[0].evicted  # also for the next life
    first.woken = True
    first.pass_time(5)
    assert first.answering == {1}
    assert not first.run.status(first.now).versions[0].evicted
    reborn(first)
    first.woken = False
    first.pass_time(5)
    assert first.answering == {1}


def test_a_model_server_that_was_ending_for_others_goes_on_to_end(first):
    first.run.evict(first.now)
    said = first.run.status(first.now)
    specs = [spec for spec, _, _ in first.servers.values()]
    assert specs
    run = EndpointRun(first.desired, first.make, lambda spec: "", "here", first.now)
    run.want(first.desired, first.now)
    run.remember(said)
    assert run.adopt(specs, first.now) == specs
    assert run.live.wanted == 0


def test_another_version_is_loaded_though_the_one_before_was_evicted(first):
    first.run.evict(first.now)
    said = first.run.status(first.now)
    run = EndpointRun(endpoint(live=target(2)), first.make, lambda spec: "", "here", first.now)
    run.want(run.desired, first.now)
    run.remember(said)
    assert run.live.wanted == 1


# Scaled while it is under way


def test_a_rollout_that_is_scaled_while_it_loads_gets_its_replicas(first):
    first.deploy(2)
    first.pass_time(1)
    more = target(2, min_replicas=3, max_replicas=3)
    first.desired = replace(first.desired, rollout=replace(first.desired.rollout, target=more))
    first.pass_time(30)
    assert first.ended[-1][:2] == (2, True)
    assert len(first.route.versions[2].replicas) == 3


# Clocks


def test_a_clock_that_is_set_forward_cuts_no_watch_short_and_ends_no_start(first):
    first.starts_s = 10.0
    first.deploy(2, watch_s=60)
    first.pass_time(5)
    jump(first, 3600.0)
    first.pass_time(10)
    assert first.phase == "watching"
    jump(first, 3600.0)
    first.pass_time(30)
    assert first.phase == "watching"
    assert "restarted" not in dict(first.events)
    first.pass_time(40)
    assert first.ended[-1][:2] == (2, True)


def test_a_clock_that_is_set_back_lets_nothing_wait_for_an_hour(first):
    jump(first, 1e6)
    first.kill(1)
    first.pass_time(1)
    first.kill(1)  # again: it is started in half a second
    first.turn()
    jump(first, -3600.0)
    first.pass_time(5)
    assert first.answering == {1}
    first.deploy(2)
    first.pass_time(10)
    jump(first, -3600.0)
    first.pass_time(20)
    assert {one.version for one, _, _ in first.servers.values()} == {2}


def jump(made, by_s):
    made.now += by_s
    made.servers = {key: (spec, at + by_s, fate) for key, (spec, at, fate) in made.servers.items()}
    made.run.shift(by_s)

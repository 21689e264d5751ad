import pytest

from services.serving.figures import VersionFigures
from services.serving.versions import DRAIN_S
from tests.services.serving.simulated import Simulation, endpoint, rollout, target


@pytest.fixture
def live():
    made = Simulation(endpoint(live=target(1)))
    made.pass_time(5)
    assert made.answering == {1}
    return made


def test_a_model_server_that_ends_is_started_again_at_once(live):
    live.kill(1)
    live.turn()
    assert live.answering == set()
    assert live.route.idle  # a request may wait: the next one is on its way
    live.pass_time(live.starts_s + 0.5)
    assert live.answering == {1}
    assert live.events == [("restarted", "A model server of version 1 ended: It ended.")]


def test_one_that_ends_again_and_again_waits_longer_each_time_and_fails(live):
    live.bad[1] = "crash"
    live.kill(1)
    live.pass_time(100)
    status = live.run.status(live.now)
    assert status.phase == "failed"
    assert "It ended." in status.said
    assert not live.route.idle  # nobody waits for it
    tried = live.counter
    live.pass_time(100)
    assert tried < live.counter <= tried + 4  # it is still tried
    live.bad.clear()
    live.pass_time(200)
    assert live.answering == {1}
    assert live.run.status(live.now).said == ""


def test_without_room_it_waits_and_says_why():
    made = Simulation(endpoint(rollout=rollout(1)), room=False)
    made.pass_time(10)
    status = made.run.status(made.now)
    assert (status.phase, status.said) == ("waiting", "there is no room")
    made.room = True
    made.pass_time(20)
    assert made.answering == {1}


def test_an_idle_endpoint_is_scaled_to_zero_and_woken_by_a_wish():
    made = Simulation(endpoint(live=target(1, min_replicas=0), idle_after_s=30.0))
    assert made.route is None
    made.pass_time(5)
    assert made.phase == "idle"
    assert made.route.idle
    made.woken = True
    made.pass_time(3)
    made.woken = False
    assert made.answering == {1}
    made.pass_time(20)
    assert made.answering == {1}
    made.pass_time(40)
    assert made.phase == "idle"
    assert not made.servers


def test_who_gave_its_memory_to_others_stays_away_until_somebody_asks(live):
    live.run.evict(live.now)
    live.pass_time(30)
    assert live.phase == "idle"
    assert not live.servers
    live.passing[1] = VersionFigures(1, queued=1, in_flight=1)
    live.pass_time(5)
    assert live.answering == {1}


def test_more_model_servers_under_load_and_fewer_later():
    made = Simulation(endpoint(live=target(1, max_replicas=3, max_batch=1)))
    made.pass_time(15)
    made.passing[1] = VersionFigures(1, in_flight=9, queued=8, requests=100, last_at=made.now)
    made.pass_time(40)
    assert len(made.route.versions[1].replicas) == 3
    made.passing[1] = VersionFigures(1, last_at=made.now)
    made.pass_time(400)
    assert len(made.route.versions[1].replicas) == 1


def test_figures_of_a_gateway_that_is_away_scale_nothing():
    made = Simulation(endpoint(live=target(1, min_replicas=0), idle_after_s=5.0))
    made.woken = True
    made.pass_time(5)
    made.woken, made.gateway = False, False
    made.pass_time(60)
    assert made.answering == {1}


def test_other_numbers_are_followed_without_a_rollout(live):
    live.desired = endpoint(live=target(1, min_replicas=2, max_replicas=2))
    live.pass_time(10)
    assert len(live.route.versions[1].replicas) == 2
    live.desired = endpoint(live=target(1))
    live.pass_time(30)
    assert len(live.servers) == 1


def test_a_model_server_is_ended_only_after_its_requests(live):
    live.passing[1] = VersionFigures(1, in_flight=3)
    live.desired = None
    live.pass_time(DRAIN_S - 2)
    assert live.servers
    assert live.route is None
    live.passing[1] = VersionFigures(1)
    live.pass_time(2)
    assert not live.servers


def test_one_that_does_not_drain_is_ended_all_the_same(live):
    live.passing[1] = VersionFigures(1, in_flight=3)
    live.desired = None
    live.pass_time(DRAIN_S + 3)
    assert not live.servers

"""Routes and status across the lives of the engine."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from services.home import Home
from services.serving import routes, status
from services.serving.publishing import Publisher
from services.serving.routes import Replica, Route, Routes, VersionRoute
from tests.services.serving.lab import MODEL, NAME, PROJECT, bundle_info
from tests.services.serving.simulated import Simulation, endpoint, rollout, target


def route(*replicas: str) -> Route:
    version = VersionRoute(
        1, bundle_info(1), "cpu", "because", tuple(Replica(one, f"unix:/{one}") for one in replicas)
    )
    return Route(NAME, PROJECT, MODEL, 1, {1: 1.0}, {1: version})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path / "home")
    found.create()
    routes.write(found, Routes(7, {NAME: route("a", "b")}))
    return found


def replicas(home: Home) -> list[str]:
    return [one.id for one in routes.read(home).endpoints[NAME].versions[1].replicas]


def test_what_did_not_survive_is_taken_out_and_requests_wait_for_it(home):
    publisher = Publisher(home)
    publisher.without_the_dead({"b"})
    assert replicas(home) == ["b"]
    assert not routes.read(home).endpoints[NAME].idle
    publisher.without_the_dead(set())
    assert routes.read(home).endpoints[NAME].idle
    assert routes.read(home).serial == 9


def test_routes_of_an_earlier_life_stay_until_as_much_is_known_again(home):
    publisher = Publisher(home)
    made = Simulation(endpoint(live=target(1)))
    made.run.want(made.desired, made.now)
    publisher.publish_routes({NAME: made.run}, made.now)
    assert replicas(home) == ["a", "b"]
    made.pass_time(5)
    publisher.publish_routes({NAME: made.run}, made.now)
    assert replicas(home) == [made.run.live.ready[0].spec.id]
    assert routes.read(home).serial == 8


def late(monkeypatch, publisher, made):
    """Turn once more, a minute later."""
    publisher.publish_routes({NAME: made.run}, made.now)
    then = time.monotonic() + 60
    monkeypatch.setattr("services.serving.publishing.time.monotonic", lambda: then)
    publisher.publish_routes({NAME: made.run}, made.now)


def test_a_route_stays_while_what_answers_is_looked_at_however_long_that_takes(home, monkeypatch):
    publisher = Publisher(home)
    made = Simulation(endpoint(live=target(1)))
    made.pass_time(5)
    made.run.live.prepared = None  # a large bundle is verified
    late(monkeypatch, publisher, made)
    assert replicas(home) == ["a", "b"]


def test_who_stands_in_a_route_that_stays_is_not_taken_for_dropped(home):
    publisher = Publisher(home)
    made = Simulation(endpoint(live=target(1)))
    made.pass_time(5)
    (server,) = made.run.live.servers
    made.run.live.drop(server, made.now)
    prepared, made.run.live.prepared = made.run.live.prepared, None
    publisher.publish_routes({NAME: made.run}, made.now)
    assert server.dropped_serial is None  # requests go to it still
    made.run.live.prepared = prepared
    publisher.publish_routes({NAME: made.run}, made.now)
    assert server.dropped_serial == routes.read(home).serial


def test_a_route_of_which_nothing_answers_goes_after_a_while(home, monkeypatch):
    made = Simulation(endpoint(live=target(1)))
    made.run.want(made.desired, made.now)
    late(monkeypatch, Publisher(home), made)
    assert routes.read(home).endpoints == {}


def test_an_engine_that_could_not_read_the_journal_for_long_keeps_the_routes(home, monkeypatch):
    publisher = Publisher(home)
    then = time.monotonic() + 60
    monkeypatch.setattr("services.serving.publishing.time.monotonic", lambda: then)
    made = Simulation(endpoint(live=target(1)))
    made.run.want(made.desired, made.now)
    publisher.publish_routes({NAME: made.run}, made.now)
    assert replicas(home) == ["a", "b"]


def test_one_that_is_slow_to_be_known_again_holds_up_no_other(home):
    publisher = Publisher(home)
    slow = Simulation(endpoint(live=target(1)))
    other = Simulation(replace(endpoint(live=target(1)), model="other"))
    slow.run.want(slow.desired, slow.now)
    other.pass_time(5)
    publisher.publish_routes({NAME: slow.run, "tiny.other": other.run}, other.now)
    assert replicas(home) == ["a", "b"]
    assert routes.read(home).endpoints.keys() == {NAME, "tiny.other"}


def test_a_first_version_that_is_watched_keeps_its_route(home):
    publisher = Publisher(home)
    made = Simulation(endpoint(rollout=rollout(1, watch_s=60)))
    made.pass_time(10)
    made.run.rollout.run.prepared = None
    publisher.publish_routes({NAME: made.run}, made.now)
    assert replicas(home) == ["a", "b"]


def test_routes_of_what_nobody_wants_any_more_go_at_once(home):
    Publisher(home).publish_routes({}, 0.0)
    assert routes.read(home).endpoints == {}


def test_the_same_routes_are_not_written_again(home):
    publisher = Publisher(home)
    made = Simulation(endpoint(live=target(1)))
    made.pass_time(5)
    for _ in range(3):
        publisher.publish_routes({NAME: made.run}, made.now)
    assert routes.read(home).serial == 8


def test_the_status_is_written_at_once_when_something_moved(home):
    publisher = Publisher(home)
    made = Simulation(endpoint(live=target(1)))
    made.turn()
    publisher.publish_status({NAME: made.run}, "", 5, 1.0)
    publisher.publish_status({NAME: made.run}, "", 6, 2.0)
    assert status.read(home).at == 1.0  # nothing moved within a second
    made.pass_time(5)
    publisher.publish_status({NAME: made.run}, "", 7, 3.0)
    now = status.read(home)
    assert (now.at, now.memory_free_bytes, now.endpoints[NAME].phase) == (3.0, 7, "live")
    publisher.clear()
    assert routes.read(home).endpoints == {}
    assert status.read(home).ray == "Serving was stopped."

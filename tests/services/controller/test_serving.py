"""What the controller says of the serving engine and the gateway, which it knows by their files."""

import time

import pytest

from services.controller.serving import ServingWatch
from services.home import Home
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.serving import figures, status
from services.serving.figures import Figures
from services.serving.status import ServingStatus
from services.settings import Settings


@pytest.fixture
def store(home: Home) -> Store:
    engine, _ = schema.prepare(Settings().mirror_url)
    return Store(engine)


def report(home: Home, age_s: float = 0.0, ray: str = "") -> None:
    status.write(home, ServingStatus(time.time() - age_s, 1, ray))
    figures.write(home, Figures(time.time() - age_s, 1))


def seen() -> dict[str, tuple[str, str]]:
    return {one.engine: (one.state, one.reason) for one in Mirror.open(Settings()).freshness()}


def told(subject: str) -> list[str]:
    changes = Mirror.open(Settings()).changes()
    return [change.kind for change in changes if change.subject == subject][::-1]


def test_their_start_is_said_and_is_no_event(home: Home, store: Store):
    watch = ServingWatch(store, home, enabled=True)
    watch.turn()
    starting = ("stale", "It may still be starting: It has not reported yet.")
    assert seen() == {"serving": starting, "gateway": starting}
    assert told("serving") == told("gateway") == []
    report(home)
    watch.turn()
    assert seen() == {"serving": ("live", ""), "gateway": ("live", "")}
    assert told("serving") == told("gateway") == ["engine.live"]


def test_one_that_falls_silent_is_down_and_the_other_is_not(home: Home, store: Store):
    watch = ServingWatch(store, home, enabled=True)
    report(home)
    watch.turn()
    report(home, age_s=10.0)
    watch.turn()
    assert seen() == {
        "serving": ("live", ""), "gateway": ("down", "Its last report is 10 s old."),
    }  # fmt: skip
    report(home, age_s=60.0)
    watch.turn()
    assert seen()["serving"] == ("down", "Its last report is 60 s old.")
    assert told("gateway") == told("serving") == ["engine.live", "engine.down"]


def test_those_that_do_not_come_up_are_down(home: Home, store: Store):
    watch = ServingWatch(store, home, enabled=True)
    for _ in range(20):
        watch.turn()
        assert seen()["serving"][0] == "stale"
    watch.turn()
    assert seen()["gateway"] == ("down", "It has not reported yet.")


def test_trouble_of_ray_is_told(home: Home, store: Store):
    watch = ServingWatch(store, home, enabled=True)
    report(home)
    watch.turn()
    report(home, ray="its head ended.")
    watch.turn()
    assert seen()["serving"] == ("stale", "Ray is not well: its head ended.")
    assert told("serving") == ["engine.live", "engine.stale"]


def test_where_nothing_serves_they_are_left_out(home: Home, store: Store):
    report(home)
    ServingWatch(store, home, enabled=True).turn()
    ServingWatch(store, home, enabled=False).turn()
    assert seen() == {}

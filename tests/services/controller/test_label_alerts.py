"""Labels that fit nothing over a real home: from the log to an alert, and to its end."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.alerting import store
from services.controller import alerts
from services.controller.alerts import AlertWatch, Sources
from services.controller.labels import LabelWatch
from services.errors import MlopsError, PlatformError
from services.home import Home
from services.mirror import schema
from services.mirror.queries import Mirror
from services.monitoring.labels_fit import Fit
from services.platform import room
from services.serving import store as deployments
from services.serving.models import Rollout, Target
from services.settings import Settings
from tests.services.monitoring.test_labels_fit import Lab
from tests.services.predictions.records import DAY_S

PROJECT, WRONG = "labels/unknown/p", "labels/wrong/p/m"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    monkeypatch.setattr(alerts, "RULES_INTERVAL_S", 0.0)
    monkeypatch.setattr(alerts, "_LONGEST_REST_S", 0.0)
    made = Home.locate()
    made.create()
    monkeypatch.setattr(room, "free_bytes", lambda _home: iter([(made.root, 10**12)]))
    return made


@pytest.fixture
def journal(home: Home) -> Iterator[Journal]:
    schema.prepare(Settings().mirror_url)
    with contextlib.closing(Journal.open(Settings())) as opened:
        deployments.put_rollout(opened, "p", "m", Rollout(Target(3), action_id=3))
        deployments.finish_rollout(opened, "p.m", 3, live=True, said="")
        yield opened


class Loop:
    """The loop of alerts; its clock is that of the lab's log."""

    def __init__(self, journal: Journal, lab: Lab) -> None:
        self.lab, self.journal = lab, journal
        self.sources = Sources(lab.home, journal, Mirror.open(Settings()))
        self.watch = AlertWatch(
            lab.home, journal, self.sources.rules(serves=True), clock=lambda: lab.now
        )

    def look(self) -> dict[str, str]:
        """Let labels be counted anew, and return the states of their alerts."""
        self.lab.counted()
        self.sources._labels = LabelWatch(self.lab.home)
        self.watch.turn()
        future = self.sources._labels._future
        if future is not None:
            future.exception(20)
        self.lab.now += 1
        self.watch.turn()
        found = store.alerts(self.journal, ended=True)
        return {one.key: one.state for one in found if one.key.startswith("labels/")}


def test_unknown_requests_are_an_alert_that_ends_when_labels_fit(home: Home, journal: Journal):
    lab = Lab(home)
    lab.now -= 3 * DAY_S  # files are of no time to come
    loop = Loop(journal, lab)
    assert loop.look() == {}
    lab.answered(60, lambda n: n % 2)
    lab.strange(30, project="p")
    assert loop.look() == {PROJECT: "firing"}
    assert loop.look() == {PROJECT: "firing"}
    (one,) = store.alerts(journal, key=PROJECT)
    assert "30 of 90 labels of the last day (33%)" in one.said
    lab.now += 2 * DAY_S
    assert loop.look() == {PROJECT: "unknown"}, "that none came is no evidence"
    lab.answered(50, lambda n: n % 2)
    assert loop.look() == {PROJECT: "resolved"}
    assert "50 of 50 labels of the last day name a known request" in (
        store.alerts(journal, key=PROJECT, ended=True)[0].resolution
    )


def test_labels_that_fit_no_answer_are_an_alert_that_ends_with_an_hour_of_good_ones(
    home: Home, journal: Journal
):
    lab = Lab(home)
    loop = Loop(journal, lab)
    lab.answered(60, lambda _: "cat")
    assert loop.look() == {WRONG: "firing"}
    lab.answered(20, lambda n: n % 2, ago_s=3000.0)
    assert loop.look() == {WRONG: "resolved"}


def test_while_nothing_is_served_nothing_is_counted():
    def never(_now: float) -> Fit:
        raise AssertionError("It was counted.")

    watch = LabelWatch(Home(Path("/nowhere")), count=never)
    assert watch.events((), time.time(), frozenset()) == ()
    assert watch._future is None


def test_a_count_lasts_five_minutes_and_one_that_failed_is_tried_again():
    asked: list[float] = []
    ticks = [0.0]

    def count(now: float) -> Fit:
        asked.append(now)
        if len(asked) == 1:
            raise PlatformError("The log cannot be read.", "Mend it.")
        return Fit(now)

    watch = LabelWatch(Home(Path("/nowhere")), count=count, ticks=lambda: ticks[0])
    with pytest.raises(MlopsError, match="cannot be read"):
        told(watch)
    ticks[0] = 299.0
    with pytest.raises(MlopsError, match="cannot be read"):
        told(watch)
    assert len(asked) == 1
    ticks[0] = 300.0
    assert told(watch) == ()
    assert len(asked) == 2


def told(watch: LabelWatch) -> object:
    with contextlib.suppress(MlopsError):
        watch.events(("p.m",), 1.0, frozenset())
    assert watch._future is not None
    watch._future.exception(20)
    return watch.events(("p.m",), 1.0, frozenset())

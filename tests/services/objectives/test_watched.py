"""Minutes in service: what the controller notes, and what an objective makes of it."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from services.actions.journal import Journal
from services.alerting.rules import objectives as rule
from services.controller.in_service import InServiceWatch
from services.errors import PlatformError
from services.home import Home
from services.objectives import asking, course, levels, standing, store
from services.objectives.models import ANSWERED, Objective, Standing
from services.objectives.watched import watched
from services.serving import figures, in_service, status
from services.serving import store as deployments
from services.serving.figures import Figures
from services.serving.in_service import Run
from services.serving.models import EndpointStatus, ReplicaStatus, VersionStatus
from services.serving.status import ServingStatus
from tests.services.objectives.test_asking import NET, live
from tests.services.predictions.records import NOON

NAME = "lora.net"
DAY = Objective("availability", 0.99, 1)
READY = (ReplicaStatus("1", "ready"),)
WELL = EndpointStatus(NAME, "live", versions=(VersionStatus(1, "live", share=1.0, replicas=READY),))


class Stage:
    """A controller's loop over files that a serving engine and a gateway would write."""

    def __init__(self, home: Home, journal: Journal) -> None:
        self.home, self.journal, self.now = home, journal, NOON
        self.seen: EndpointStatus | None = WELL
        self.watch = InServiceWatch(home, journal, lambda: self.now)

    def minutes(self, count: float, *, gateway: bool = True, serving: bool = True) -> None:
        for _ in range(round(count * 60 / 10)):
            self.now += 10.0
            if gateway:
                figures.write(self.home, Figures(self.now, 1))
            if serving:
                seen = {} if self.seen is None else {NAME: self.seen}
                status.write(self.home, ServingStatus(self.now, 1, endpoints=seen))
            self.watch.turn()

    def stands(self) -> Standing:
        found = standing(self.home, self.journal, *NET, now=self.now)
        return next(one for one in found if one.objective.kind == "availability")

    def runs(self) -> list[tuple[float, str]]:
        """Return (minutes, state) each."""
        found = in_service.read(self.home)[NAME]
        return [(round((one.until - one.since) / 60, 1), one.state) for one in found]


@pytest.fixture
def stage(home: Home, journal: Journal) -> Iterator[Stage]:
    live(journal, NET)
    store.put(journal, *NET, DAY)
    return Stage(home, journal)


def test_a_gateway_that_is_gone_for_ten_minutes_costs_ten_minutes(stage: Stage):
    stage.minutes(60)
    assert stage.stands().state == "met"
    stage.minutes(10, gateway=False)
    lost = stage.stands()
    assert (lost.state, lost.requests, lost.bad, lost.unwatched) == ("missed", 70, 10, 0)
    assert lost.said.startswith(
        "It was in service 86.3309 % of the 70 minutes that were watched in the last day, and out "
        "of service 9.5 of them; 99 % are promised, 1367 % of the budget is spent; it burns"
    ), "the file is half a minute behind"
    (event,) = rule.events([lost], [NAME], stage.now, frozenset())
    assert (event.key, event.severity) == (f"availability/{NAME}", "critical")
    assert event.said.startswith(
        f"{NAME} was out of service for 9.5 of the 59.7 minutes that were watched in the last 1 h, "
    )
    assert event.labels["engine"] == "gateway"
    stage.minutes(10.5)
    assert stage.stands().said.count("out of service 10 of them") == 1
    (over,) = rule.events([stage.stands()], [NAME], stage.now, frozenset({event.key}))
    assert over.state == "unknown", "half an hour must be well, too"
    stage.minutes(21)
    (over,) = rule.events([stage.stands()], [NAME], stage.now, frozenset({event.key}))
    assert over.state == "ok"


def test_what_nobody_watched_is_unknown_and_not_up(stage: Stage):
    stage.minutes(60)
    stage.now += 3600.0  # the machine slept, and the controller with it
    stage.minutes(30)
    found = stage.stands()
    assert (found.requests, found.bad, found.unwatched) == (89, 0, 60)
    assert found.said.endswith("Of 60 more nothing is known.")
    stage.minutes(20, serving=False)  # the gateway answers, of model servers nobody tells
    found = stage.stands()
    assert (found.requests, found.bad, found.unwatched) == (90, 0, 80)
    assert [state for _, state in stage.runs()] == ["up", "up"]


def test_little_that_was_watched_is_no_verdict(stage: Stage):
    assert stage.stands().said.startswith("Nobody watched in the last day")
    stage.minutes(3)
    few = stage.stands()
    assert (few.state, few.budget_left, few.achieved) == ("unknown", None, 1.0)
    assert "too few to say, 17 are wanted for 99 %" in few.said
    (event,) = rule.events([few], [NAME], stage.now, frozenset({f"availability/{NAME}"}))
    assert event.state == "unknown"


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        (WELL, "up"),
        (replace(WELL, phase="loading"), "up"),  # another version is on its way
        (replace(WELL, phase="idle", versions=()), "up"),
        (replace(WELL, phase="failed", versions=(VersionStatus(1, "failed", share=1.0),)), "down"),
        (replace(WELL, versions=(
            VersionStatus(1, "failed", share=0.95),
            VersionStatus(2, "canary", share=0.05, replicas=READY),
        )), "down"),
        (None, None),
    ],
)  # fmt: skip
def test_in_service_is_what_most_who_ask_are_answered_by(seen: EndpointStatus | None, state: str):
    assert in_service.state(seen, gateway=True) == state
    assert in_service.state(seen, gateway=False) == "down"


def test_what_is_taken_out_of_service_is_neither_down_nor_unknown(stage: Stage):
    stage.minutes(30)
    deployments.remove(stage.journal, NAME, said="", action_id=None, actor="ana")
    stage.minutes(60)
    found = stage.stands()
    assert (found.requests, found.bad, found.unwatched) == (30, 0, 0)
    (up, off) = in_service.read(stage.home)[NAME]
    seen = replace(off, until=off.since + in_service.KEPT_S)
    in_service.write(stage.home, {NAME: (up, seen)})
    stage.watch = InServiceWatch(stage.home, stage.journal, lambda: stage.now)
    stage.now = seen.until
    stage.minutes(1)
    assert in_service.read(stage.home) == {}, "after a month nothing of it is kept"


def test_a_new_controller_goes_on_where_the_last_one_ended(stage: Stage):
    stage.minutes(30)
    stage.watch = InServiceWatch(stage.home, stage.journal, lambda: stage.now)
    stage.minutes(30)
    assert stage.runs() == [(pytest.approx(60, abs=0.6), "up")]


def test_a_clock_that_is_set_back_counts_nothing_twice(stage: Stage):
    stage.minutes(60)
    stage.now -= 1800.0
    stage.minutes(10)
    found = stage.stands()
    assert (found.requests, found.bad) == (40, 0)
    runs = in_service.read(stage.home)[NAME]
    assert all(one.until <= two.since for one, two in pairwise(runs))


@pytest.mark.parametrize("wrong", [5.0, NOON + 600.0, NOON + 40 * 86_400.0])
def test_a_wrong_clock_loses_nothing_that_was_seen(stage: Stage, wrong: float):
    stage.minutes(30)
    stage.minutes(10, gateway=False)
    stage.minutes(20)
    before, well = stage.stands(), stage.now
    stage.now = wrong
    stage.minutes(15)
    stage.now = well
    stage.minutes(1)
    found = stage.stands()
    assert found.bad == before.bad > 0
    assert 0 <= found.requests - before.requests <= 2
    runs = in_service.read(stage.home)[NAME]
    assert all(one.until <= two.since for one, two in pairwise(runs))


def test_a_month_without_a_look_takes_nothing_out(stage: Stage):
    stage.minutes(60)
    stage.now += 2 * in_service.KEPT_S
    stage.minutes(1)
    assert [length for length, _ in stage.runs()] == [pytest.approx(60, abs=0.6), 0.5]


def test_a_file_that_cannot_be_read_is_said_and_kept(stage: Stage):
    in_service.path(stage.home).parent.mkdir(exist_ok=True)
    for text in ("{", '{"v": 2, "deployments": {}}'):
        in_service.path(stage.home).write_text(text)
        with pytest.raises(PlatformError, match="cannot be read"):
            stage.watch.turn()
        assert in_service.path(stage.home).read_text() == text
        found = stage.stands()
        assert (found.state, found.requests) == ("unknown", 0)
        assert "cannot be read" in found.said


def test_any_stretch_of_time_is_known_to_the_second():
    mine = watched([
        Run(0.0, 600.0, "up"), Run(600.0, 660.0, "down"), Run(660.0, 700.0, "off"),
        Run(900.0, 1000.0, "up"),
    ])  # fmt: skip
    seen, down = mine.until(np.array([-5.0, 630.0, 700.0, 800.0, 950.0, 2000.0]))
    assert list(seen) == [0.0, 630.0, 660.0, 660.0, 710.0, 760.0]
    assert list(down) == [0.0, 30.0, 60.0, 60.0, 60.0, 60.0]
    assert mine.unwatched_s(-100.0, 1000.0) == 200.0
    assert [one.since for one in mine.outages(0.0)] == [600.0]
    assert mine.outages(660.0) == ()
    none = watched([])
    assert (none.within(0.0, 60.0).requests, none.unwatched_s(0.0, 60.0)) == (0, 0.0)
    objective = Objective("availability", 0.9, 1)
    assert course.of_time(none, objective, 1000.0) is None
    left = course.of_time(mine, objective, 1000.0)
    assert left is not None
    assert left.left[-1] == pytest.approx(1.0 - 60.0 / 76.0)


def test_the_matrix_has_outages_in_its_strip(stage: Stage):
    stage.minutes(60)
    stage.minutes(60, gateway=False)
    told = asking.told(stage.home, stage.journal, now=stage.now)
    (one,) = levels.levels(told, NOON, 3600.0, 2).values()
    assert [stretch.rate for stretch in one.stretches] == pytest.approx([0.0, 100.0], abs=0.3)
    assert one.state == "missed"


def test_what_was_said_of_availability_before_is_of_errors(journal: Journal):
    store.put(journal, *NET, Objective("errors", 0.95, 7))
    with journal.read() as connection:
        row = connection.execute(store._TABLE.select()).one()
    assert row.kind == "availability", "as it was kept before there were minutes of service"
    (said,) = store.said(journal).values()
    assert said["errors"].target == 0.95
    store.put(journal, *NET, DAY)
    assert [one.kind for one in store.of(store.said(journal), *NET)] == ["errors", "availability"]
    assert store.remove(journal, *NET, "availability")
    assert store.of(store.said(journal), *NET)[0].target == 0.95
    assert ANSWERED.kind == "errors"

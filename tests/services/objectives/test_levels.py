"""Service levels over stretches of time, and those of all deployments of a real log."""

import numpy as np
import pytest

from services.actions.journal import Journal
from services.home import Home
from services.objectives import asking, store
from services.objectives.counting import MINUTE_S, Counter, Minutes
from services.objectives.levels import Level, Stretch, levels, stretches
from services.objectives.models import ANSWERED, Objective, Standing, State
from services.predictions.folder import Folder
from tests.services.objectives.test_asking import CLIP, NET, asked, live
from tests.services.predictions.records import NOON

HOUR_S = 3600.0
LATENCY = Objective("latency", 0.9, 7, 10.0)


def minutes(*rows: tuple[float, int, int, int]) -> Minutes:
    """(seconds since 1970, requests, failed, slow) each."""
    columns = np.array([(at // MINUTE_S, *counts) for at, *counts in rows], dtype=np.int64).T
    return Minutes(*columns)


def standing(
    objective: Objective = ANSWERED, state: State = "met", left: float | None = None
) -> Standing:
    return Standing("p", "m", objective, state, "said", budget_left=left)


def test_each_stretch_has_its_requests_and_the_rate_of_the_objective_that_fares_worst():
    counted = minutes(
        (NOON - 1, 900, 900, 0),  # before the first stretch
        (NOON, 100, 0, 0), (NOON + HOUR_S - 1, 100, 4, 49),
        (NOON + 2 * HOUR_S, 30, 0, 0),
        (NOON + 3 * HOUR_S, 7, 7, 0),  # after the last one
    )  # fmt: skip
    both = [standing(), standing(LATENCY), standing(Objective("accuracy", 0.9))]
    assert stretches(counted, both, NOON, HOUR_S, 3) == (
        Stretch(200, pytest.approx(2.5), few=False),  # 49 of 196 are slow, 10 % may be
        Stretch(0, None, few=True),
        Stretch(30, 0.0, few=True),
    )
    assert stretches(counted, both[:1], NOON, HOUR_S, 1)[0].rate == pytest.approx(2.0)


def test_of_no_minutes_every_stretch_is_empty():
    found = stretches(Minutes.none(), [standing()], NOON, HOUR_S, 24)
    assert found == (Stretch(0, None, few=True),) * 24


def test_the_worst_is_missed_before_all_and_what_is_unknown_is_not_well():
    states: tuple[State, ...] = ("met", "unknown", "at risk", "missed")
    for place, state in enumerate(states):
        level = Level(tuple(standing(state=one) for one in states[: place + 1]), (), None)
        assert level.state == state
    spent, fresh = standing(left=0.3), standing(LATENCY, left=0.9)
    assert Level((fresh, spent), (), None).worst == spent
    assert Level((), (), None).state == "unknown"


def test_all_deployments_have_their_level_of_one_look_at_the_log(home: Home, journal: Journal):
    live(journal, CLIP, NET)
    store.put(journal, NET[0], "", Objective("errors", 0.99, 1))
    asked(home, 1000, 30, ago_s=300.0)
    asked(home, 500, 0, ago_s=49 * HOUR_S, project=NET[0], model=NET[1])
    counter = Counter(home)
    since = NOON - 71 * HOUR_S
    told = asking.told(home, journal, now=NOON, counter=counter, back_s=NOON - since)
    found = levels(told, since, HOUR_S, 72)
    clip, net = found[CLIP], found[NET]
    assert (clip.state, net.state) == ("missed", "unknown")
    assert clip.stretches[-2] == Stretch(1000, pytest.approx(3.0), few=False)
    assert clip.asked_at == NOON - 300.0
    # Its objective looks back a day, its strip as far as is asked for.
    assert [one.requests for one in net.stretches if one.requests] == [500]
    assert net.asked_at == pytest.approx(NOON - 49 * HOUR_S, abs=MINUTE_S)
    assert net.standings[0].requests == 0


def test_a_log_that_cannot_be_read_leaves_objectives_unknown_and_no_strip(
    home: Home, journal: Journal
):
    live(journal, CLIP)
    path = Folder(home).of_rows(*CLIP, "2026-11-29")
    path.mkdir(parents=True)
    (path / "x.parquet").write_bytes(b"no parquet")
    (level,) = levels(asking.told(home, journal, now=NOON), NOON, HOUR_S, 3).values()
    assert (level.state, level.stretches, level.asked_at) == ("unknown", (), None)
    assert "cannot be read" in level.standings[0].said

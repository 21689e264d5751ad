"""The policy on a clock: shares come out, nothing starves, quotas hold, large jobs get a turn."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fair_share import BEGIN, DAY_S, HOSTS, day, first_come
from services.resources.models import GIB
from services.workflows.models import Override, Rules, Share, Use
from services.workflows.quota import window_use_s
from services.workflows.simulation import (
    Arrival,
    Running,
    Setup,
    ideal_s,
    share_error,
    simulate,
    used_s,
)
from services.workflows.thermal import HostPolicy
from tests.services.resources.machines import lease, mac
from tests.services.workflows.lines import HOUR, NOW, job

LENGTH_S = 0.45 * DAY_S
"""Of a day of 90 jobs: as full as one of 200."""

ONE = (mac(memory_gb=30),)


def arrival(name: str, seconds: float = HOUR, **fields: object) -> Arrival:
    return Arrival(job(name, **{"expected_s": seconds, "late_s": seconds, **fields}), seconds)


def begun(outcomes) -> dict[str, float | None]:
    return {o.job.id: None if o.begin is None else (o.begin - NOW) / HOUR for o in outcomes}


def test_jobs_run_one_after_another_on_one_slot():
    found = simulate([arrival("a-1"), arrival("b-1"), arrival("a-2", ago_s=-1800)], Setup(ONE), NOW)
    assert begun(found) == {"a-1": 0, "b-1": 1, "a-2": 2}
    assert [one.wait_s for one in found] == [60, HOUR + 60, 1.5 * HOUR]


def test_two_machines_run_two():
    found = simulate([arrival(f"a-{n}") for n in range(4)], Setup((mac("x"), mac("y"))), NOW)
    assert sorted(begun(found).values()) == [0, 0, 1, 1]


def test_it_ends_when_it_is_told_to():
    found = simulate([arrival(f"a-{n}") for n in range(3)], Setup(ONE), NOW, NOW + 1.5 * HOUR)
    assert sorted(str(at) for at in begun(found).values()) == ["0.0", "1.0", "None"]


def test_what_runs_already_is_waited_for():
    running = [Running(job("z-0"), "studio", NOW - HOUR, NOW + 2 * HOUR)]
    assert begun(simulate([arrival("a-1")], Setup(ONE), NOW, running=running)) == {"a-1": 2}


def test_asked_twice_it_answers_alike():
    arrivals, shares = day(60, 3, weights=True)
    assert simulate(arrivals, Setup(HOSTS, shares), BEGIN) == simulate(
        list(reversed(arrivals)), Setup(HOSTS, shares), BEGIN
    )


def test_an_endpoint_keeps_its_memory_all_day():
    setup = Setup(ONE, serving=(lease("deployment:chat", 24, 0),))
    found = simulate([arrival("a-1", memory_gb=8), arrival("a-2", memory_gb=6)], setup, NOW)
    assert begun(found) == {"a-1": None, "a-2": 0}


def test_a_hot_machine_starts_nothing_until_it_is_told_to():
    hot = {"studio": HostPolicy("studio", "hold", rule="heat", said="studio is hot.")}
    setup = Setup(ONE, policies=((NOW, hot), (NOW + HOUR, {})))
    assert begun(simulate([arrival("a-1")], setup, NOW)) == {"a-1": 1}


def test_a_quota_lets_the_next_start_when_the_window_has_moved():
    rules = Rules(quota_window_s=4 * HOUR)
    setup = Setup(ONE, {"a": Share("a", quota_hours=1.0)}, rules)
    found = simulate([arrival("a-1"), arrival("a-2")], setup, NOW)
    assert sorted(begun(found).values())[1] == pytest.approx(
        5, abs=0.01
    )  # all of the first has left the window


def test_an_override_holds_while_the_job_waits():
    setup = Setup(ONE, overrides=(Override("a-3", "front"),))
    found = simulate([arrival(f"a-{n}", ago_s=60 - n) for n in range(4)], setup, NOW)
    assert min(begun(found), key=lambda name: begun(found)[name] or 0) == "a-3"


def test_small_jobs_do_not_keep_a_large_one_from_starting():
    """30 GB: small jobs of 8 GB come for ever; one of 28 GB came second."""
    small = [arrival(f"s-{n}", HOUR, memory_gb=8, slots=0, ago_s=-n * 600.0) for n in range(60)]
    large = arrival("l-1", HOUR, memory_gb=28, slots=0, ago_s=-30.0)
    found = begun(simulate([*small, large], Setup((mac(memory_gb=30),)), NOW))
    assert found["l-1"] is not None
    assert found["l-1"] <= 1.01  # when the one that ran before it ended


def test_a_short_job_slips_in_where_it_delays_nothing():
    running = [Running(job("z-0", memory_gb=20, slots=0), "studio", NOW, NOW + HOUR)]
    head = arrival("l-1", memory_gb=28, slots=0, ago_s=500)
    brief = arrival("s-1", 1800, memory_gb=8, slots=0)
    long = arrival("t-1", 7200, memory_gb=8, slots=0)
    found = begun(simulate([head, brief, long], Setup(ONE), NOW, running=running))
    assert (found["s-1"], found["l-1"], found["t-1"]) == (0, 1, 2)


# Fairness


def test_the_ideal_gives_by_weight_and_none_more_than_it_wants():
    assert ideal_s(12, {"a": 100, "b": 100}, {"a": 1, "b": 2}) == {"a": 4, "b": 8}
    assert ideal_s(12, {"a": 100, "b": 2}, {"a": 1, "b": 2}) == {"a": 10, "b": 2}
    assert ideal_s(12, {"a": 1, "b": 2}, {"a": 1, "b": 1}) == {"a": 1, "b": 2}


@pytest.mark.parametrize("weights", [False, True])
def test_the_share_error_of_a_day_is_within_five_points(weights: bool):
    arrivals, shares = day(90, 1, weights=weights, length_s=LENGTH_S)
    setup = Setup(HOSTS, shares)
    outcomes = simulate(arrivals, setup, BEGIN)
    wanted_s = sum(one.job.cost * one.seconds for one in arrivals)
    assert wanted_s > LENGTH_S * len(HOSTS)  # more than there is
    assert share_error(outcomes, arrivals, shares, BEGIN, BEGIN + LENGTH_S) <= 0.05


def test_first_come_first_served_would_not_be():
    arrivals, shares = day(90, 1, weights=False, length_s=LENGTH_S)
    projects = {one.job.id: one.job.project for one in arrivals}
    outcomes = [
        replace(one, job=replace(one.job, project=projects[one.job.id]))
        for one in simulate(first_come(arrivals), Setup(HOSTS), BEGIN)
    ]
    assert share_error(outcomes, arrivals, shares, BEGIN, BEGIN + LENGTH_S) > 0.05


some = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 20_000),
        st.integers(60, 7_200),
        st.integers(1, 30),
        st.integers(0, 1),
        st.integers(1, 10),
        st.booleans(),
    ),
    max_size=14,
)


@given(some, st.lists(st.integers(1, 10), min_size=3, max_size=3))
def test_nobody_starves(found, priorities):
    """A stream of one project that never ends does not keep any other job from starting."""
    arrivals = [
        Arrival(
            job(
                f"{p}-{n}", ago_s=-float(after), memory_gb=gb, slots=slots, priority=priority,
                expected_s=float(seconds) if known else None,
                late_s=float(seconds) if known else None,
            ),
            float(seconds),
        )
        for n, (p, after, seconds, gb, slots, priority, known) in enumerate(found)
    ]  # fmt: skip
    stream = [arrival(f"z-{n}", HOUR, ago_s=-n * 1800.0, priority=10) for n in range(60)]
    shares = {
        name: Share(name, 1.0, priority) for name, priority in zip("abc", priorities, strict=True)
    }
    shares["z"] = Share("z", 1.0, 10)
    outcomes = simulate([*arrivals, *stream], Setup(ONE, shares), NOW)
    assert all(one.begin is not None for one in outcomes)
    begins = sorted(one.begin for one in outcomes if one.job.project == "z" and one.begin)
    for one in outcomes:
        if one.job.project == "z" or one.begin is None:
            continue
        # While it waited, the stream got no more than its turns: what all others wanted, the head
        # start of nine levels, and one job for each that runs.
        wanted = sum(a.seconds for a in arrivals) + 9 * 600 + 9 * HOUR
        during = [at for at in begins if one.job.submitted < at < one.begin]
        assert len(during) * HOUR <= 2 * wanted + 4 * HOUR


@given(some, st.integers(1, 4))
def test_a_quota_is_respected_at_every_start(found, quota):
    rules = Rules(quota_window_s=6 * HOUR)
    shares = {"a": Share("a", quota_hours=float(quota))}
    arrivals = [
        Arrival(
            job(f"{p}-{n}", ago_s=-float(after), memory_gb=gb, slots=slots,
                expected_s=float(seconds), late_s=float(seconds)),
            float(seconds),
        )
        for n, (p, after, seconds, gb, slots, _, _) in enumerate(found)
    ]  # fmt: skip
    outcomes = simulate(arrivals, Setup((mac("x"), mac("y")), shares, rules), NOW)
    ran = [one for one in outcomes if one.job.project == "a" and one.begin is not None]
    for one in ran:
        uses = [Use("a", o.begin, o.end, o.job.cost) for o in ran if o.begin <= one.begin and o.end]
        assert window_use_s(uses, one.begin, rules) <= quota * HOUR + 1.0


@given(some)
def test_no_machine_ever_runs_more_than_it_has(found):
    arrivals = [
        Arrival(job(f"{p}-{n}", ago_s=-float(after), memory_gb=gb, slots=slots), float(seconds))
        for n, (p, after, seconds, gb, slots, _, _) in enumerate(found)
    ]
    outcomes = [one for one in simulate(arrivals, Setup(ONE), NOW) if one.begin is not None]
    for at in {one.begin for one in outcomes}:
        there = [one for one in outcomes if one.begin <= at < one.end]
        assert sum(one.job.needs.memory_bytes for one in there) <= 30 * GIB
        assert sum(one.job.needs.gpu_slots for one in there) <= 1


def test_what_comes_after_the_end_is_not_wanted_in_it():
    arrivals = [arrival("a-1"), arrival("b-1"), arrival("a-2", ago_s=-5 * HOUR)]
    outcomes = simulate(arrivals, Setup(ONE), NOW)
    assert share_error(outcomes, arrivals, {}, NOW, NOW + 2 * HOUR) == pytest.approx(0)
    assert share_error((), (), {}, NOW, NOW + HOUR) == 0.0


def test_used_time_is_cut_to_what_is_asked():
    outcomes = simulate([arrival("a-1", 2 * HOUR)], Setup(ONE), NOW)
    assert used_s(outcomes, NOW + HOUR, NOW + 9 * HOUR) == {"a": HOUR}
    assert used_s(outcomes, NOW + 3 * HOUR, NOW + 9 * HOUR) == {"a": 0}

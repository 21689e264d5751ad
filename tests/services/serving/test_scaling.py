"""Replicas follow the load one step at a time; memory that is short is divided fairly."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.serving.figures import VersionFigures
from services.serving.models import Target
from services.serving.scaling import (
    DOWN_AFTER_S,
    UP_AFTER_S,
    Allotted,
    Want,
    crowded,
    decide,
    idle,
    roomy,
    share,
)

NOW = 1_000_000.0
LONG_AGO = NOW - 10_000
GIB = 1024**3

targets = st.builds(
    Target,
    version=st.just(1),
    min_replicas=st.integers(0, 6),
    max_replicas=st.integers(1, 6),
    max_batch=st.sampled_from([1, 8, 32]),
)
figures = st.builds(
    VersionFigures,
    version=st.just(1),
    requests=st.integers(0, 10_000),
    refused=st.integers(0, 3),
    p50_ms=st.none() | st.floats(0.1, 5_000),
    p95_ms=st.none() | st.floats(0.1, 30_000),
    in_flight=st.integers(0, 300),
    queued=st.integers(0, 300),
    last_at=st.none() | st.floats(LONG_AGO, NOW),
)
ready = st.integers(0, 8)
changed = st.floats(LONG_AGO, NOW)


@given(targets, figures, ready, changed)
def test_a_step_is_one_replica_and_stays_within_bounds(
    target: Target, seen: VersionFigures, has: int, at: float
):
    wanted = decide(target, seen, has, 900, NOW, at)
    most = max(1, target.max_replicas)
    least = min(target.min_replicas, most)
    if wanted > has:
        assert wanted <= most
        assert wanted in {has + 1, least}
    elif wanted < has:
        assert wanted == has - 1
        assert wanted >= least


@given(targets, figures, ready, changed)
def test_it_settles_when_nothing_changes(target: Target, seen: VersionFigures, has: int, at: float):
    counts = [has]
    for _ in range(30):
        now_at = at if len(counts) == 1 else LONG_AGO
        counts.append(decide(target, seen, counts[-1], 900, NOW, now_at))
    assert counts[-1] == counts[-2]
    ups = sum(after > before for before, after in pairwise(counts[1:]))
    downs = sum(after < before for before, after in pairwise(counts[1:]))
    assert not (ups and downs), "the same load must not send it up and down"


@given(figures, st.integers(1, 8), st.sampled_from([1, 8, 32]))
def test_no_load_is_both_crowded_and_roomy(seen: VersionFigures, has: int, each: int):
    assert not (crowded(seen, has, each) and roomy(seen, has, each))
    if has > 1 and roomy(seen, has, each):
        assert not crowded(seen, has - 1, each), "what went down must not come up again"


def test_a_queue_brings_one_more_once_the_last_change_has_settled():
    target, busy = Target(1, max_replicas=4), VersionFigures(1, in_flight=40, queued=9, last_at=NOW)
    assert decide(target, busy, 1, 900, NOW, NOW - UP_AFTER_S) == 2
    assert decide(target, busy, 1, 900, NOW, NOW - UP_AFTER_S + 1) == 1
    assert decide(target, busy, 4, 900, NOW, LONG_AGO) == 4


def test_a_model_that_answers_one_at_a_time_is_crowded_sooner():
    target, two = Target(1, max_replicas=2), VersionFigures(1, in_flight=2, last_at=NOW)
    assert decide(target, two, 1, 900, NOW, LONG_AGO) == 1
    assert decide(target, two, 1, 900, NOW, LONG_AGO, at_once=1) == 2


def test_a_tail_far_above_the_median_is_waiting():
    slow = VersionFigures(1, requests=600, in_flight=5, p50_ms=20, p95_ms=100, last_at=NOW)
    assert decide(Target(1, max_replicas=2), slow, 1, 900, NOW, LONG_AGO) == 2
    quick = replace(slow, p50_ms=1, p95_ms=10)
    assert decide(Target(1, max_replicas=2), quick, 1, 900, NOW, LONG_AGO) == 1


def test_it_goes_down_only_after_a_whole_window_of_little_load():
    target, calm = Target(1, max_replicas=4), VersionFigures(1, requests=60, p95_ms=5, last_at=NOW)
    assert decide(target, calm, 3, 900, NOW, NOW - DOWN_AFTER_S) == 2
    assert decide(target, calm, 3, 900, NOW, NOW - DOWN_AFTER_S + 1) == 3
    assert decide(target, calm, 1, 900, NOW, LONG_AGO) == 1


def test_who_would_wait_with_one_fewer_is_not_taken_one():
    slow = VersionFigures(1, requests=60, in_flight=2, p50_ms=20, p95_ms=100, last_at=NOW)
    assert decide(Target(1, max_replicas=4), slow, 2, 900, NOW, LONG_AGO) == 2
    even = replace(slow, p95_ms=40)
    assert decide(Target(1, max_replicas=4), even, 2, 900, NOW, LONG_AGO) == 1


def test_only_who_may_goes_to_zero_and_only_when_nobody_asked_for_long():
    asked = VersionFigures(1, last_at=NOW - 900)
    assert decide(Target(1, min_replicas=0), asked, 1, 900, NOW, LONG_AGO) == 0
    assert decide(Target(1, min_replicas=1), asked, 1, 900, NOW, LONG_AGO) == 1
    assert decide(Target(1, min_replicas=0), asked, 1, 901, NOW, LONG_AGO) == 1
    assert decide(Target(1, min_replicas=0), asked, 1, 900, NOW, NOW - 5) == 1, "just woken"
    streaming = replace(asked, in_flight=1)
    assert decide(Target(1, min_replicas=0), streaming, 1, 900, NOW, LONG_AGO) == 1


def test_zero_stays_zero_until_somebody_asks():
    target = Target(1, min_replicas=0)
    assert decide(target, VersionFigures(1, last_at=NOW - 900), 0, 900, NOW, NOW - 1) == 0
    assert decide(target, VersionFigures(1), 0, 900, NOW, LONG_AGO) == 0
    assert decide(target, VersionFigures(1, in_flight=1, queued=1), 0, 900, NOW, NOW - 1) == 1
    assert decide(target, VersionFigures(1, last_at=NOW), 0, 900, NOW, NOW - 1) == 1


def test_a_lost_replica_comes_back_at_once():
    assert decide(Target(1, min_replicas=3, max_replicas=4), VersionFigures(1), 1, 9, NOW, NOW) == 3


@given(figures, changed)
def test_who_waits_is_never_idle(seen: VersionFigures, at: float):
    if seen.in_flight or seen.queued:
        assert not idle(seen, 1, NOW, at)


# Fairness

wants = st.lists(
    st.builds(
        Want,
        name=st.uuids().map(str),
        project=st.sampled_from(["a", "b", "c"]),
        replicas=st.integers(0, 5),
        floor=st.integers(0, 3),
        replica_bytes=st.integers(1, 6),
        priority=st.just(5),
    ),
    max_size=7,
    unique_by=lambda one: one.name,
)


@given(wants, st.integers(0, 60))
def test_no_more_is_given_than_there_is_and_nothing_is_left_that_fits(
    asked: list[Want], budget: int
):
    given_out = share(asked, budget)
    spent = sum(g.replicas * w.replica_bytes for g, w in zip(given_out, asked, strict=True))
    assert spent <= budget
    for got, want in zip(given_out, asked, strict=True):
        assert 0 <= got.replicas <= want.replicas
        assert bool(got.said) == (got.replicas < want.replicas)
        if got.replicas < want.replicas:
            assert want.replica_bytes > budget - spent
    if sum(one.replicas * one.replica_bytes for one in asked) <= budget:
        assert [one.replicas for one in given_out] == [one.replicas for one in asked]


@given(
    st.lists(st.integers(0, 9), min_size=2, max_size=5),
    st.lists(st.integers(1, 10), min_size=5, max_size=5),
    st.integers(0, 40),
)
def test_who_gets_less_than_it_would_like_never_envies_a_project(
    asked: list[int], priorities: list[int], budget: int
):
    """Weighted max-min: taking a replica of another's project would leave that one worse off."""
    all_of_them = [
        Want(f"{n}.m", str(n), count, 0, 1, priorities[n]) for n, count in enumerate(asked)
    ]
    got = {one.name: one.replicas for one in share(all_of_them, budget)}
    for poor in all_of_them:
        if got[poor.name] == poor.replicas:
            continue
        for rich in all_of_them:
            before = (got[rich.name] - 1) / rich.priority
            assert before <= got[poor.name] / poor.priority


def test_every_endpoint_gets_its_floor_before_any_gets_more():
    asked = [
        Want("a.big", "a", 5, 1, GIB),
        Want("b.one", "b", 1, 1, GIB),
        Want("a.two", "a", 2, 1, GIB),
    ]
    assert [one.replicas for one in share(asked, 3 * GIB)] == [1, 1, 1]


def test_two_projects_share_alike_whatever_they_ask_for():
    asked = [Want("a.big", "a", 9, 1, GIB), Want("b.one", "b", 3, 1, GIB)]
    got = share(asked, 6 * GIB)
    assert [one.replicas for one in got] == [3, 3]
    assert got[0] == Allotted(
        "a.big",
        3,
        "a.big gets 3 of 9 replicas: one more takes 1.0 GB, "
        "0 MB of the memory for serving is left.",
    )

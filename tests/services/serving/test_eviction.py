"""The least valuable endpoint goes first, and it is said why."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.serving.eviction import Candidate, LastHour, order, ranked, to_evict, value

NOW = 1_000_000.0
MIB = 1024**2

candidates = st.lists(
    st.builds(
        Candidate,
        name=st.uuids().map(str),
        version=st.integers(1, 3),
        project=st.sampled_from("abc"),
        bytes=st.integers(1, 2000).map(lambda n: n * MIB),
        requests_hour=st.integers(0, 100_000),
        last_at=st.none() | st.floats(NOW - 100_000, NOW),
        loaded_at=st.floats(NOW - 100_000, NOW),
        in_flight=st.integers(0, 1),
        pinned=st.booleans(),
        priority=st.integers(1, 10),
    ),
    max_size=8,
    unique_by=lambda one: one.name,
)


def idle(name: str, **changes: object) -> Candidate:
    plain = Candidate(name, 1, "p", 100 * MIB, 10, NOW - 3600, NOW - 9000)
    return replace(plain, **changes)  # type: ignore[arg-type]


@given(candidates)
def test_it_is_a_total_order_that_never_names_a_pinned_one(given_ones: list[Candidate]):
    line = order(given_ones, NOW)
    assert not [one for one in line if one.candidate.pinned]
    assert {one.name for one in line} == {one.name for one in given_ones if not one.pinned}
    assert line == order(list(reversed(given_ones)), NOW), "the order given does not matter"
    places = [one.place for one in ranked(given_ones, NOW)]
    assert places == list(range(1, len(given_ones) + 1))


@given(candidates)
def test_idle_ones_go_before_those_that_are_asked_and_the_answering_last(
    given_ones: list[Candidate],
):
    classes = [(bool(one.candidate.in_flight), not one.idle) for one in order(given_ones, NOW)]
    assert classes == sorted(classes)


@given(candidates)
def test_among_equals_less_asked_for_its_memory_goes_first(given_ones: list[Candidate]):
    values = [value(one.candidate) for one in order(given_ones, NOW) if one.idle]
    assert values == sorted(values)


@given(candidates, st.integers(1, 4000))
def test_who_is_evicted_frees_enough_and_nobody_in_vain(given_ones: list[Candidate], missing: int):
    gone = to_evict(given_ones, missing * MIB, NOW)
    may = [one for one in order(given_ones, NOW) if one.idle]
    could = sum(one.candidate.bytes for one in may)
    if not gone:
        assert could < missing * MIB
        return
    freed = sum(one.candidate.bytes for one in gone)
    assert freed >= missing * MIB
    assert all(freed - one.candidate.bytes < missing * MIB for one in gone)
    assert all(one.evictable and one.idle for one in gone)


def test_nothing_missing_evicts_nobody():
    assert to_evict([idle("p.a")], 0, NOW) == ()


def test_the_reasons_are_sentences():
    line = ranked(
        [
            idle("p.kept", pinned=True),
            idle("p.hot", last_at=NOW, in_flight=2),
            idle("p.warm", last_at=NOW - 5),
            idle("p.fresh", last_at=None, loaded_at=NOW - 5, requests_hour=0),
            idle("p.old", last_at=None, requests_hour=0, bytes=2048 * MIB),
            idle("p.some", requests_hour=1),
        ],
        NOW,
    )
    assert [one.said for one in line] == [
        "p.old version 1 was never asked; no request in the last hour for the 2.0 GB it holds; "
        "its project's priority is 5.",
        "p.some version 1 was not asked for 60 min; 1 request in the last hour for the 100 MB it "
        "holds; its project's priority is 5.",
        "p.fresh version 1 was just loaded; no request in the last hour for the 100 MB it holds; "
        "its project's priority is 5.",
        "p.warm version 1 was asked within the last minute; 10 requests in the last hour for the "
        "100 MB it holds; its project's priority is 5.",
        "p.hot version 1 holds 100 MB and is answering now: it goes last.",
        "p.kept version 1 holds 100 MB and is pinned: it is never evicted.",
    ]


def test_priority_decides_between_two_that_are_asked_alike():
    assert [one.name for one in order([idle("p.a", priority=9), idle("p.b", priority=2)], NOW)] == [
        "p.b",
        "p.a",
    ]


def test_the_last_hour_is_counted_from_totals():
    hour = LastHour()
    hour.note("p.a", 1, 1000, NOW)
    assert hour.of("p.a", 1, NOW) == 0, "what was before it looked is not known"
    hour.note("p.a", 1, 1010, NOW + 60)
    hour.note("p.a", 1, 5, NOW + 120)
    assert hour.of("p.a", 1, NOW + 120) == 15, "a gateway that began anew adds what it counts"
    assert hour.of("p.a", 1, NOW + 60 + 3600) == 5
    assert hour.of("p.a", 1, NOW + 3 * 3600) == 0
    assert hour.of("p.b", 1, NOW) == 0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 900)), max_size=40))
def test_the_last_hour_is_right_to_the_minute(steps: list[tuple[int, int]]):
    hour, at, total = LastHour(), NOW, 0
    hour.note("p.a", 1, 0, at)
    seen = []
    for more, later in steps:
        at, total = at + later, total + more
        hour.note("p.a", 1, total, at)
        seen.append((at, more))
    told = hour.of("p.a", 1, at)
    assert sum(n for when, n in seen if when > at - 3600 + 60) <= told
    assert told <= sum(n for when, n in seen if when > at - 3600 - 60)


def test_what_is_forgotten_counts_anew():
    hour = LastHour()
    hour.note("p.a", 1, 1, NOW)
    hour.note("p.a", 1, 9, NOW)
    hour.forget([])
    assert hour.of("p.a", 1, NOW) == 0
    hour.note("p.a", 1, 20, NOW)
    assert hour.of("p.a", 1, NOW) == 0

"""The arithmetic of budgets, by properties and by the book."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import InputError
from services.objectives import budget
from services.objectives.budget import FEWEST_BAD, PAIRS, Counts
from services.objectives.models import DAY_S, Objective, check, share, span

TARGETS = st.floats(0.5, 0.9999)
MONTH_S = 30 * DAY_S


@st.composite
def counts(draw: st.DrawFn) -> Counts:
    requests = draw(st.integers(0, 10**7))
    return Counts(requests, draw(st.integers(0, requests)))


@given(counts(), TARGETS)
def test_what_is_left_and_what_is_spent_are_the_whole_budget(seen: Counts, target: float):
    spent, left = budget.rate(seen, target), budget.left(seen, target)
    if not seen.requests:
        assert spent is left is None
        return
    assert spent is not None
    assert left is not None
    assert 0 <= left <= 1
    assert left + min(spent, 1.0) == pytest.approx(1.0)
    # The budget is spent exactly when more requests were bad than were allowed.
    allowed = (1 - target) * seen.requests
    assert spent * allowed == pytest.approx(seen.bad)


@given(counts(), counts(), TARGETS)
def test_a_rate_of_two_stretches_lies_between_theirs(one: Counts, other: Counts, target: float):
    both = Counts(one.requests + other.requests, one.bad + other.bad)
    rates = [r for r in (budget.rate(one, target), budget.rate(other, target)) if r is not None]
    together = budget.rate(both, target)
    if together is None:
        assert rates == []
        return
    assert min(rates) * (1 - 1e-9) <= together <= max(rates) * (1 + 1e-9)


@given(counts(), TARGETS, st.integers(1, 1000))
def test_more_bad_requests_never_help(seen: Counts, target: float, more: int):
    worse = Counts(seen.requests + more, seen.bad + more)
    order = ["met", "at risk", "missed"]
    before, after = budget.state(seen, target, ()), budget.state(worse, target, ())
    if before != "unknown":
        assert after != "unknown"
        assert order.index(after) >= order.index(before)


@given(st.integers(0, 10**6), TARGETS)
def test_too_few_requests_are_never_said_to_be_well(requests: int, target: float):
    said = budget.state(Counts(requests, 0), target, ())
    # With so few the budget is no whole request: the first bad one would break it.
    assert (said == "unknown") == (requests < max(20, 1 / (1 - target) - 1e-3))
    assert said in {"unknown", "met"}


@given(st.integers(1, 30).map(lambda days: days * DAY_S), TARGETS, st.floats(0, 1))
def test_a_steady_service_fires_exactly_from_the_bound_on(
    window_s: float, target: float, bad_share: float
):
    def within(seconds: float) -> Counts:
        requests = round(seconds) * 10
        return Counts(requests, round(requests * bad_share))

    for burn in budget.burns(within, target, window_s, window_s):
        assert burn.long_s <= window_s
        over = [rate >= burn.bound for rate in (burn.long, burn.short) if rate is not None]
        assert (burn.state == "firing") == all(over)
        assert burn.state != "unknown"


@given(TARGETS, st.integers(1, 30))
def test_a_service_within_its_objective_never_fires(target: float, days: int):
    """However short its window: what is allowed all the time is no alert."""

    def within(seconds: float) -> Counts:
        requests = round(seconds) * 1000
        return Counts(requests, int(requests * (1 - target) * 0.999))

    found = budget.burns(within, target, days * DAY_S, MONTH_S)
    assert [one.state for one in found] == ["quiet"] * len(found)


def test_the_bounds_of_a_month_are_those_of_the_book():
    assert [budget.bound(pair, MONTH_S) for pair in PAIRS] == pytest.approx([14.4, 6.0, 1.0])
    assert [pair.long_s / pair.short_s for pair in PAIRS] == [12.0] * 3
    assert [budget.bound(pair, 7 * DAY_S) for pair in PAIRS] == pytest.approx([3.36, 1.4, 1.0])
    assert [one.long_s for one in budget.burns(lambda _: Counts(), 0.99, DAY_S, 0.0)] == [
        3600.0, 21_600.0,
    ]  # fmt: skip


def steady(requests: int, bad: int, known_s: float = MONTH_S) -> str:
    """The state of the fastest burn, of the same counts in both windows."""
    return budget.burns(lambda _: Counts(requests, bad), 0.99, MONTH_S, known_s)[0].state


def test_few_bad_requests_are_no_trend_and_few_requests_no_evidence():
    assert steady(10, FEWEST_BAD - 1) == "unknown"
    assert steady(10, FEWEST_BAD) == "firing"
    assert steady(19, 0) == "unknown"
    assert steady(20, 0) == "quiet"
    assert steady(0, 0) == "unknown"


def test_a_deployment_of_some_minutes_does_not_fire_yet():
    assert steady(1000, 1000, known_s=299.0) == "unknown"
    assert steady(1000, 1000, known_s=300.0) == "firing"


def test_a_blip_and_what_is_over_do_not_fire():
    blip = budget.burns(
        lambda s: Counts(300, 300) if s == 300 else Counts(round(s), 300), 0.99, MONTH_S, MONTH_S
    )
    assert blip[0].state == "quiet"
    over = budget.burns(
        lambda s: Counts(300, 0) if s == 300 else Counts(3600, 1800), 0.99, MONTH_S, MONTH_S
    )
    assert over[0].state == "quiet"


def test_states_by_what_is_spent():
    assert budget.state(Counts(1000, 0), 0.99, ()) == "met"
    assert budget.state(Counts(1000, 7), 0.99, ()) == "met"
    assert budget.state(Counts(1000, 8), 0.99, ()) == "at risk"
    assert budget.state(Counts(1000, 10), 0.99, ()) == "at risk"
    assert budget.state(Counts(1000, 11), 0.99, ()) == "missed"
    # Seven of ten failed: nobody needs to wait for a hundred requests to say so.
    assert budget.state(Counts(10, 7), 0.99, ()) == "missed"
    assert budget.state(Counts(10, 1), 0.99, ()) == "unknown"
    fires = budget.burns(lambda _: Counts(1000, 200), 0.99, MONTH_S, MONTH_S)
    assert budget.state(Counts(100_000, 200), 0.99, fires) == "at risk"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Objective("speed", 0.9), "no objective"),  # type: ignore[arg-type]
        (Objective("errors", 1.0), "share of requests"),
        (Objective("errors", float("nan")), "share of requests"),
        (Objective("errors", 0.99, days=0), "1 to 30 whole days"),
        (Objective("errors", 0.99, days=31), "1 to 30 whole days"),
        (Objective("errors", 0.99, bound_ms=5.0), "latency alone"),
        (Objective("latency", 0.95), "bound of latency"),
        (Objective("latency", 0.95, bound_ms=float("inf")), "bound of latency"),
        (Objective("accuracy", 1.1), "up to 1"),
        (Objective("accuracy", float("inf"), metric="mae"), "more than 0"),
        (Objective("accuracy", 0.9, metric="auc"), "no measure"),  # type: ignore[arg-type]
    ],
)
def test_an_objective_that_means_nothing_is_refused(wrong: Objective, said: str):
    with pytest.raises(InputError, match=said):
        check(wrong)


def test_objectives_are_said_in_words():
    for one in (
        Objective("errors", 0.999),
        Objective("latency", 0.95, 1, 250.0),
        Objective("accuracy", 0.9, 7),
        Objective("accuracy", 3.5, 7, metric="mae"),
    ):
        check(one)
    assert Objective("latency", 0.95, 1, 250.0).said == "95 % of answers within 250 ms, over a day"
    assert (share(0.9995), span(300), span(21_600), span(259_200)) == (
        "99.95 %", "5 min", "6 h", "3 d",
    )  # fmt: skip

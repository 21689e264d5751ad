"""Who goes next, and why."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import InputError
from services.workflows.fair import WEIGHT_OF_LAST, decayed_s, line
from services.workflows.models import Override, Rules, Share, Use
from services.workflows.quota import window_use_s
from tests.services.workflows.lines import HOUR, NOW, job, order, share, used

DAY = 24 * HOUR


def test_use_counts_half_after_a_half_life():
    now = decayed_s(Use("a", 0.0, 1.0), 1.0, DAY)
    later = decayed_s(Use("a", 0.0, 1.0), 1.0 + DAY, DAY)
    assert now == pytest.approx(1.0, rel=1e-4)
    assert later == pytest.approx(now / 2)
    assert decayed_s(Use("a", 0.0, None, 3.0), 1.0, DAY) == pytest.approx(3.0, rel=1e-4)
    assert decayed_s(Use("a", 5.0, 9.0), 1.0, DAY) == 0.0
    # What runs for ever counts h / ln 2 and no more.
    assert decayed_s(Use("a", -1e9, None), 0.0, DAY) == pytest.approx(DAY / math.log(2))


def test_who_had_less_goes_first():
    jobs = job("a-1", ago_s=900), job("b-1", ago_s=10)
    assert order(*jobs) == ["a-1", "b-1"]
    assert order(*jobs, uses=[used("a", 1)]) == ["b-1", "a-1"]


def test_old_use_is_forgotten():
    jobs = job("a-1"), job("b-1")
    uses = [used("a", 3, ended_ago_s=3 * DAY), used("b", 1, ended_ago_s=60)]
    assert order(*jobs, uses=uses) == ["a-1", "b-1"]


def test_what_is_forgotten_is_in_no_standing():
    found = line([job("a-1")], [used("b", 3, ended_ago_s=13 * DAY)], {}, NOW).standings
    assert set(found) == {"a"}


def test_projects_take_turns_by_weight():
    jobs = [job(f"{name}-{n}") for name in "ab" for n in range(6)]
    plain = order(*jobs)
    assert [name[0] for name in plain[:6]] == ["a", "b", "a", "b", "a", "b"]
    heavy = order(*jobs, shares=[share("b", 2)])
    assert sum(name[0] == "b" for name in heavy[:6]) == 4


def test_what_runs_is_counted_to_its_end():
    running = Use("a", NOW - 60, None, 1.0, "a-0", expected_s=5 * HOUR)
    assert order(job("a-1", ago_s=99), job("b-1"), uses=[running, used("b", 1)]) == ["b-1", "a-1"]


def test_priority_is_a_head_start_and_no_share():
    shares = [share("a", priority=10), share("b", priority=1)]
    jobs = job("a-1"), job("b-1", ago_s=900)
    assert order(*jobs, shares=shares) == ["a-1", "b-1"]
    # Nine levels are 90 slot-minutes ahead, and not more.
    assert order(*jobs, shares=shares, uses=[used("a", 1.4)]) == ["a-1", "b-1"]
    assert order(*jobs, shares=shares, uses=[used("a", 1.7)]) == ["b-1", "a-1"]


def test_within_a_project_priority_is_worth_a_bounded_wait():
    first = job("a-old", ago_s=5 * HOUR)
    assert order(first, job("a-new", priority=9)) == ["a-old", "a-new"]
    assert order(first, job("a-new", priority=10)) == ["a-new", "a-old"]


# Operators


def test_an_operator_moves_jobs_and_sets_priorities():
    jobs = [job(f"a-{n}", ago_s=100 - n) for n in range(4)]
    moves = [
        Override("a-3", "front", by="ana", at=1.0),
        Override("a-2", "front", by="ana", at=2.0),
        Override("a-0", "back", by="ana", at=3.0),
    ]
    assert order(*jobs, overrides=moves) == ["a-2", "a-3", "a-1", "a-0"]
    higher = [Override("a-3", priority=9, at=1.0)]
    assert order(*jobs, overrides=higher) == ["a-3", "a-0", "a-1", "a-2"]


def test_the_newest_word_of_an_operator_counts():
    jobs = [job("a-0", ago_s=9), job("a-1", ago_s=8)]
    moves = [Override("a-1", "front", at=1.0), Override("a-1", "back", at=2.0)]
    assert order(*jobs, overrides=reversed(moves)) == ["a-0", "a-1"]
    both = [Override("a-1", "front", at=1.0), Override("a-1", priority=2, at=2.0)]
    assert order(*jobs, overrides=both) == ["a-1", "a-0"]
    assert line(jobs, (), {}, NOW, both).places[0].job.priority == 2


def test_the_front_is_charged_to_its_project():
    jobs = job("a-1"), job("a-2"), job("b-1", ago_s=1)
    assert order(*jobs, overrides=[Override("a-2", "front")]) == ["a-2", "b-1", "a-1"]


# Reasons and weights


def test_each_place_has_a_reason_and_a_weight():
    found = line([job("a-1"), job("b-1"), job("b-2")], [used("b", 1)], {}, NOW)
    assert [(one.position, one.weight) for one in found.places] == [
        (1, WEIGHT_OF_LAST + 2),
        (2, WEIGHT_OF_LAST + 1),
        (3, WEIGHT_OF_LAST),
    ]
    assert [one.said for one in found.places] == [
        "It is the next: a had 0 % of recent use and is due 50 %.",
        "1 job of other projects goes first: b had 100 % of recent use and is due 50 %.",
        "1 job of other projects and 1 of its own project go first: b had 100 % of recent use and "
        "is due 50 %.",
    ]
    moved = line([job("a-1"), job("a-2")], (), {}, NOW, [Override("a-2", "front", by="ana")])
    assert [one.said for one in moved.places] == [
        "ana moved it to the front of the line.",
        "1 job of a went into the line before it.",
    ]


def test_what_is_blocked_stands_in_no_line():
    found = line([job("a-1", blocked="dependency"), job("a-2")], (), {}, NOW)
    assert [one.job.id for one in found.places] == ["a-2"]
    assert [one.id for one in found.blocked] == ["a-1"]


def test_standings_say_what_each_had():
    uses = [used("a", 1), Use("b", NOW - HOUR, None, 1.0, "b-0", expected_s=2 * HOUR)]
    found = line([job("c-1")], uses, {"c": Share("c", 2)}, NOW).standings
    assert {name: round(one.share, 2) for name, one in found.items()} == {
        "a": 0.5,
        "b": 0.5,
        "c": 0.0,
    }
    assert [found[name].due for name in "abc"] == [0.25, 0.25, 0.5]
    assert found["b"].committed_s == HOUR
    assert found["c"].waiting == 1


# Quotas


def test_a_quota_holds_what_would_go_over_it():
    shares = {"a": Share("a", quota_hours=2.0)}
    within = line([job("a-1")], [used("a", 1.0)], shares, NOW)
    assert len(within.places) == 1
    (hold,) = line([job("a-1")], [used("a", 1.5)], shares, NOW).quota
    assert hold.said == (
        "a used 1.5 h of the 2.0 h it may use in 7 days, and this takes about 1.0 h."
    )
    # The first half hour of use must have left the window.
    assert hold.free_at == pytest.approx(NOW - 1.5 * HOUR + 0.5 * HOUR + 7 * DAY, abs=1)


def test_a_quota_remembers_what_fair_share_forgot():
    brief = Rules(half_life_s=HOUR)
    uses = [used("a", 1.5, ended_ago_s=2 * DAY)]
    found = line([job("a-1")], uses, {"a": Share("a", quota_hours=2.0)}, NOW, rules=brief)
    assert len(found.quota) == 1


def test_running_jobs_count_against_the_quota_to_their_end():
    running = Use("a", NOW - 60, None, 1.0, "a-0", expected_s=1.5 * HOUR)
    (hold,) = line([job("a-1")], [running], {"a": Share("a", quota_hours=2.0)}, NOW).quota
    assert hold.used_s == 1.5 * HOUR


def test_a_job_larger_than_the_quota_is_told_so():
    (hold,) = line([job("a-1")], (), {"a": Share("a", quota_hours=0.5)}, NOW).quota
    assert hold.free_at is None
    assert hold.said == (
        "It can never start within the quota: it takes about 1.0 h, and a may use 0.5 h in 7 days."
    )


def test_a_job_of_unknown_length_starts_while_anything_is_left():
    shares = {"a": Share("a", quota_hours=1.0)}
    unknown = job("a-1", expected_s=None)
    assert line([unknown], [used("a", 0.9)], shares, NOW).places
    assert line([unknown], [used("a", 1.0)], shares, NOW).quota


@pytest.mark.parametrize(
    "figures", [{"weight": 0}, {"weight": math.nan}, {"priority": 11}, {"quota_hours": -1.0}]
)
def test_figures_no_order_follows_from_are_refused(figures):
    with pytest.raises(InputError, match="a is"):
        Share("a", **figures)


# What holds of every line

projects = st.sampled_from("abcd")
some_jobs = st.lists(
    st.builds(
        lambda p, ago, priority, hours: (p, ago, priority, hours),
        projects,
        st.integers(0, 10_000),
        st.integers(1, 10),
        st.one_of(st.none(), st.integers(1, 8)),
    ),
    max_size=12,
)
some_uses = st.lists(
    st.tuples(projects, st.integers(0, 500_000), st.integers(1, 40_000)), max_size=8
)


def built(found):
    return [
        job(f"{p}-{n}", ago_s=float(ago), priority=pr, expected_s=hours and hours * 600.0)
        for n, (p, ago, pr, hours) in enumerate(found)
    ]


@given(some_jobs, some_uses, st.integers(-(10**6), 10**6))
def test_the_order_does_not_depend_on_what_time_it_is(found, ran, shift):
    jobs = built(found)
    uses = [Use(p, NOW - ago - length, NOW - ago) for p, ago, length in ran]
    table = {"a": Share("a", 2.0, quota_hours=3.0)}
    here = line(jobs, uses, table, NOW)
    later = line(
        [replace(one, submitted=one.submitted + shift) for one in jobs],
        [replace(one, begin=one.begin + shift, end=one.end + shift) for one in uses],
        table,
        NOW + shift,
    )
    assert [p.job.id for p in here.places] == [p.job.id for p in later.places]
    assert [h.job.id for h in here.quota] == [h.job.id for h in later.quota]


@given(some_jobs, some_uses)
def test_every_job_is_in_one_place(found, ran):
    jobs = built(found)
    uses = [Use(p, NOW - ago - length, NOW - ago) for p, ago, length in ran]
    found_line = line(jobs, uses, {"b": Share("b", quota_hours=1.0)}, NOW)
    ids = [p.job.id for p in found_line.places] + [h.job.id for h in found_line.quota]
    assert sorted(ids) == sorted(one.id for one in jobs)
    weights = [place.weight for place in found_line.places]
    assert weights == sorted(weights, reverse=True)
    assert len(set(weights)) == len(weights)


@given(some_uses, st.integers(1, 8))
def test_what_a_quota_lets_start_stays_within_it(ran, length):
    uses = [Use("a", NOW - ago - length, NOW - ago) for _, ago, length in ran]
    share_a = Share("a", quota_hours=4.0)
    one = job("a-1", expected_s=length * 1800.0)
    if line([one], uses, {"a": share_a}, NOW).places:
        running = Use("a", NOW, None, 1.0, "a-1", one.expected_s)
        assert window_use_s([*uses, running], NOW, Rules()) <= 4 * HOUR + 1e-6

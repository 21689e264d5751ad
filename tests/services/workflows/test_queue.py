"""The queue: every reason, what would unblock it, when it starts, and what Airflow is told."""

import json
import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import PlatformError
from services.resources.leases import this_process
from services.resources.models import GIB
from services.workflows import forecast
from services.workflows.decision import Facts, decide, leases_of, tell_airflow, told_airflow
from services.workflows.forecast import Lengths, lengths
from services.workflows.models import Share, Use
from services.workflows.queue import Interval, document, followed
from services.workflows.routing import Requirement
from services.workflows.simulation import Outcome, Running
from services.workflows.thermal import HostPolicy
from tests.services.resources.machines import lease
from tests.services.workflows.lines import HOUR, NOW, job, used
from tests.services.workflows.tables import HOT, ONE, of, running, table

# What was released already


def test_a_released_job_is_not_released_twice_and_keeps_its_room():
    waiting = (job("a-1"), job("b-1", ago_s=1))
    first = decide(Facts(NOW, ONE, waiting=waiting))
    assert dict(first.released) == {"a-1": "studio"}
    held = leases_of(first, NOW, this_process())
    assert [(one.id, one.host, one.kind) for one in held] == [("task:a-1", "studio", "training")]
    then = decide(Facts(NOW + 2, ONE, waiting=waiting, leases=held))
    assert then.dispatch.starts == ()
    assert dict(then.released) == {"a-1": "studio"}
    assert told_airflow(then, NOW + 2)["released"] == {"a-1": "studio"}
    row = next(row for row in then.rows if row.id == "a-1")
    assert (row.state, row.said) == (
        "starting",
        "It was given room on studio; Airflow starts it within seconds.",
    )


# When it starts


def test_starts_are_expected_by_how_long_earlier_ones_took():
    found = table(
        waiting=(job("a-1"), job("b-1", ago_s=9)),
        running=(running("z-0", expected_s=660.0, late_s=1260.0),),
    )
    first, second = found["a-1"].expected, found["b-1"].expected
    assert first is not None
    assert second is not None
    assert (first.at, first.late_at) == (NOW + 600, NOW + 1200)
    assert (second.at, second.late_at) == (NOW + 600 + HOUR, NOW + 1200 + 2 * HOUR)
    shown = document(found["b-1"], NOW)
    assert (shown["eta_s"], shown["eta_late_s"], shown["position"]) == (4200.0, 8400.0, 2)


def test_after_a_job_of_unknown_length_nobody_knows():
    found = table(
        waiting=(job("a-1"),),
        running=(Running(job("z-0", expected_s=None), "studio", NOW - 60, math.inf),),
    )
    row = found["a-1"]
    assert row.expected is not None
    assert row.expected.at is None
    assert row.expected.said == (
        "Nobody knows how long z-0 takes, which is before it: none of its kind has succeeded yet."
    )
    assert row.unblock == "The job z-0 ends."
    assert document(row, NOW)["eta_s"] is None
    assert found["z-0"].ends_at is None


def test_the_first_of_several_unknown_lengths_is_named():
    unknown = [
        Running(job(name, expected_s=None, slots=0), "studio", NOW - ago, math.inf)
        for name, ago in (("y-0", 90), ("z-0", 60))
    ]
    row = of(waiting=(job("a-1", memory_gb=28),), running=tuple(unknown))
    assert row.expected is not None
    assert row.expected.said.startswith("Nobody knows how long y-0 takes")


def test_the_late_start_is_never_before_the_likely_one():
    soon = Outcome(job("a-1"), "studio", NOW + 60, NOW + 90)
    late = Outcome(job("a-1"), "studio", NOW + 30, NOW + 90)
    found = forecast._expected(soon, late, forecast._Unknown((), ()))
    assert (found.at, found.late_at) == (NOW + 60, NOW + 60)


def test_the_next_start_is_known_even_if_its_own_length_is_not():
    row = of(waiting=(job("a-1", expected_s=None),), running=(running("z-0", expected_s=660.0),))
    assert row.expected is not None
    assert row.expected.at == NOW + 600


def test_lengths_are_quantiles_of_what_was():
    assert lengths([]) == Lengths(None, None, "none of its kind has succeeded yet")
    assert lengths([math.nan, 60.0]) == Lengths(60.0, 60.0, "the last one took 60 s")
    few = lengths([60.0, 90.0, 120.0])
    assert (few.median_s, few.late_s) == (90.0, 120.0)
    many = lengths([float(n) for n in range(1, 12)] + [1e6] * 20)
    assert many.late_s == 1e6
    assert lengths([100.0] * 20 + [1e6] * 5).late_s == 100.0


# The shapes


def test_a_row_is_json_with_the_documented_keys():
    row = of(waiting=(job("a-1", what="LoRA: train"),), running=(running("z-0"),))
    shown = json.loads(json.dumps(document(row, NOW)))
    documented = {"id", "project", "what", "state", "reason", "position", "eta_s", "priority"}
    assert documented <= set(shown)
    assert (shown["what"], shown["priority"], shown["since"]) == (
        "LoRA: train",
        5,
        "2025-10-09T08:52:20+00:00",
    )


def test_what_runs_is_first_and_what_is_held_last():
    found = decide(
        Facts(
            NOW,
            ONE,
            waiting=(job("h-1", ago_s=999, blocked="paused"), job("b-1"), job("a-1", ago_s=70)),
            running=(running("z-0"),),
        )
    )
    assert [row.id for row in found.rows] == ["z-0", "a-1", "b-1", "h-1"]


def test_airflow_is_told_in_one_file(tmp_path: Path):
    waiting = (job("a-1"), job("b-1", ago_s=9), job("h-1", blocked="paused"))
    decided = decide(Facts(NOW, ONE, waiting=waiting), ahead=False)
    tell_airflow(tmp_path / "weights.json", decided, NOW)
    told = json.loads((tmp_path / "weights.json").read_text())
    assert told["v"] == 1
    assert told["at"] == "2025-10-09T08:53:20+00:00"
    assert told["weights"] == {"a-1": 1001, "b-1": 1000}
    assert told["released"] == {"a-1": "studio"}
    assert set(told["held"]) == {"b-1", "h-1"}
    assert told["held"]["h-1"] == "It is paused."
    with pytest.raises(PlatformError, match="keeps the order it was told last"):
        tell_airflow(tmp_path / "gone" / "weights.json", decided, NOW)


# The timeline of why


def test_reasons_become_intervals():
    first = tuple(table(waiting=(job("a-1"),), policies=HOT).values())
    ended, kept = followed((), first, NOW)
    assert ended == ()
    assert [(one.kind, one.begin, one.end) for one in kept] == [("thermal", NOW, None)]
    ended, kept = followed(kept, first, NOW + 60)
    assert (ended, kept[0].begin) == ((), NOW)
    second = tuple(table(waiting=(job("a-1"),), running=(running("z-0"),)).values())
    ended, kept = followed(kept, second, NOW + 120)
    assert ended == (
        Interval("a-1", "a", "thermal", "studio is at thermal level 2.", NOW, NOW + 120),
    )
    assert {one.job: one.kind for one in kept} == {"a-1": "order", "z-0": "running"}
    ended, kept = followed(kept, (), NOW + 180)
    assert {one.job for one in ended} == {"a-1", "z-0"}
    assert kept == ()


def test_a_start_ends_the_wait_and_is_no_interval_itself():
    first = tuple(table(waiting=(job("a-1"),), policies=HOT).values())
    _, kept = followed((), first, NOW)
    starting = tuple(table(waiting=(job("a-1"),)).values())
    ended, kept = followed(kept, starting, NOW + 5)
    assert [(one.kind, one.end) for one in ended] == [("thermal", NOW + 5)]
    assert kept == ()


def test_without_looking_ahead_a_quota_still_tells_its_time():
    shares = {"a": Share("a", quota_hours=2.0)}
    facts = Facts(NOW, ONE, waiting=(job("a-1"),), uses=(used("a", 1.5),), shares=shares)
    (row,) = decide(facts, ahead=False).rows
    assert row.expected is not None
    assert row.expected.said == "When the quota lets it."
    (other,) = decide(Facts(NOW, ONE, waiting=(job("a-1"),), policies=HOT), ahead=False).rows
    assert other.expected is not None
    assert other.expected.said == "It was not worked out."


def test_a_clock_that_was_set_back_makes_no_interval_of_negative_length():
    first = tuple(table(waiting=(job("a-1"),), policies=HOT).values())
    _, kept = followed((), first, NOW)
    assert followed(kept, (), NOW - 3600) == ((), ())


some_jobs = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 9_999),
        st.integers(1, 40),
        st.integers(0, 2),
        st.sampled_from([None, None, None, "paused", "dependency"]),
        st.sampled_from([None, 600.0, 4000.0]),
        st.sampled_from([0, 0, 0, 64]),
    ),
    max_size=10,
)


@given(some_jobs, st.sampled_from(["open", "single", "hold", "pause"]), st.integers(0, 28))
def test_every_job_is_told_why_and_no_endpoint_loses_memory(found, stance, served):
    waiting = tuple(
        job(f"{p}-{n}", ago_s=float(ago), memory_gb=gb, slots=slots, blocked=blocked,
            expected_s=expected, late_s=expected, requires=Requirement(gpu_cores=cores))
        for n, (p, ago, gb, slots, blocked, expected, cores) in enumerate(found)
    )  # fmt: skip
    said = "" if stance == "open" else "studio is hot."
    rule = "none" if stance == "open" else "heat"
    policies = {"studio": HostPolicy("studio", stance, 0.0, rule, said)}
    shares = {"a": Share("a", quota_hours=0.5)}
    chat = lease("deployment:chat", served, 0)
    decided = decide(Facts(NOW, ONE, (chat,), waiting, shares=shares, policies=policies))
    assert sorted(row.id for row in decided.rows) == sorted(one.id for one in waiting)
    for row in decided.rows:
        assert row.said.endswith(".")
        assert row.kind == "starting" or row.unblock.endswith(".")
        assert row.kind == "starting" or row.expected is not None
        json.dumps(document(row, NOW))
    started = [one.job for one in decided.dispatch.starts]
    assert sum(one.needs.memory_bytes for one in started) <= (30 - served) * GIB
    if stance in {"hold", "pause"}:
        assert not [one for one in started if one.needs.gpu_slots]


@pytest.mark.engine
def test_two_hundred_waiting_jobs_are_decided_in_time():
    """A budget for a busy machine; what it takes is measured by the benchmark."""
    waiting = tuple(job(f"{'abcdefghi'[n % 9]}-{n}", ago_s=float(n)) for n in range(200))
    uses = tuple(Use("abcdefghi"[n % 9], NOW - n * 600, NOW - n * 600 + 500) for n in range(500))
    facts = Facts(NOW, ONE, waiting=waiting, uses=uses)
    started = time.perf_counter()
    decide(facts, ahead=False)
    assert time.perf_counter() - started < 1.0

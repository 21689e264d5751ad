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
from services.workflows.decision import Facts, decide, leases_of, tell_airflow, told_airflow
from services.workflows.forecast import Lengths, lengths
from services.workflows.models import Override, Share, Use
from services.workflows.queue import KINDS, Interval, Row, document, followed
from services.workflows.routing import Requirement
from services.workflows.simulation import Running
from services.workflows.thermal import HostPolicy
from tests.services.resources.machines import lease, mac
from tests.services.workflows.lines import HOUR, NOW, job, used

ONE = (mac(memory_gb=30),)
HOT = {"studio": HostPolicy("studio", "hold", 0.0, "heat", "studio is at thermal level 2.")}


def running(name: str, *, left_s: float = 600.0, **fields: object) -> Running:
    return Running(job(name, **fields), "studio", NOW - 60, NOW + left_s)


def table(**given: object) -> dict[str, Row]:
    facts = Facts(**{"now": NOW, "hosts": ONE, **given})
    return {row.id: row for row in decide(facts).rows}


def of(**given: object) -> Row:
    """The row of the job ``a-1``."""
    return table(**given)["a-1"]


# Reasons


def test_what_can_start_starts():
    row = of(waiting=(job("a-1"),))
    assert (row.state, row.kind, row.host) == ("starting", "starting", "studio")
    assert row.said == "It fits on studio: 8.0 GB; 22.0 GB stay free."


def test_what_waits_for_its_turn_hears_who_is_before_it():
    found = table(waiting=(job("a-1"), job("b-1", ago_s=9)), running=(running("z-0"),))
    row = found["b-1"]
    assert (row.state, row.kind, row.position) == ("waiting", "order", 2)
    assert row.said == (
        "It needs the heavy slot of studio, taken by the job z-0. 1 job of other projects goes "
        "first: b had 0 % of recent use and is due 33 %."
    )
    assert row.unblock == "The job z-0 ends, in about 10 min."
    assert found["a-1"].position == 1


def test_memory():
    row = of(waiting=(job("a-1", slots=0, memory_gb=20),), running=(running("z-0", memory_gb=16),))
    assert (row.kind, row.position) == ("memory", 1)
    assert row.said == "It lacks 6.0 GB of memory on studio, held by the job z-0; 20.0 GB."
    assert row.unblock == "The job z-0 ends, in about 10 min."


def test_memory_that_an_endpoint_holds():
    row = of(waiting=(job("a-1", memory_gb=20),), leases=(lease("deployment:chat", 16, 0),))
    assert row.kind == "memory"
    assert row.unblock == "An endpoint is made smaller or ended: endpoints are not pushed out."
    assert row.expected is not None
    assert row.expected.at is None


def test_heat():
    row = of(waiting=(job("a-1"),), policies=HOT)
    assert (row.kind, row.said) == ("thermal", "studio is at thermal level 2.")
    assert row.unblock == "The machine cools to level 0 and stays there for 60 s."
    assert row.expected is not None
    assert row.expected.said == "Nobody knows how long the machine takes to be normal again."


def test_heat_on_one_machine_sends_jobs_to_the_other():
    row = of(waiting=(job("a-1"),), policies=HOT, hosts=(mac(), mac("mini", 10)))
    assert (row.kind, row.host) == ("starting", "mini")
    large = of(waiting=(job("a-1", memory_gb=20),), policies=HOT, hosts=(mac(), mac("mini", 10)))
    assert large.kind == "thermal"


def test_a_second_heavy_job_at_level_one():
    warm = {"studio": HostPolicy("studio", "single", 0.0, "heat", "studio is at thermal level 1.")}
    hosts = (mac(gpu_slots=2),)
    found = table(waiting=(job("a-1"), job("b-1", ago_s=1)), policies=warm, hosts=hosts)
    assert (found["a-1"].kind, found["b-1"].kind) == ("starting", "thermal")


def test_quota():
    shares = {"a": Share("a", quota_hours=2.0)}
    row = of(waiting=(job("a-1"),), uses=(used("a", 1.5),), shares=shares)
    assert (row.state, row.kind, row.position, row.weight) == ("held", "quota", None, None)
    assert row.unblock == "Earlier use leaves the window, or the quota is raised."
    assert row.expected is not None
    assert row.expected.at == pytest.approx(NOW - HOUR + 7 * 24 * HOUR, abs=60)


def test_two_jobs_of_one_project_do_not_go_over_its_quota_together():
    shares = {"a": Share("a", quota_hours=1.5)}
    hosts = (mac("x"), mac("y"))
    found = table(waiting=(job("a-1"), job("a-2", ago_s=1)), shares=shares, hosts=hosts)
    assert sorted(row.kind for row in found.values()) == ["quota", "starting"]


@pytest.mark.parametrize(
    ("fields", "said", "unblock"),
    [
        ({"blocked": "dependency", "blocked_by": "the task pull"},
         "It follows the task pull.", "The task pull succeeds."),
        ({"blocked": "paused", "blocked_by": "ana"},
         "It is paused by ana.", "Somebody resumes it."),
        ({"blocked": "engine"}, "Airflow does not answer.",
         "Airflow is back; `mlops status` says how it is."),
        ({"blocked": "engine", "blocked_by": "Airflow has been down for 3 min"},
         "Airflow has been down for 3 min.", "Airflow is back; `mlops status` says how it is."),
    ],
)  # fmt: skip
def test_what_holds_a_job_before_its_turn(fields, said, unblock):
    row = of(waiting=(job("a-1", **fields),))
    assert (row.state, row.kind, row.said, row.unblock) == (
        "held",
        fields["blocked"],
        said,
        unblock,
    )


def test_no_fitting_machine():
    row = of(waiting=(job("a-1", requires=Requirement(gpu_cores=40)),))
    assert (row.state, row.kind) == ("held", "no_host")
    assert row.said == "No machine fits: it asks for 40 GPU cores, and studio has 18."


def test_a_silent_machine_is_waited_for():
    row = of(waiting=(job("a-1"),), hosts=(mac(absent="it has been silent for 5 min"),))
    assert (row.kind, row.unblock) == ("no_host", "studio sends telemetry again.")


def test_too_large_for_ever():
    row = of(waiting=(job("a-1", memory_gb=40),))
    assert (row.state, row.kind) == ("held", "never")
    assert "10.0 GB more than the 30.0 GB that studio has" in row.said


def test_room_that_is_kept_for_the_job_before_it():
    found = table(
        waiting=(job("l-1", ago_s=900, memory_gb=28, slots=0), job("a-1", memory_gb=8, slots=0)),
        running=(running("z-0", memory_gb=20, slots=0),),
    )
    row = found["a-1"]
    assert (row.kind, found["l-1"].kind) == ("order", "memory")
    assert row.said.startswith(
        "There is room on studio, but starting now would delay l-1, which is before it in the line."
    )
    assert row.unblock == "It starts when l-1 starts."


def test_a_job_that_would_delay_another_goes_to_another_machine():
    found = table(
        waiting=(job("l-1", ago_s=900, memory_gb=28, slots=0), job("a-1", memory_gb=8, slots=0)),
        running=(running("z-0", memory_gb=20, slots=0),),
        hosts=(mac(), mac("mini", 11)),
    )
    assert (found["a-1"].kind, found["a-1"].host) == ("starting", "mini")


def test_memory_that_other_programs_have():
    row = of(waiting=(job("a-1"),), hosts=(mac(available_bytes=6 * GIB),))
    assert (row.kind, row.unblock) == ("memory", "Other programs on studio give memory back.")


def test_who_started_a_moment_ago_is_among_those_who_hold_the_memory():
    found = table(
        waiting=(
            job("l-1", ago_s=900, memory_gb=20, slots=0),
            job("s-1", ago_s=800, memory_gb=4, slots=0),
            job("l-2", ago_s=700, memory_gb=20, slots=0),
        ),
        running=(running("z-0", memory_gb=16, slots=0),),
    )
    assert found["s-1"].kind == "starting"
    assert "s-1" not in found["l-1"].said
    assert "the job s-1" in found["l-2"].said


def test_an_operator_is_named():
    moved = (Override("b-1", "front", by="ana"),)
    found = table(
        waiting=(job("a-1"), job("b-1", ago_s=1)), running=(running("z-0"),), overrides=moved
    )
    assert found["b-1"].position == 1
    assert found["b-1"].said.endswith("ana moved it to the front of the line.")


def test_every_reason_has_a_word():
    assert len(set(KINDS.values())) == len(KINDS)


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

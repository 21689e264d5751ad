"""Every reason for which a job waits, as it is told, and what would unblock it."""

import pytest

from services.resources.models import GIB
from services.workflows.models import Override, Share
from services.workflows.queue import KINDS
from services.workflows.routing import Requirement
from services.workflows.thermal import HostPolicy
from tests.services.resources.machines import lease, mac
from tests.services.workflows.lines import HOUR, NOW, job, used
from tests.services.workflows.tables import HOT, of, running, table

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


def test_small_jobs_together_do_not_delay_the_one_before_them():
    """The large one leaves 10 GB when its turn comes: room for one of two that both fit now."""
    found = table(
        waiting=(
            job("l-1", ago_s=900, memory_gb=20, slots=0),
            job("s-1", ago_s=800, memory_gb=6, slots=0),
            job("t-1", ago_s=700, memory_gb=6, slots=0),
        ),
        running=(running("z-0", memory_gb=16, slots=0),),
    )
    assert (found["s-1"].kind, found["t-1"].kind) == ("starting", "order")


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

"""Where Airflow sends a project's heavy task, with and without workers."""

from dataclasses import replace

import pytest

from services.resources.ledger import Ledger
from services.resources.models import GIB, Needs
from services.workflows import routes
from services.workflows.dispatch import Situation, dispatch
from services.workflows.fair import line
from services.workflows.models import Job, Rules
from services.workflows.routes import EXECUTOR, NOWHERE, Machine, Routed, here_alone, routed
from services.workflows.routing import ANYWHERE, Requirement
from tests.services.resources.machines import mac

HUB = Machine(mac("hub", chip="Apple M2", gpu_cores=10, total_bytes=24 * GIB))
PRO = Machine(
    mac("pro", chip="Apple M3 Pro", gpu_cores=18, total_bytes=36 * GIB), frozenset({"lora", "clip"})
)
MAX = Machine(
    mac("max", chip="Apple M4 Max", gpu_cores=40, total_bytes=128 * GIB), frozenset({"lora"})
)
ALL = (HUB, PRO, MAX)


def test_without_workers_a_task_goes_through_the_pool_of_this_machine():
    assert here_alone(Needs(GIB), "hub") == Routed(
        {"pool": "mlops_gpu@hub", "pool_slots": 1}, ("hub",), "It runs on hub."
    )
    light = here_alone(Needs(GIB, gpu_slots=0), "hub").route
    assert light == {"pool": "mlops_memory@hub", "pool_slots": 4}


@pytest.mark.parametrize(
    ("project", "requirement", "hosts"),
    [
        ("lora", ANYWHERE, ("hub", "max", "pro")),
        ("clip", ANYWHERE, ("hub", "pro")),
        ("lora", Requirement(gpu_cores=16), ("max", "pro")),
        ("clip", Requirement(gpu_cores=16), ("pro",)),
        ("lora", Requirement(memory_gb=64), ("max",)),
        ("lora", Requirement(chip="M3"), ("pro",)),
        ("lora", Requirement(host="pro"), ("pro",)),
        ("other", Requirement(gpu_cores=16), ()),
    ],
)
def test_a_task_may_go_where_the_machine_fits_and_the_project_is(project, requirement, hosts):
    found = routed(project, requirement, ALL, "hub")
    assert found.hosts == hosts
    queue = f"mlops@{hosts[0]}" if hosts else NOWHERE
    assert found.route == {"queue": queue, "executor": EXECUTOR}


def test_while_nobody_decides_the_machine_of_the_platform_goes_first():
    assert routed("lora", ANYWHERE, ALL, "pro").route["queue"] == "mlops@pro"


def test_a_fitting_machine_without_the_project_is_named():
    said = routed("clip", Requirement(memory_gb=64), ALL, "hub").said
    assert said == (
        "No machine fits: it asks for 64 GB of memory, and hub has 24 GB; pro has 36 GB. "
        "max would do, and does not have the project."
    )
    assert "would do" not in routed("clip", Requirement(chip="M3"), ALL, "hub").said


def test_the_ledger_counts_on_machines_with_a_living_worker():
    idle = mac("idle")
    asleep = replace(MAX, capacity=replace(MAX.capacity, absent="its worker is lost"))
    telemetry = (HUB.capacity, replace(PRO.capacity, gpu_slots=2), idle, MAX.capacity)
    found = {one.host: one for one in routes.with_workers(telemetry, (HUB, PRO, asleep), "hub")}
    assert found["hub"] == HUB.capacity
    assert found["pro"].gpu_slots == 2  # telemetry and its rules know more than the worker
    assert found["max"].absent == "its worker is lost"
    assert found["idle"].absent.startswith("no worker runs there")
    alone = routes.with_workers((), (PRO,), "hub")
    assert alone == (PRO.capacity,)


def test_a_job_is_released_only_where_its_project_is():
    clip = Job("clip.train/r/train", "clip", 0.0, Needs(GIB), machines=frozenset({"hub", "pro"}))
    lora = replace(clip, id="lora.train/r/train", project="lora", machines=frozenset({"max"}))
    none = replace(clip, id="none.train/r/train", project="none", machines=frozenset())
    order = line((clip, lora, none), (), {}, 1.0, (), Rules())
    hosts = tuple(one.capacity for one in ALL)
    decided = dispatch(order, Situation(Ledger(hosts, ()), 1.0, here="hub"))
    assert {one.job.project: one.host for one in decided.starts}["lora"] == "max"
    assert {one.job.project: one.host for one in decided.starts}["clip"] in {"hub", "pro"}
    assert [(one.job.project, one.reason) for one in decided.waits] == [("none", "no_host")]

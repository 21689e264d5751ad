"""Heavy tasks as jobs: what counts as running, as waiting, and what holds a job."""

from dataclasses import replace

import pytest

from services.mirror.workflow_models import TaskRun, WorkflowRun
from services.projects.contract import Contract
from services.resources.models import GIB, Needs
from services.workflows.forecast import Lengths
from services.workflows.jobs import began_at, jobs, seconds_of, uses
from tests.services.mirror.workflow_things import at, workflow
from tests.services.resources.machines import mac

RUNNING = {"outcome": "running", "try": 1, "started_at": at(10).isoformat()}


class Told:
    """What is known of projects: nothing but what a job needs."""

    def contract(self, project: str) -> Contract | None:
        del project
        return None

    def needs(self, project: str) -> Needs:
        del project
        return Needs(4 * GIB)

    def lengths(self, dag_id: str, task_id: str) -> Lengths:
        del dag_id, task_id
        return Lengths(60.0, 90.0, "the last 3 took 60 s")

    def project(self, task: TaskRun) -> str:
        return task.project


def task(task_id: str = "train", state: str = "running", **more: object) -> TaskRun:
    operator = "HeavyTask" if task_id in {"train", "server", "client"} else "PlatformTask"
    given = TaskRun(
        "lora.train", "one", task_id, -1, "lora", task_id, operator, state, 1, 0, at(1), at(2),  # type: ignore[arg-type]
        at(3), None, "default_pool", None, 1, "vm", None,
    )  # fmt: skip
    return replace(given, **more)  # type: ignore[arg-type]


def run(state: str = "running", run_id: str = "one") -> WorkflowRun:
    return WorkflowRun(
        "lora.train", run_id, "lora", state, "manual", {}, at(0), at(1), None, None, None, None  # type: ignore[arg-type]
    )  # fmt: skip


def look(*tasks: TaskRun, runs: tuple[WorkflowRun, ...] = (run(),), paused: bool = False):
    hosts = (mac("studio"), mac("mini"))
    return jobs(tasks, runs, [workflow(paused=paused)], Told(), hosts=hosts, here="studio")


@pytest.mark.parametrize(
    ("evidence", "begun"),
    [
        (RUNNING, True),
        ({}, False),  # it only asks whether it may start
        (RUNNING | {"try": 2}, False),  # of another try
        (RUNNING | {"outcome": "succeeded"}, False),
        (RUNNING | {"started_at": "soon"}, False),
    ],
)
def test_a_task_runs_when_its_command_does(evidence: dict[str, object], begun: bool):
    one = task(evidence=evidence)
    assert (began_at(one) is not None) is begun
    found = look(one)
    assert (len(found.running), len(found.waiting)) == ((1, 0) if begun else (0, 1))


def test_a_worker_tells_nothing_before_its_end_and_its_task_runs_all_the_same():
    (running,) = look(task(host="mini")).running
    assert (running.host, running.begin, running.end) == (
        "mini", at(3).timestamp(), at(63).timestamp(),
    )  # fmt: skip
    assert look(task(host="mini", state="deferred")).running == ()


def test_what_holds_a_job_is_told_in_the_order_in_which_it_matters():
    waits = task(state="none")
    before = task("data_pull", state="running")
    (job,) = look(waits, before).waiting
    assert (job.blocked, job.blocked_by) == ("dependency", "the task data_pull")
    (job,) = look(waits, task("data_pull", state="success")).waiting
    assert job.blocked is None
    (job,) = look(waits, before, paused=True).waiting
    assert job.blocked == "paused"
    (job,) = look(waits, runs=(run("queued"),)).waiting
    assert job.blocked_by == "the beginning of its run"
    (job,) = look(waits, runs=(run("queued"), run(run_id="two"))).waiting
    assert job.blocked_by == "the run of lora.train before it"


def test_light_and_ended_tasks_are_no_jobs_and_clients_take_no_slot():
    done = [task(state=state) for state in ("success", "failed", "upstream_failed", "skipped")]
    found = look(*done, task("gate", state="scheduled"))
    assert (found.running, found.waiting) == ((), ())
    (server, client) = look(task("server", state="deferred"), task("client", "deferred")).waiting
    assert (server.needs.gpu_slots, client.needs.gpu_slots) == (1, 0)


def test_use_is_what_the_command_took_and_not_what_it_waited():
    ended = RUNNING | {"outcome": "succeeded", "ended_at": at(70).isoformat()}
    one = task(state="success", evidence=ended, ended_at=at(99))
    assert seconds_of(one) == 60.0
    (use,) = uses([one, task("gate", state="success")], Told(), (mac("studio"),))
    assert (use.begin, use.end) == (at(10).timestamp(), at(70).timestamp())
    assert uses([task(state="success")], Told(), (mac("studio"),)) == ()

"""What a failure's machine was like, out of recorded samples of a Mac and of Linux."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from services.engines.silicon.models import Machine
from services.errors import NotFoundError
from services.mirror.workflow_models import TaskRun, WorkflowTask
from services.telemetry.models import HostState
from services.workflows.explaining import explained
from services.workflows.failure import Explanation
from tests.services.telemetry.recordings import (
    BUSY,
    HOST,
    LINUX,
    MAC,
    PSUTIL,
    Kept,
    at,
    recording,
)
from tests.services.workflows.test_failure import FAILED, task

HOT = {**BUSY, "thermal_level": 3, "gpu_mhz": 700.0, "memory_pressure": 4}


class NoSuccess:
    """A mirror in which the task never succeeded."""

    tasks: tuple[WorkflowTask, ...] | None = None

    def earlier(self, dag_id: str, task_id: str) -> tuple[TaskRun, ...]:
        return ()

    def workflow(self, dag_id: str) -> SimpleNamespace:
        if self.tasks is None:
            raise NotFoundError(f"There is no workflow {dag_id}.")
        return SimpleNamespace(tasks=self.tasks)


def why(
    samples: Any, *, machine: Machine = MAC, log: Any = None, folder: Path = Path("/nowhere"),
    **more: Any,
) -> Explanation:  # fmt: skip
    said = FAILED | {
        "outcome": "timeout", "started_at": at(0).isoformat(), "ended_at": at(120).isoformat(),
    } | more  # fmt: skip
    failed = replace(task(), evidence=said)
    telemetry = Kept(HostState(machine, at(120), ()), samples=samples)
    return explained(failed, (failed,), NoSuccess(), folder, telemetry, HOST, log)  # type: ignore[arg-type]


def facts(found: Explanation) -> dict[str, tuple[str, bool, bool]]:
    return {one.label: (one.said, one.known, one.telling) for one in found.facts}


def test_heat_power_and_pressure_are_those_of_the_time_it_ran():
    cool_then_hot = recording(130, lambda s: HOT if s > 60 else BUSY)
    found = why(cool_then_hot)
    told = facts(found)
    assert told["Heat"] == ("level 3 at most, throttled 50% of the time", True, True)
    assert told["Memory pressure"] == ("level 4 at most", True, False)
    assert told["Power"] == ("plugged in", True, False)
    assert told["Power drawn"] == ("28.0 W by the whole machine, on average", True, False)
    assert "hrottled" in told["Slowed down by"][0]
    assert found.next_step.startswith("Its machine was slowed down. ")
    other = facts(why(cool_then_hot, outcome="data"))
    assert other["Heat"] == ("level 3 at most, throttled 50% of the time", True, False)
    before = why(cool_then_hot, ended_at=at(60).isoformat())
    assert facts(before)["Heat"] == ("level 0 at most", True, False)
    assert "Slowed down by" not in facts(before)


def test_a_machine_that_does_not_tell_is_not_said_to_be_cool():
    told = facts(why(recording(130, PSUTIL, machine=LINUX), machine=LINUX))
    for label in ("Heat", "Memory pressure", "Power", "Power drawn"):
        assert told[label][1] is False, label
    assert not any(char.isdigit() for char in told["Power drawn"][0])
    assert facts(why(()))["Heat and power"] == ("no sample was taken meanwhile", False, False)


def test_of_a_long_task_the_end_is_looked_at():
    long_ago = (at(0) - timedelta(days=9)).isoformat()
    told = facts(why(recording(130, HOT), started_at=long_ago))
    assert told["Heat"][0].startswith("level 3")
    assert told["Heat and power"] == ("of its last 2.0 h", True, False)
    long_before = recording(60, HOT, begin_s=-9000) + recording(130, BUSY)
    assert facts(why(long_before, started_at=long_ago))["Heat"][0] == "level 0 at most"


def test_airflow_is_asked_only_for_what_left_no_evidence(tmp_path: Path):
    asked: list[str] = []

    def log(one: TaskRun) -> Sequence[str]:
        asked.append(one.label)
        return ("Task did not emit heartbeat within time limit (300 seconds)",)

    why((), log=log)
    assert asked == []
    found = why((), log=log, outcome="running", sentence="")
    assert asked == ["train"]
    assert found.cause.startswith("Its worker was not heard of any more")


def test_who_fails_for_others_names_those_it_waits_for_alone():
    def step(task_id: str, *downstream: str) -> WorkflowTask:
        return WorkflowTask(task_id, task_id, "HeavyTask", downstream, "", False, 0)

    tasks = tuple(
        replace(task(state), task_id=name)
        for name, state in {
            "pull": "success", "server": "failed", "client": "failed",
            "check": "upstream_failed", "gate": "upstream_failed",
        }.items()
    )  # fmt: skip
    mirror = NoSuccess()
    telemetry = Kept(HostState(MAC, at(120), ()), samples=())

    def cause() -> str:
        return explained(
            tasks[-1],
            tasks,
            mirror,
            Path("/nowhere"),
            telemetry,
            HOST,  # type: ignore[arg-type]
        ).cause

    assert cause() == "It did not begin, for server, client failed."
    mirror.tasks = (
        step("pull", "server", "client"),
        step("server", "check"),
        step("client"),
        step("check", "gate"),
        step("gate"),
    )
    assert cause() == "It did not begin, for server failed."

"""What a launch will probably take, and when it probably starts."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dashboard.workflows import estimate
from services.mirror.workflow_models import Decided, QueueRow, TaskRun
from tests.dashboard.workflows.made import NOW, task
from tests.services.mirror.workflow_things import STEPS, workflow


def took(*seconds: float) -> tuple[TaskRun, ...]:
    return tuple(
        task(started_at=NOW - timedelta(seconds=one), ended_at=NOW, queued_at=None)
        for one in seconds
    )


def test_a_run_takes_its_longest_way():
    earlier = {"data_pull": took(2, 4, 3), "train": took(60, 100, 80), "evaluate": took(10)}
    found = estimate.estimate(workflow(), lambda name: earlier.get(name, ()))
    assert found.median_s == 3 + 80 + 10
    assert found.late_s == 4 + 100 + 10
    assert found.untold == ("register", "gate")
    said = estimate.said(found)
    assert said.startswith("About 1 min 33 s once it starts")
    assert "1 min 54 s if each task is as slow as one in ten" in said
    assert said.endswith("Not counted, for it never succeeded: register, gate.")


def test_ways_beside_each_other_are_not_added():
    tasks = list(workflow().tasks)
    tasks[0] = replace(tasks[0], downstream=("train", "evaluate"))
    tasks[1] = replace(tasks[1], downstream=("register",))
    tasks[2] = replace(tasks[2], downstream=("register",))
    seconds = dict(zip(STEPS, (1.0, 50.0, 20.0, 5.0, 2.0), strict=True))
    found = estimate.estimate(workflow(tasks=tuple(tasks)), lambda name: took(seconds[name]))
    assert found.median_s == 1 + 50 + 5 + 2


def test_what_a_command_waited_for_its_turn_does_not_count():
    said = {
        "started_at": (NOW - timedelta(seconds=5)).isoformat(), "ended_at": NOW.isoformat(),
    }  # fmt: skip
    waited = (task(started_at=NOW - timedelta(hours=1), ended_at=NOW, evidence=said),)
    found = estimate.estimate(workflow(), lambda name: waited if name == "train" else ())
    assert found.median_s == 5


def test_without_a_success_nothing_is_estimated():
    found = estimate.estimate(workflow(), lambda _: ())
    assert (found.median_s, found.late_s) == (None, None)
    assert "not known: none of its tasks has succeeded yet" in estimate.said(found)


# When it starts


def row(state: str, **more: Any) -> QueueRow:
    said: dict[str, Any] = {
        "id": "a", "project": "lora", "what": "train", "state": state, "kind": "order", "said": "",
        "position": None, "expected_at": None, "expected_late_at": None, "expected_said": "",
        "priority": 5, "weight": None, "unblock": "", "host": None, "since": NOW, "ends_at": None,
    }  # fmt: skip
    return QueueRow(**said | more)


def decided(*rows: QueueRow, ago_s: float = 1, **host: Any) -> Decided:
    free = {"host": "studio", "absent": False, "stance": "open", "free_slots": 1} | host
    return Decided(NOW - timedelta(seconds=ago_s), rows, (free,), (), ())


SOON, LATER = NOW + timedelta(minutes=2), NOW + timedelta(minutes=9)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "the queue has not been decided yet"),
        (decided(ago_s=120), "the queue was last decided 2 min ago"),
        (decided(), "expected to start at once"),
        (decided(free_slots=0), "not known when one will be"),
        (decided(stance="hold"), "No machine is free now"),
        (decided(absent=True), "No machine is free now"),
        (
            decided(row("running", ends_at=LATER), row("starting", ends_at=SOON), free_slots=0),
            "when a machine is free, expected in 2 min",
        ),
        (
            decided(row("waiting", expected_at=SOON), row("waiting", expected_at=LATER)),
            "2 jobs wait already; the last of them is expected to start in 9 min",
        ),
        (decided(row("waiting")), "1 job waits already, and it is not known when all"),
    ],
)
def test_the_start_is_told_as_far_as_the_queue_tells_it(found: Decided | None, said: str):
    assert said in estimate.start_said(found, NOW)

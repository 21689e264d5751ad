"""Runs and workflows as figures and sentences."""

from datetime import timedelta
from typing import Any

import pytest

from dashboard.workflows import figures, states
from dashboard.workflows.figures import Line, lines, matching
from services.mirror.workflow_figures import Record
from services.mirror.workflow_models import WorkflowRun
from tests.dashboard.workflows.made import NOW, run, task
from tests.services.mirror.workflow_things import workflow

NOTHING = Record(0, 0, None)


def line(strip: tuple[WorkflowRun, ...] = (), title: str = "LoRA", **more: Any) -> Line:
    return Line(workflow(**more), title, strip, NOTHING)


def test_workflows_over_all_projects_come_last():
    given = [workflow("platform", "compare"), workflow("vision"), workflow("lora")]
    found = lines(given, {}, {}, {"lora": "LoRA", "vision": "Vision", "platform": "All projects"})
    assert [one.workflow.dag_id for one in found] == [
        "lora.train", "vision.train", "platform.compare",
    ]  # fmt: skip
    assert found[0].record == NOTHING


def test_a_search_needs_all_words_and_one_of_the_states():
    known = [
        line((run(state="failed"), run(state="running"))),
        line(title="Vision", project="vision", paused=True),
        line(title="Vision", project="vision", name="release", broken=True),
    ]
    assert matching(known, "VISION rel", (), ()) == known[2:]
    assert matching(known, "", ("running",), ()) == known[:1]
    assert matching(known, "", ("failed",), ()) == []  # the last run is what it is found by
    assert matching(known, "", (figures.NEVER,), ()) == known[1:]
    assert matching(known, "", (figures.PAUSED, figures.BROKEN), ()) == known[1:]
    assert matching(known, "", (), ("release",)) == known[2:]
    assert matching(known, "lora vision", (), ()) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"state": "running", "ended_at": None}, "running for 2 min"),
        ({"state": "queued", "started_at": None}, "waits, queued 2 min ago"),
        ({"ended_at": NOW - timedelta(seconds=60)}, "succeeded 1 min ago, took 1 min"),
        ({"state": "failed", "started_at": None}, "failed just now"),
    ],
)
def test_a_run_is_told_in_a_sentence(more: dict[str, Any], said: str):
    assert figures.said_of(run(**more), NOW) == said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"caused_by": ("lora.train", "one")}, "set off by lora.train"),
        ({"kind": "scheduled"}, "by its schedule"),
        ({"kind": "asset_triggered"}, "set off by another workflow"),
        ({"note": "Launched by mira. For the paper. Twice."}, "by mira"),
        ({"note": "Launched by os:root."}, "by os:root"),
        ({"user": "omar"}, "by omar"),
        ({"user": "platform"}, "by hand"),
    ],
)
def test_who_began_a_run(more: dict[str, Any], said: str):
    assert figures.who(run(**more)) == said


def test_a_task_that_waits_has_waited_until_now():
    queued = NOW - timedelta(seconds=90)
    assert figures.waited_s(task("queued", queued_at=queued, started_at=None), NOW) == 90
    assert figures.ran_s(task("queued", queued_at=queued, started_at=None), NOW) is None
    assert figures.waited_s(task("none", queued_at=None, scheduled_at=None), NOW) is None


def test_when_a_workflow_begins_by_itself():
    assert figures.schedule(workflow()) == "by hand"
    assert figures.schedule(workflow(schedule="@daily")) == "@daily"
    assert figures.schedule(workflow(starts_on=("mlops://x/passed-gates",))) == "on passed gates"
    assert figures.schedule(workflow(starts_on=("s3://x/y",))) == "on what others make"


def test_what_a_share_rests_on():
    assert figures.record_said(Record(3, 2, 1.0)) == "2 of 3 runs that ended in this time."
    assert figures.record_said(NOTHING) == "No run ended in this time."


def test_of_several_tasks_the_worst_speaks():
    assert states.worst(["success", "running", "failed"]) == "failed"
    assert states.worst(["success", "skipped"]) == "skipped"
    assert states.worst([]) == "none"


def test_every_state_has_a_look_of_its_own_words():
    for state in ("success", "up_for_retry", "upstream_failed", "awaiting_input", "deferred"):
        assert states.shape(state) in "✓▲◷"
        assert "_" not in states.word(state)

"""Workflows in the mirror: what is written is read again, and changes count."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.errors import InputError, NotFoundError
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.workflow_models import WorkflowFault
from services.mirror.workflow_queries import Workflows
from services.mirror.workflow_store import WorkflowStore
from services.mirror.workflow_tables import QUEUE
from tests.conftest import BOTH
from tests.services.mirror.workflow_things import T0, at, dag_run, task, workflow


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/mirror.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def store(url: str) -> Iterator[WorkflowStore]:
    made = WorkflowStore(schema.prepare(url)[0])
    yield made
    made.engine.dispose()


@pytest.fixture
def mirror(url: str, store: WorkflowStore) -> Iterator[Mirror]:
    del store  # it makes the tables
    made = Mirror(url)
    yield made
    made.engine.dispose()


@pytest.fixture
def workflows(mirror: Mirror) -> Workflows:
    return Workflows(mirror)


def test_workflows_are_read_as_they_were_written(store: WorkflowStore, workflows: Workflows):
    announced = "mlops://lora/passed-gates"
    made = (
        workflow("lora", "release", starts_on=(announced,)),
        workflow("lora", next_run_at=at(7), schedule="@daily", makes=(announced,)),
        workflow("platform", "compare"),
        workflow("vision"),
    )
    store.write_workflows(made)
    assert workflows.workflows() == made
    assert workflows.workflow("lora.train") == made[1]
    assert [one.dag_id for one in workflows.workflows(("vision",))] == [
        "platform.compare", "vision.train",
    ]  # fmt: skip
    store.keep_workflows({"lora.train"})
    assert workflows.workflows() == made[1:2]
    with pytest.raises(NotFoundError, match=r"no workflow 'vision\.train'"):
        workflows.workflow("vision.train")


def test_runs_page_by_when_they_were_due(store: WorkflowStore, workflows: Workflows):
    runs = [
        ("lora", dag_run(run_id=f"r{n}", state="success", run_after=at(n), ended_at=at(100 + n)))
        for n in range(5)
    ]
    store.write_runs([*runs, ("vision", dag_run("vision.train", "r1", run_after=at(9)))], {})
    assert [one.run_id for one in workflows.runs("lora.train", limit=2)] == ["r4", "r3"]
    later = workflows.runs("lora.train", before=at(3))
    assert [one.run_id for one in later] == ["r2", "r1", "r0"]
    assert [one.dag_id for one in workflows.runs(states=("running",))] == ["vision.train"]
    assert [one.run_id for one in workflows.runs(since=at(103))] == ["r1", "r4", "r3"]
    assert [one.run_id for one in workflows.strips(["lora.train"], 3)["lora.train"]] == [
        "r2", "r3", "r4",
    ]  # fmt: skip
    assert workflows.find_run("r4") == workflows.run("lora.train", "r4")
    assert workflows.find_run("vision.train/r1").project == "vision"
    with pytest.raises(InputError, match="Several workflows"):
        workflows.find_run("r1")
    with pytest.raises(NotFoundError, match="no workflow run"):
        workflows.find_run("nothing")


def test_a_run_that_begins_and_ends_is_in_the_feed_once(
    store: WorkflowStore, workflows: Workflows, mirror: Mirror
):
    store.write_runs([("lora", dag_run(state="success", run_id="old"))], {})
    assert mirror.changes() == ()  # history that is read at the first start is no news
    for state in ("queued", "running", "running", "failed"):
        cause = {("lora.train", "one"): ("lora.gate", "x")}
        store.write_runs([("lora", dag_run(state=state))], cause)
    said = [(one.kind, one.subject) for one in mirror.changes()]
    assert said == [
        ("workflow.failed", "lora.train/one"), ("workflow.started", "lora.train/one"),
    ]  # fmt: skip
    assert workflows.run("lora.train", "one").caused_by == ("lora.gate", "x")


def test_tasks_change_only_when_something_is_new(store: WorkflowStore, workflows: Workflows):
    store.write_runs([("lora", dag_run())], {})
    both = [("lora", task("train")), ("lora", task("client", map_index=2))]
    assert store.write_tasks(both) is True
    change = workflows.change()
    assert store.write_tasks(both) is False
    assert workflows.change() == change
    assert store.write_tasks([("lora", task("train", "success"))]) is True
    assert workflows.change() > change
    found = {one.label: one for one in workflows.tasks("lora.train", "one")}
    assert found["train"].ended_at == at(50)
    assert found["client[2]"].job == "lora.train/one/client[2]"
    assert len(workflows.active_tasks()) == 2
    assert [one.task_id for one in workflows.earlier("lora.train", "train")] == ["train"]
    assert workflows.ended_tasks(at(51)) == ()
    assert len(workflows.ended_tasks(at(50))) == 1
    store.keep_tasks("lora.train", "one", {("train", -1)})
    assert [one.label for one in workflows.tasks("lora.train", "one")] == ["train"]


def test_evidence_stays_with_its_task(store: WorkflowStore, workflows: Workflows):
    store.write_tasks([("lora", task())])
    key = ("lora.train", "one", "train", -1)
    evidence: dict[str, Any] = {"outcome": "running", "runs": [{"run_id": "abc"}], "big": 10**30}
    store.write_evidence(key, evidence, settled=False)
    change = workflows.change()
    store.write_evidence(key, evidence, settled=False)
    assert workflows.change() == change
    store.write_tasks([("lora", task(state="success"))])
    (found,) = workflows.tasks("lora.train", "one")
    assert (found.state, found.run_ids) == ("success", ("abc",))
    assert workflows.unread() == (found,)
    store.write_evidence(key, evidence, settled=True)
    assert workflows.unread() == ()
    store.write_tasks([("lora", task(state="running", tries=2))])  # cleared: it is read again
    assert [one.tries for one in workflows.unread()] == [2]


def test_a_file_that_breaks_is_news_once(
    store: WorkflowStore, workflows: Workflows, mirror: Mirror
):
    fault = WorkflowFault("dags/mlops_dag_lora.py", "lora", "SpecError: no", "Traceback …", T0)
    for _ in range(2):
        store.write_faults([fault])
    assert workflows.faults() == (fault,)
    assert workflows.faults(("vision",)) == ()
    assert [one.kind for one in mirror.changes()] == ["workflow.broken"]
    store.write_faults([])
    assert workflows.faults() == ()


def test_the_queue_is_as_it_was_decided_last(store: WorkflowStore, workflows: Workflows):
    assert workflows.queue() is None
    row = {
        "id": "lora.train/one/train", "project": "lora", "what": "LoRA: train", "state": "waiting",
        "kind": "order", "said": "Its turn.", "position": 1, "expected_at": at(60).isoformat(),
        "expected_late_at": None, "expected_said": "", "priority": 5, "weight": 1001,
        "unblock": "", "host": None, "since": T0.isoformat(), "ends_at": None,
    }  # fmt: skip
    document = {"rows": [row], "hosts": [{"host": "studio"}], "shares": [], "pools": []}
    change = workflows.change()
    store.write_picture(QUEUE, round(T0.timestamp() * 1000), document)
    found = workflows.queue()
    assert found is not None
    assert (found.at, found.rows[0].expected_at, found.rows[0].since) == (T0, at(60), T0)
    assert found.hosts == ({"host": "studio"},)
    assert workflows.change() == change


def test_waits_are_replaced_while_open_and_stay_when_ended(
    store: WorkflowStore, workflows: Workflows
):
    def wait(kind: str, begin: int, end: int | None) -> dict[str, object]:
        now = round(at(0).timestamp() * 1000)
        return {
            "job": "a", "project": "lora", "kind": kind, "said": kind,
            "begin_ms": now + begin, "end_ms": None if end is None else now + end,
        }  # fmt: skip

    now = round(at(10).timestamp() * 1000)
    store.write_waits([], [wait("order", 0, None)], now)
    store.write_waits([wait("order", 0, 500)], [wait("thermal", 500, None)], now)
    day = 86_400_000
    assert [one.kind for one in workflows.waits(at(0))] == ["order", "thermal"]
    assert workflows.waits(at(0), ("vision",)) == ()
    assert len(workflows.waits(at(0), job="a")) == 2
    assert [one.kind for one in workflows.waits(at(1))] == ["thermal"]  # what is open counts
    store.write_waits([], [], now + 36 * day)
    assert workflows.waits(at(0)) == ()


def test_decisions_keep_their_readings(store: WorkflowStore, workflows: Workflows, mirror: Mirror):
    figures = [
        {"metric": "thermal_level", "value": 2.0, "source": "macmon", "at": 1.0, "reason": ""}
    ]
    document = {
        "before": "open", "stance": "hold", "rule": "heat", "said": "studio is hot.",
        "figures": figures,
    }  # fmt: skip
    store.write_decision("studio", round(at(1).timestamp() * 1000), document, "studio is hot.")
    (found,) = workflows.decisions(at(0))
    assert (found.stance, found.figures) == ("hold", tuple(figures))
    assert [one.title for one in mirror.changes()] == ["studio is hot."]

"""The mirror follows Airflow: what changes, what was missed, what is gone, what runners tell."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from services.controller.workflows import WorkflowSync
from services.engines.airflow.models import Asset, AssetEvent, ImportFault
from services.errors import EngineUnreachableError
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.workflow_queries import Workflows
from services.mirror.workflow_store import WorkflowStore
from tests.services.controller.told_airflow import ToldAirflow, dag
from tests.services.mirror.workflow_things import T0, at

if TYPE_CHECKING:
    from services.engines.airflow.adapter import Airflow

URI = "mlops://lora/passed-gates"


class Clock:
    def __init__(self) -> None:
        self.now = at(100).timestamp()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def airflow() -> ToldAirflow:
    made = ToldAirflow()
    made.add(dag())
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workflows(tmp_path: Path) -> Iterator[Workflows]:
    url = f"sqlite:///{tmp_path}/mirror.db"
    schema.prepare(url)[0].dispose()
    mirror = Mirror(url)
    yield Workflows(mirror)
    mirror.engine.dispose()


@pytest.fixture
def sync(
    airflow: ToldAirflow, workflows: Workflows, clock: Clock, tmp_path: Path
) -> Iterator[WorkflowSync]:
    store = WorkflowStore(schema.open_engine(f"sqlite:///{tmp_path}/mirror.db"))
    yield WorkflowSync(store, workflows, cast("Airflow", airflow), tmp_path / "evidence", clock)
    store.engine.dispose()


def turn(sync: WorkflowSync, clock: Clock, seconds: float = 1.0) -> None:
    clock.now += seconds
    sync.turn()


def state(workflows: Workflows, task_id: str) -> str:
    found = {one.task_id: one for one in workflows.tasks("lora.train", "one")}
    return found[task_id].state


def test_everything_is_read_first_and_then_what_changes(
    sync: WorkflowSync, airflow: ToldAirflow, workflows: Workflows, clock: Clock
):
    airflow.all_assets = (
        Asset(1, "x", URI, "", {}, (("lora.train", "gate"),), ("lora.release",), T0),
    )
    airflow.add(dag("lora.release"))
    airflow.run(state="success")
    airflow.task("train", "success")
    sync.turn()
    made = workflows.workflow("lora.train")
    assert (made.project, made.name, made.makes) == ("lora", "train", (URI,))
    assert [one.downstream for one in made.tasks] == [("train",), ("gate",), ()]
    assert made.params[0].schema == {"type": "integer"}
    assert workflows.workflow("lora.release").starts_on == (URI,)
    assert workflows.run("lora.train", "one").state == "success"
    assert state(workflows, "train") == "success"
    airflow.asked.clear()
    turn(sync, clock)
    assert airflow.asked == ["changes"]  # between two whole looks nothing else is asked


def test_a_paused_workflow_is_seen_without_reading_the_others_again(
    sync: WorkflowSync, airflow: ToldAirflow, workflows: Workflows, clock: Clock
):
    for number in range(20):
        airflow.add(dag(f"p{number}.train"))
    sync.turn()
    airflow.asked.clear()
    airflow.all_dags["p3.train"] = dag("p3.train", paused=True)
    turn(sync, clock, 5)
    assert workflows.workflow("p3.train").paused
    assert [one for one in airflow.asked if one.startswith("dag ")] == ["dag p3.train"]
    airflow.asked.clear()
    turn(sync, clock, 61)  # what its list does not show is read again in turn, a few at a time
    assert 1 < len([one for one in airflow.asked if one.startswith("dag ")]) < 6


def test_a_missed_change_of_what_is_active_is_made_up_for(
    sync: WorkflowSync, airflow: ToldAirflow, workflows: Workflows, clock: Clock
):
    airflow.run()
    airflow.task("train", "running")
    airflow.task("gate", "none")
    sync.turn()
    # Airflow's list of changes tells nothing here: only the whole look finds it.
    airflow.task("train", "success")
    del airflow.all_tasks["lora.train", "one", "gate", -1]
    turn(sync, clock)
    assert state(workflows, "train") == "running"
    turn(sync, clock, 5)
    assert state(workflows, "train") == "success"
    assert [one.task_id for one in workflows.tasks("lora.train", "one")] == ["train"]


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_clock_that_jumps_leaves_nothing_unseen(
    sync: WorkflowSync, airflow: ToldAirflow, workflows: Workflows, clock: Clock, jump: float
):
    airflow.run()
    airflow.task("train", "running")
    sync.turn()
    airflow.task("train", "success")
    turn(sync, clock, jump)
    assert state(workflows, "train") == "success"


def test_a_run_that_ended_or_was_deleted_while_nobody_looked(
    sync: WorkflowSync, airflow: ToldAirflow, workflows: Workflows, clock: Clock
):
    airflow.run(run_id="one")
    airflow.run(run_id="two")
    airflow.task("train", "running", run_id="two")
    sync.turn()
    airflow.run(run_id="one", state="failed")
    del airflow.all_runs["lora.train", "two"]
    turn(sync, clock, 5)
    assert [(one.run_id, one.state) for one in workflows.runs()] == [("one", "failed")]
    assert workflows.tasks("lora.train", "two") == ()


def test_what_a_workflow_set_off_is_known(
    sync: WorkflowSync, airflow: ToldAirflow, workflows: Workflows
):
    started = (("lora.release", "r1"),)
    airflow.events = (
        AssetEvent(1, 1, "x", URI, at(10), {}, "lora.train", "one", "gate", started),
        AssetEvent(2, 1, "x", URI, at(20), {}, None, None, None, (("lora.release", "r2"),)),
    )
    for run_id in ("r1", "r2"):
        airflow.run("lora.release", run_id, kind="asset_triggered", run_after=at(21))
    sync.turn()
    assert workflows.run("lora.release", "r1").caused_by == ("lora.train", "one")
    assert workflows.run("lora.release", "r2").caused_by is None


def test_a_broken_file_is_its_projects_alone(
    sync: WorkflowSync, airflow: ToldAirflow, workflows: Workflows
):
    airflow.faults = (
        ImportFault(
            "dags/mlops_dag_vision__1.py", None, "Traceback\n\nSpecError: It is broken.", T0
        ),
        ImportFault("dags/other.py", None, "", T0),
    )
    sync.turn()
    found = {one.project: one.cause for one in workflows.faults()}
    assert found == {"vision": "SpecError: It is broken.", "platform": "no reason was given"}
    assert workflows.workflow("lora.train")


def test_workflows_that_are_gone_are_forgotten_and_their_runs_stay(
    sync: WorkflowSync, airflow: ToldAirflow, workflows: Workflows, clock: Clock
):
    airflow.run(state="success")
    sync.turn()
    airflow.all_dags.clear()
    turn(sync, clock, 5)
    assert workflows.workflows() == ()
    assert len(workflows.runs("lora.train")) == 1


def test_an_airflow_that_is_away_takes_nothing_back(
    sync: WorkflowSync, airflow: ToldAirflow, workflows: Workflows, clock: Clock
):
    airflow.run()
    sync.turn()
    airflow.away = True
    with pytest.raises(EngineUnreachableError):
        turn(sync, clock, 5)
    assert workflows.workflow("lora.train")
    assert workflows.run("lora.train", "one").state == "running"
    airflow.away = False
    airflow.run(state="success")
    turn(sync, clock, 1)
    assert workflows.run("lora.train", "one").state == "success"


def test_evidence_is_read_while_a_task_runs_and_once_more_at_its_end(
    sync: WorkflowSync, airflow: ToldAirflow, workflows: Workflows, clock: Clock, tmp_path: Path
):
    def write(number: int = 1, **said: Any) -> None:
        folder = tmp_path / "evidence" / "lora.train" / "one"
        folder.mkdir(parents=True, exist_ok=True)
        document = {"last_lines": ["x"] * 200, "packages": {"a": "1"}, **said}
        (folder / f"train.{number}.json").write_text(json.dumps(document))

    def evidence() -> dict[str, Any]:
        (found,) = workflows.tasks("lora.train", "one")
        return dict(found.evidence)

    airflow.run()
    airflow.task("train", "running")
    sync.turn()
    assert evidence() == {}
    write(outcome="running", memory={"peak_bytes": 5})
    turn(sync, clock)
    assert evidence() == {"outcome": "running", "memory": {"peak_bytes": 5}}
    write(outcome="failed", sentence="It ended with exit code 1.")
    key = ("lora.train", "one", "train", -1)
    airflow.turns(key, state="failed", ended_at=at(105))
    turn(sync, clock, 5)
    assert evidence()["sentence"] == "It ended with exit code 1."
    write(outcome="failed", sentence="What comes later is not read.")
    turn(sync, clock, 5)
    assert evidence()["sentence"] == "It ended with exit code 1."
    # Another try has evidence of its own.
    airflow.turns(key, state="running", tries=2, ended_at=None)
    write(2, outcome="running")
    turn(sync, clock, 5)
    assert evidence() == {"outcome": "running"}
    # A runner that was killed tells no end; after a while nobody looks any more.
    airflow.turns(key, state="failed", ended_at=at(120))
    turn(sync, clock, 5)
    assert len(workflows.unread()) == 1
    turn(sync, clock, 60)
    assert workflows.unread() == ()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"outcome": "running"'])
def test_evidence_that_cannot_be_read_is_none(
    sync: WorkflowSync, airflow: ToldAirflow, workflows: Workflows, tmp_path: Path, content: bytes
):
    folder = tmp_path / "evidence" / "lora.train" / "one"
    folder.mkdir(parents=True)
    (folder / "train.1.json").write_bytes(content)
    airflow.run()
    airflow.task("train", "running")
    sync.turn()
    assert workflows.tasks("lora.train", "one")[0].evidence == {}


def test_names_of_files_are_quoted_as_the_runner_does(tmp_path: Path):
    from mlops_workflows.place import Place

    from services.mirror.workflow_models import TaskRun
    from services.workflows import evidence

    for run_id, task_id, index in (
        ("a/b", "train", 3),
        ("..", "train", -1),
        ("manual__2026+0:0", "é", -1),
    ):
        task = TaskRun(
            "lora.train", run_id, task_id, index, "lora", "", None, "running", 2, 0, None, None,
            None, None, "", None, None, None, None,
        )  # fmt: skip
        place = Place("lora.train", run_id, task_id, 2, index)
        assert evidence.path_of(tmp_path, task) == place.file(tmp_path)


def test_evidence_of_another_machine_is_brought_with_its_end(
    sync: WorkflowSync, airflow: ToldAirflow, workflows: Workflows
):
    airflow.run()
    airflow.task("train", "failed", host="mini-12345678")
    airflow.brought["lora.train", "one", "train"] = {
        "try": 1,
        "outcome": "failed",
        "sentence": "No.",
    }
    sync.turn()
    (found,) = workflows.tasks("lora.train", "one")
    assert found.evidence["sentence"] == "No."
    assert workflows.unread() == ()

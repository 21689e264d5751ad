"""Pausing, cancelling, clearing and moving: refused with the reason, done once, taken back."""

import os
from pathlib import Path

import pytest

from services.access import store
from services.actions import catalog
from services.actions.action import Action, Deed
from services.actions.executor import Executor
from services.actions.queue_move import MoveJob
from services.actions.roles import Actor
from services.actions.workflow_cancel import CancelRun
from services.actions.workflow_clear import ClearTasks
from services.actions.workflow_launch import LaunchWorkflow
from services.actions.workflow_pause import PauseWorkflow
from services.errors import (
    ConflictError,
    DeniedError,
    EngineUnreachableError,
    InputError,
    NotFoundError,
)
from services.mirror.workflow_store import WorkflowStore
from services.mirror.workflow_tables import QUEUE
from services.workflows.models import Override
from tests.services.actions.conftest import OWNER, Clock, Sabotage
from tests.services.actions.flows import DAG, Flows, connected, laid, opened
from tests.services.mirror.workflow_things import dag_run, task, workflow

JOB = f"{DAG}/one/train"


@pytest.fixture
def folder(tmp_path: Path, mould: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return laid(tmp_path, mould, monkeypatch)


@pytest.fixture
def flows(folder: Path, clock: Clock) -> Flows:
    made = connected(folder, clock)
    made.airflow.add_run(DAG, "one")
    made.know_runs(dag_run(run_id="one"))
    return made


def failed(flows: Flows) -> None:
    """Have the run ``one`` fail in its training."""
    flows.airflow.add_run(DAG, "one", "failed")
    flows.know_runs(dag_run(run_id="one", state="failed"))
    for label, state in (
        ("data_pull", "success"),
        ("train", "failed"),
        ("gate", "upstream_failed"),
    ):
        flows.airflow.add_task(DAG, "one", label, state)
        flows.know_tasks(task(label, state))


# Pausing


def test_a_workflow_is_paused_and_resumed(flows: Flows):
    said = PauseWorkflow(DAG, paused=True).consequences(flows.context)
    assert said[1] == "1 run is under way: their tasks that run go on, the next ones wait."
    record = flows.done(PauseWorkflow(DAG, paused=True))
    assert (record.state, record.title) == ("done", "Pause lora.train")
    assert record.result == "it is not paused; lora.train is paused"
    assert flows.airflow.writes == ["paused=True"]
    again = flows.done(PauseWorkflow(DAG, paused=True))
    assert again.result.endswith("lora.train is paused already")
    assert flows.done(PauseWorkflow(DAG, paused=False)).title == "Resume lora.train"
    assert flows.airflow.state["dags"][DAG]["is_paused"] is False
    flows.know(workflow(paused=True))
    assert PauseWorkflow(DAG, paused=True).consequences(flows.context) == ("It is paused already.",)


def test_a_pause_that_fails_is_taken_back(flows: Flows, clock: Clock):
    record = flows.submit(PauseWorkflow(DAG, paused=True))
    flows.airflow.deaf_after = "PATCH"
    for _ in range(9):
        flows.executor.execute_pending()
        clock.ahead_s += 60
    flows.airflow.deaf_after = ""
    clock.ahead_s += 600
    flows.executor.execute_pending()
    assert flows.executor.record(record.id).state == "compensated"
    assert flows.airflow.state["dags"][DAG]["is_paused"] is False


# Cancelling


def test_a_run_is_cancelled_once(flows: Flows):
    flows.know_tasks(task("train"), task("gate", "none"))
    said = " ".join(CancelRun(DAG, "one").consequences(flows.context))
    assert "told to end: train." in said
    assert "left out: gate." in said
    record = flows.done(CancelRun(DAG, "one"))
    assert record.state == "done"
    assert flows.airflow.writes == ["one failed"]
    # The mirror knows of the end within seconds; until then it is asked again, and is done.
    assert flows.done(CancelRun(DAG, "one")).result == "one had ended by then: failed"
    assert flows.airflow.writes == ["one failed"]


def test_what_ended_or_is_not_there_is_not_cancelled(flows: Flows):
    flows.know_runs(dag_run(run_id="two", state="success"))
    with pytest.raises(ConflictError, match="ended already: it succeeded"):
        flows.submit(CancelRun(DAG, "two"))
    with pytest.raises(NotFoundError, match=r"no run 'three' of 'lora\.train'"):
        flows.submit(CancelRun(DAG, "three"))
    flows.airflow.add_run(DAG, "new", "queued")  # the mirror has yet to see it
    assert flows.done(CancelRun(DAG, "new")).state == "done"


# Clearing


def test_a_retry_does_what_failed_again(flows: Flows):
    failed(flows)
    record = flows.done(ClearTasks(DAG, "one"))
    assert record.params["tasks"] == ["gate", "train"]
    assert record.result == "2 to do again; 2 tasks are done again"
    assert flows.airflow.writes == ["cleared 2"]


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_clear_that_was_killed_anywhere_is_done_once(folder: Path, flows: Flows):
    failed(flows)
    for point in range(1, 100):
        before = len(flows.airflow.writes)
        record = flows.submit(ClearTasks(DAG, "one", ("train",)))
        child = os.fork()
        if child == 0:
            fresh = opened(folder)
            end = Sabotage(fresh.context, fresh.airflow, lambda: os.kill(os.getpid(), 9))  # type: ignore[arg-type]  # it has points too
            end.left = point
            Executor(fresh.context).execute_pending()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        flows.executor.execute_pending()
        assert flows.executor.record(record.id).state == "done"
        assert len(flows.airflow.writes) == before + 1, point
        flows.airflow.add_task(DAG, "one", "train", "failed", tries=point + 1)
        flows.know_tasks(task("train", "failed", tries=point + 1))
        if not os.WIFSIGNALED(status):
            assert point > 10
            return
    raise AssertionError("It never ended by itself.")


def test_only_what_ended_is_cleared(flows: Flows):
    flows.know_tasks(
        task("train"), task("data_pull", "success"), task("client", "failed", map_index=3)
    )
    with pytest.raises(ConflictError, match="train has not ended: it is running"):
        flows.submit(ClearTasks(DAG, "one", ("data_pull", "train")))
    with pytest.raises(NotFoundError, match="no task 'nothing'"):
        flows.submit(ClearTasks(DAG, "one", ("nothing",)))
    with pytest.raises(InputError, match="no task of a run"):
        flows.submit(ClearTasks(DAG, "one", ("client[x]",)))
    flows.airflow.add_task(DAG, "one", "client", "failed", index=3)
    assert flows.done(ClearTasks(DAG, "one", ("client[3]",), downstream=True)).state == "done"


def test_a_task_that_began_meanwhile_is_left_alone(flows: Flows):
    failed(flows)
    flows.airflow.add_task(DAG, "one", "train", "running", tries=2)  # somebody else was faster
    record = flows.done(ClearTasks(DAG, "one", ("train",)))
    assert (record.state, flows.airflow.writes) == ("compensated", [])
    assert "train has not ended" in record.error


def test_a_run_in_which_nothing_failed_has_nothing_to_retry(flows: Flows):
    flows.know_tasks(task("train", "success"))
    with pytest.raises(ConflictError, match="there is nothing to retry"):
        flows.submit(ClearTasks(DAG, "one"))


def test_a_run_whose_workflow_is_gone_or_broken_is_not_done_again(flows: Flows):
    failed(flows)
    flows.know(workflow(broken=True))
    with pytest.raises(ConflictError, match="is broken now"):
        flows.submit(ClearTasks(DAG, "one"))
    WorkflowStore(flows.context.mirror.engine).keep_workflows(())
    flows.airflow.add_dag(DAG, is_stale=True)
    with pytest.raises(ConflictError, match=r"The workflow lora\.train is gone"):
        flows.submit(ClearTasks(DAG, "one"))


# Moving


def decided(flows: Flows, state: str = "waiting") -> None:
    row = {
        "id": JOB, "project": "lora", "what": "LoRA: train", "state": state, "kind": "order",
        "said": "One is before it.", "position": 2, "expected_at": None, "expected_late_at": None,
        "expected_said": "", "priority": 5, "weight": 7, "unblock": "It ends.", "host": None,
        "since": "2026-03-01T12:00:00+00:00", "ends_at": None,
    }  # fmt: skip
    picture = {"rows": [row], "hosts": [], "shares": [], "pools": []}
    WorkflowStore(flows.context.mirror.engine).write_picture(QUEUE, 1, picture)


def test_a_job_is_moved_and_the_priority_stays(flows: Flows):
    decided(flows)
    said = " ".join(MoveJob(JOB, "front", 9).consequences(flows.context))
    assert "priority 9 instead of 5" in said
    assert flows.done(MoveJob(JOB, "", 9)).state == "done"
    record = flows.done(MoveJob(JOB, "front"))
    assert record.result == "the next decision follows it"
    found = flows.context.overrides.of(JOB)
    assert found is not None
    assert (found.move, found.priority, found.by) == ("front", 9, "owner")


def test_a_move_can_be_taken_back(flows: Flows):
    decided(flows)
    flows.context.overrides.put(Override(JOB, "back", 3, "ana", 1.0))
    memory: dict[str, object] = {}
    (step,) = MoveJob(JOB, "front").steps(flows.context, Deed(1, OWNER, memory))
    step.do()
    (again,) = MoveJob(JOB, "front").steps(flows.context, Deed(1, OWNER, memory))
    assert again.undo is not None
    again.undo()
    assert flows.context.overrides.of(JOB) == Override(JOB, "back", 3, "ana", 1.0)


def test_only_what_waits_is_moved(flows: Flows):
    assert flows.submit(MoveJob(JOB, "front")).state == "pending"  # nothing was decided yet
    decided(flows, "running")
    with pytest.raises(ConflictError, match="waits no longer: it runs"):
        flows.submit(MoveJob(JOB, "front"))
    with pytest.raises(NotFoundError, match=r"no job .* in the queue"):
        flows.submit(MoveJob(f"{DAG}/two/train", "front"))
    for action, said in (
        (MoveJob("train", "front"), "no job: one is DAG/RUN/TASK"),
        (MoveJob(JOB, "top"), "'top' is no place"),
        (MoveJob(JOB, "", 11), "11 is no priority"),
        (MoveJob(JOB, "", -1), "-1 is no priority"),
        (MoveJob(JOB), "Nothing would change"),
    ):
        with pytest.raises(InputError, match=said):
            flows.submit(action)


# All of them


ALL: tuple[Action, ...] = (
    PauseWorkflow(DAG, paused=True),
    CancelRun(DAG, "one"),
    ClearTasks(DAG, "one", ("train",)),
    MoveJob(JOB, "front"),
)


@pytest.mark.parametrize("action", ALL, ids=lambda one: one.kind)
@pytest.mark.parametrize("projects", [None, ("lora",), ("other",)])
@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_who_may(flows: Flows, role: str, projects: tuple[str, ...] | None, action: Action):
    flows.know_tasks(task("train", "failed"))
    flows.airflow.add_task(DAG, "one", "train", "failed")
    store.insert(flows.context.journal, "vi", "x", role, projects)  # type: ignore[arg-type]
    who = Actor("vi", role, projects)  # type: ignore[arg-type]
    if role == "viewer" or projects == ("other",):
        with pytest.raises(DeniedError):
            flows.submit(action, who)
        assert flows.airflow.writes == []
        assert flows.context.overrides.read() == ()
        return
    assert flows.done(action, who).state == "done"


@pytest.mark.parametrize("action", ALL[:3], ids=lambda one: one.kind)
def test_while_airflow_is_away_all_say_since_when(flows: Flows, action: Action):
    flows.know_tasks(task("train", "failed"))
    flows.said_of_airflow("stale", "It does not answer")
    with pytest.raises(EngineUnreachableError, match="does not answer as it should since"):
        flows.submit(action)


@pytest.mark.parametrize("action", [*ALL, LaunchWorkflow(DAG, "{}", "n")], ids=lambda one: one.kind)
def test_they_are_built_again_from_the_journal(action: Action):
    assert catalog.load(action.kind, catalog.dump(action)) == action


def test_actions_on_one_run_wait_for_each_other():
    assert CancelRun(DAG, "one").subject == ClearTasks(DAG, "one").subject
    assert CancelRun(DAG, "one").subject != CancelRun(DAG, "two").subject
    assert LaunchWorkflow(DAG).subject == PauseWorkflow(DAG, paused=True).subject

"""Launching: checked before, journalled with its run's id, and started once whatever happens."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from services.access import store
from services.actions import schema
from services.actions.executor import Executor
from services.actions.roles import Actor
from services.actions.workflow_launch import LaunchWorkflow, launched
from services.engines.registry import late_airflow
from services.errors import (
    ConflictError,
    DeniedError,
    EngineMissingError,
    EngineUnreachableError,
    InputError,
    NotFoundError,
)
from services.home import Home
from services.mirror.workflow_models import WorkflowFault, WorkflowParam
from services.mirror.workflow_store import WorkflowStore
from tests.services.actions.conftest import OWNER, Clock, Sabotage
from tests.services.actions.flows import DAG, Flows, connected, laid, opened
from tests.services.mirror.workflow_things import T0, dag_run, workflow


@pytest.fixture
def folder(tmp_path: Path, mould: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return laid(tmp_path, mould, monkeypatch)


@pytest.fixture
def flows(folder: Path, clock: Clock) -> Flows:
    return connected(folder, clock)


def launch(**params: object) -> LaunchWorkflow:
    return LaunchWorkflow(DAG, json.dumps(params))


def test_a_launch_starts_a_run_and_says_which(flows: Flows):
    record = flows.done(LaunchWorkflow(DAG, '{"epochs": 5, "rate": null}', "a try"))
    assert record.state == "done", record.error
    found = launched(record)
    assert found is not None
    dag_id, run_id = found
    assert dag_id == DAG
    assert run_id.startswith(f"mlops-{record.id}-")
    assert record.result == f"run {run_id} is queued"
    run = flows.airflow.run(DAG, run_id)
    assert run["conf"] == {"epochs": 5}
    assert run["note"] == "Launched by owner. a try"


def test_a_double_click_launches_once(flows: Flows):
    first = flows.submit(launch(epochs=2), key="click")
    assert flows.submit(launch(epochs=2), key="click").id == first.id
    flows.executor.execute_pending()
    flows.executor.execute_pending()
    assert flows.airflow.writes == ["launched"]


def test_two_clicks_of_two_people_are_two_runs(flows: Flows):
    one, two = launched(flows.done(launch())), launched(flows.done(launch()))
    assert one != two
    assert flows.airflow.writes == ["launched", "launched"]


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_executor_that_is_killed_anywhere_launches_once(folder: Path, flows: Flows):
    for point in range(1, 100):
        before = len(flows.airflow.writes)
        record = flows.submit(launch(epochs=2))
        child = os.fork()
        if child == 0:
            fresh = opened(folder)
            end = Sabotage(fresh.context, fresh.airflow, lambda: os.kill(os.getpid(), 9))  # type: ignore[arg-type]  # it has points too
            end.left = point
            Executor(fresh.context).execute_pending()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        flows.executor.execute_pending()
        found = flows.executor.record(record.id)
        assert found.state == "done"
        assert len(flows.airflow.writes) == before + 1
        assert flows.airflow.run(*launched(found) or ("", ""))["state"] == "queued"
        if not os.WIFSIGNALED(status):
            assert point > 8
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
    raise AssertionError("It never ended by itself.")


def test_an_answer_that_was_lost_is_no_second_run(flows: Flows, clock: Clock):
    flows.airflow.deaf_after = "POST"
    record = flows.submit(launch())
    flows.executor.execute_pending()
    assert flows.executor.record(record.id).state == "pending"
    flows.airflow.deaf_after = ""
    clock.ahead_s += 60
    flows.executor.execute_pending()
    found = flows.executor.record(record.id)
    assert (found.state, flows.airflow.writes) == ("done", ["launched"])
    assert found.result.endswith("is queued, as before")


def test_a_launch_that_is_told_to_have_failed_leaves_no_run(flows: Flows, clock: Clock):
    flows.airflow.deaf_after = "POST"
    record = flows.submit(launch())
    for _ in range(12):
        flows.executor.execute_pending()
        clock.ahead_s += 60
    found = flows.executor.record(record.id)
    assert found.state == "compensated"
    run_id = (launched(found) or ("", ""))[1]
    assert flows.airflow.writes == ["launched", f"{run_id} failed"]


def test_a_journal_that_begins_again_makes_no_run_of_before(flows: Flows):
    first = flows.done(launch())
    with flows.context.journal.write() as connection:
        connection.execute(schema.steps.delete())
        connection.execute(schema.actions.delete())
    again = flows.done(launch())
    assert again.id == first.id
    assert launched(again) != launched(first)
    assert flows.airflow.writes == ["launched", "launched"]


# Refused before anything is launched


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ('{"epochs": 99}', "epochs is 99, above the most of 10"),
        ('{"epochs": "many"}', "epochs is 'many', which is no whole number"),
        ('{"rate": true}', "rate is True, which is no number"),
        ('{"technique": "magic"}', "technique is 'magic', which is not one of lora, full"),
        ('{"depth": 1}', "no parameter 'depth'; it has epochs, rate, technique, data_revision"),
        ('{"data_revision": "zzz"}', "data_revision is 'zzz', which is not of the form"),
        ('{"data_revision": 7}', "data_revision is 7, which is no text"),
        ('{"data_revision": "abcdef"}', "data_revision is 'abcdef': "),
        ("{", "The parameters are no JSON"),
        ("[1]", "no JSON object"),
        ('{"rate": NaN}', "NaN is no JSON"),
        ("[" * 30_000, "at most 20,000 characters"),
        ("[" * 19_000, "The parameters are no JSON"),
    ],
)
def test_wrong_parameters_are_named_before_anything_is_launched(
    flows: Flows, params: str, said: str
):
    with pytest.raises(InputError, match=".*" + said.replace("(", r"\(")):
        flows.submit(LaunchWorkflow(DAG, params))
    assert flows.executor.history() == ()
    assert flows.airflow.writes == []


def test_the_contract_of_this_moment_counts(flows: Flows):
    """Airflow has the workflow of before for some seconds."""
    flows.contract('params.depth = { type = "int", default = 1, max = 4 }')
    assert flows.done(launch(depth=2)).state == "done"
    with pytest.raises(InputError, match="above the most of 4"):
        flows.submit(launch(depth=5))


def test_what_is_not_there_is_said(flows: Flows):
    with pytest.raises(NotFoundError, match=r"no workflow 'lora\.nothing'"):
        flows.submit(LaunchWorkflow("lora.nothing"))
    with pytest.raises(NotFoundError, match="no project 'other'"):
        flows.submit(LaunchWorkflow("other.train"))
    with pytest.raises(InputError, match="no id"):
        flows.submit(LaunchWorkflow("lora.tr/ain"))
    with pytest.raises(InputError, match="note has at most 500"):
        flows.submit(LaunchWorkflow(DAG, "{}", "x" * 501))


def test_a_workflow_that_the_mirror_does_not_know_yet_is_asked_for(flows: Flows):
    flows.airflow.add_dag("lora.retrain")
    assert flows.done(LaunchWorkflow("lora.retrain", '{"epochs": 2}')).state == "done"
    flows.airflow.add_dag("lora.federated", is_stale=True)
    with pytest.raises(NotFoundError):
        flows.submit(LaunchWorkflow("lora.federated"))


def test_a_broken_workflow_and_a_project_that_is_not_connected_say_why(flows: Flows):
    flows.know(workflow(broken=True))
    faults = WorkflowStore(flows.context.mirror.engine)
    faults.write_faults([WorkflowFault("mlops_dag_lora.py", "lora", "SpecError: no", "…", T0)])
    with pytest.raises(ConflictError, match="is broken now: SpecError: no"):
        flows.submit(launch())
    flows.connect("connecting", reasons=["MLflow is away."])
    with pytest.raises(ConflictError, match=r"not connected: MLflow is away\."):
        flows.submit(launch())
    flows.connect("connected", path="")
    with pytest.raises(ConflictError, match="no folder"):
        flows.submit(launch())


def test_what_never_fits_any_machine_is_refused_by_how_much(flows: Flows):
    flows.contract("needs = { memory_gb = 4000 }")
    with pytest.raises(ConflictError) as caught:
        flows.submit(launch())
    assert "It can never fit: it needs 3725.3 GB of memory, " in caught.value.message
    assert " more than the " in caught.value.message
    assert "what the project declares" in caught.value.message
    assert flows.executor.history() == ()


def test_a_comparison_is_held_against_each_projects_needs(flows: Flows):
    items = {"type": "array", "items": {"enum": ["lora"]}, "minItems": 1, "uniqueItems": True}
    params = (WorkflowParam("projects", ["lora"], items),)
    flows.know(workflow("platform", "compare", params=params))
    flows.airflow.add_dag("platform.compare")
    compare = LaunchWorkflow("platform.compare", '{"projects": ["lora"]}')
    assert flows.done(compare).state == "done"
    flows.contract(limit=1024)
    with pytest.raises(ConflictError, match="LoRA: It can never fit"):
        flows.submit(compare)
    for params_text, said in (
        ('{"projects": []}', "projects has 0 entries, and needs 1 at least"),
        ('{"projects": ["lora", "lora"]}', "the same entry twice"),
        ('{"projects": ["x"]}', "an entry that is 'x', which is not one of lora"),
    ):
        with pytest.raises(InputError, match=said):
            flows.submit(LaunchWorkflow("platform.compare", params_text))


# Airflow is away


def test_while_airflow_is_away_a_launch_is_refused_with_since_when(flows: Flows):
    flows.said_of_airflow("down", "It ended with exit code 1.")
    with pytest.raises(EngineUnreachableError) as caught:
        flows.submit(launch())
    said = str(caught.value)
    assert said.startswith("Airflow is away since 20")
    assert "UTC: It ended with exit code 1. Ask `mlops status`." in said
    flows.said_of_airflow("stale", "It does not answer.")
    with pytest.raises(EngineUnreachableError, match="does not answer as it should since"):
        flows.submit(launch())
    flows.said_of_airflow("live")
    assert flows.done(launch()).state == "done"


def test_what_was_said_of_airflow_long_ago_counts_no_more(
    flows: Flows, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        patch.setattr("services.mirror.store.now_ms", lambda: 1_000)
        flows.said_of_airflow("down", "gone")
    assert flows.done(launch()).state == "done"


def test_an_airflow_that_goes_away_meanwhile_is_waited_for_then_told(flows: Flows, clock: Clock):
    record = flows.submit(launch())
    flows.airflow.silent = True
    flows.executor.execute_pending()
    assert "cannot be reached" in flows.executor.record(record.id).error
    flows.airflow.silent = False
    clock.ahead_s += 60
    flows.executor.execute_pending()
    assert flows.executor.record(record.id).state == "done"


def test_where_airflow_is_switched_off_it_is_said(flows: Flows, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLOPS_AIRFLOW_ENABLED", "false")
    context = replace(flows.context, airflow=late_airflow(Home.locate()))
    with pytest.raises(EngineMissingError, match="switched off in this installation"):
        Executor(context).submit(OWNER, launch(), "k")


# What is said before


def test_consequences_say_what_speaks_against_it(flows: Flows):
    said = " ".join(launch(epochs=5).consequences(flows.context))
    assert "A run of Lora: train is launched with epochs = 5." in said
    assert "LoRA has no data: neither a file nor a version." in said
    flows.know(workflow(paused=True))
    flows.know_runs(dag_run(run_id="other"))
    said = " ".join(launch().consequences(flows.context))
    assert "the defaults of its parameters" in said
    assert "lora.train is paused: the run waits until it is resumed." in said
    assert "1 other run is under way (other): this one queues behind" in said
    flows.contract('needs = { chip = "M9" }')
    said = " ".join(launch().consequences(flows.context))
    assert "waits until a machine of its kind joins. No machine fits" in said


# Who may


@pytest.mark.parametrize("role", ["viewer", "operator", "approver", "admin"])
@pytest.mark.parametrize("projects", [None, ("lora",), ("other",)])
def test_who_may_launch(flows: Flows, role: str, projects: tuple[str, ...] | None):
    store.insert(flows.context.journal, "vi", "x", role, projects)  # type: ignore[arg-type]
    who = Actor("vi", role, projects)  # type: ignore[arg-type]
    if role == "viewer" or projects == ("other",):
        with pytest.raises(DeniedError):
            flows.submit(launch(), who)
        assert flows.airflow.writes == []
        return
    record = flows.done(launch(), who)
    assert record.state == "done"
    run = flows.airflow.run(*launched(record) or ("", ""))
    assert run["note"] == "Launched by vi."


def test_workflows_over_all_projects_take_an_unscoped_operator(flows: Flows):
    flows.know(workflow("platform", "compare", params=()))
    action = LaunchWorkflow("platform.compare")
    with pytest.raises(DeniedError, match="the whole platform"):
        flows.submit(action, Actor("vi", "operator", ("lora",)))

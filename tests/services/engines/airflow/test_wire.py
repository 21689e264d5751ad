"""What Airflow said, as we keep it: recorded answers of a real one, whole objects."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.engines.airflow.log import LogWire
from services.engines.airflow.models import (
    AssetEvent,
    DagRun,
    Health,
    LogLine,
    Param,
    PartHealth,
    Pool,
    TaskInstance,
)
from services.engines.airflow.run_wire import RunsWire, RunWire, TaskInstancesWire, XComWire
from services.engines.airflow.shared_wire import AssetEventsWire, AssetsWire, PoolWire
from services.engines.airflow.wire import (
    DagDetailWire,
    HealthWire,
    ImportErrorsWire,
    TasksWire,
    seconds,
)

FIXTURES = Path(__file__).parent / "fixtures"


def said(name: str) -> bytes:
    return (FIXTURES / f"{name}-3.3.2.json").read_bytes()


def test_health_that_is_well():
    health = HealthWire.model_validate_json(said("health")).to_model()
    assert health.well
    assert health.scheduler.heartbeat is not None
    assert health.scheduler.heartbeat.tzinfo is not None


def test_health_with_one_part_that_never_ran_and_one_that_is_silent():
    body = (
        b'{"metadatabase": {"status": "healthy"},'
        b'"scheduler": {"status": "unhealthy", "latest_scheduler_heartbeat": null},'
        b'"triggerer": {"status": null}, "dag_processor": {"status": "healthy"}}'
    )
    health = HealthWire.model_validate_json(body).to_model()
    silent, never, good = PartHealth(False, None), PartHealth(None, None), PartHealth(True, None)
    assert health == Health(True, silent, good, never)
    assert not health.well


def test_a_workflow_with_its_parameters():
    detail = DagDetailWire.model_validate_json(said("dag-details")).to_detail()
    assert detail.dag.dag_id == "drill.train"
    assert detail.dag.title == "Drill: train"
    assert detail.timeout_s == 5400.0
    assert detail.documentation == "Trains, evaluates, and says that a model was made."
    assert detail.params[0] == Param(
        "epochs", 3, None, {"type": "integer", "minimum": 1, "maximum": 100, "title": "Epochs"}
    )
    assert detail.params[1].description == "Learning rate"
    assert detail.params[2].schema["enum"] == ["adam", "sgd"]


def test_the_order_of_tasks():
    tasks = {
        task.task_id: task for task in TasksWire.model_validate_json(said("tasks")).to_models()
    }
    assert tasks["pull"].downstream == ("fit",)
    assert tasks["fit"].mapped
    assert tasks["register"].downstream == ()


def test_a_broken_file_names_its_cause():
    (fault,) = ImportErrorsWire.model_validate_json(said("import-errors")).to_models()
    assert fault.file == "demo_broken.py"
    assert fault.cause == "RuntimeError: no such project"


def test_a_run():
    run = RunWire.model_validate_json(said("trigger")).to_model()
    assert run == DagRun(
        dag_id="drill.train",
        run_id="recorded-1",
        state="queued",
        kind="manual",
        conf={"epochs": 5},
        queued_at=run.queued_at,
        started_at=None,
        ended_at=None,
        run_after=run.run_after,
        logical_at=None,
        triggered_by="rest_api",
        user="platform",
        note="from the tests",
        versions=(1,),
    )
    assert run.queued_at is not None
    assert run.queued_at.tzinfo is not None


def test_a_page_of_runs_names_the_next():
    page = RunsWire.model_validate_json(said("dag-runs")).to_model()
    assert {run.state for run in page.runs} <= {"success", "failed", "running"}
    assert len(page.runs) == 3
    assert page.next_page


def test_a_mapped_task():
    page = TaskInstancesWire.model_validate_json(said("task-instances"))
    tasks = {(one.task_id, one.map_index): one for one in page.to_models()}
    assert set(tasks) == {("pull", -1), ("fit", 0), ("fit", 1), ("register", -1)}
    one = tasks["fit", 1]
    assert one == TaskInstance(
        dag_id="drill.train",
        run_id="recorded-1",
        task_id="fit",
        map_index=1,
        map_label="1",
        title="fit",
        state="success",
        tries=1,
        max_tries=0,
        operator="@task",
        scheduled_at=one.scheduled_at,
        queued_at=one.queued_at,
        started_at=one.started_at,
        ended_at=one.ended_at,
        pool="default_pool",
        pool_slots=1,
        queue="default",
        priority_weight=2,
        host="mac",
        pid=one.pid,
        executor=None,
        note=None,
    )
    assert None not in {one.scheduled_at, one.queued_at, one.started_at, one.ended_at}


def test_a_deferred_task_and_a_state_that_is_newer_than_we_know():
    body = said("task-instances-deferred")
    (deferred,) = TaskInstancesWire.model_validate_json(body).to_models()
    assert deferred.state == "deferred"
    newer = TaskInstancesWire.model_validate_json(body.replace(b'"deferred"', b'"levitating"'))
    assert newer.to_models()[0].state == "other"
    none = TaskInstancesWire.model_validate_json(body.replace(b'"deferred"', b"null"))
    assert none.to_models()[0].state == "none"


def test_a_failed_log_holds_the_exception():
    page = LogWire.model_validate_json(said("log-failed")).to_model()
    errors = [line for line in page.lines if line.error]
    assert [line.level for line in errors] == ["error"]
    assert errors[0].error is not None
    lines = errors[0].error.splitlines()
    assert lines[-1] == "ValueError: the loss is not a number"
    assert lines[-2] == '  File "/home/mlops/airflow/dags/demo_recorded.py", line 43, in fit'
    assert page.next_page is None


def test_a_log_of_plain_lines_and_odd_errors():
    page = LogWire.model_validate_json(
        b'{"content": ["one", {"event": "two", "error_detail": ["three"]}], '
        b'"continuation_token": "next"}'
    ).to_model()
    first, second = page.lines
    assert first == LogLine(None, None, None, "one", None)
    assert second == LogLine(None, None, None, "two", "three")
    assert page.next_page == "next"


def test_a_pool():
    assert PoolWire.model_validate_json(said("pool")).to_model() == Pool(
        "mlops_gpu@mac", 4, "GPU slots of mac", 0, 0, 0, 0, 0, 4, False
    )


def test_an_asset_and_what_it_started():
    (asset,) = AssetsWire.model_validate_json(said("assets")).to_models()
    assert asset.producers == (("drill.train", "register"),)
    assert asset.triggers == ("drill.release",)
    assert asset.last_event_at is not None
    (event,) = AssetEventsWire.model_validate_json(said("asset-events")).to_models()
    assert event == AssetEvent(
        event_id=event.event_id,
        asset_id=1,
        name="model://drill/classifier",
        uri="model://drill/classifier",
        at=event.at,
        extra={},
        dag_id="drill.train",
        run_id="recorded-1",
        task_id="register",
        started=event.started,
    )
    assert [dag for dag, _ in event.started] == ["drill.release"]


@pytest.mark.parametrize(
    ("value", "read"), [('{"run_ids": ["a"]}', {"run_ids": ["a"]}), ("plain", "plain"), (3, 3)]
)
def test_what_a_task_handed_on_is_read_when_it_is_json(value: object, read: object):
    assert XComWire.model_validate({"value": value}).to_json() == read


@pytest.mark.parametrize(
    ("text", "value"),
    [("PT1H30M", 5400.0), ("P1DT0.5S", 86400.5), ("P", None), (None, None), ("soon", None)],
)
def test_durations(text: str | None, value: float | None):
    assert seconds(text) == value


def test_times_are_aware():
    page = RunsWire.model_validate_json(said("dag-runs")).to_model()
    assert all(run.run_after > datetime(2026, 1, 1, tzinfo=UTC) for run in page.runs)

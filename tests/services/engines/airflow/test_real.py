"""Our adapter and a real Airflow: what it does, not what it says it would do."""

import os
import subprocess
import threading
import time
import uuid

import pytest

from services.engines.airflow.models import Launch, LogPage
from services.engines.registry import build_airflow
from services.errors import EngineRefusedError
from services.home import Home
from services.platform.airflow import environment, variables
from services.platform.files import write_json
from services.platform.secrets import airflow_password
from services.settings import Settings
from tests.airflow_lab import Lab
from tests.live import eventually

pytestmark = [
    pytest.mark.airflow, pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(400),
]  # fmt: skip

TRAIN = "drill.train"


@pytest.fixture
def lab(airflow_lab_shared: Lab) -> Lab:
    return airflow_lab_shared


@pytest.fixture
def run_id() -> str:
    return f"test__{uuid.uuid4().hex[:12]}"


def ended(lab: Lab, dag_id: str, run_id: str) -> str:
    done = {"success", "failed"}
    return eventually(
        lambda: (state := lab.airflow.dag_run(dag_id, run_id).state) in done and state
    )


def test_it_is_well_and_makes_workflows_of_its_files(lab: Lab):
    assert lab.airflow.version() == "3.3.2"
    assert lab.airflow.health().well
    dags = {dag.dag_id: dag for dag in lab.airflow.dags()}
    assert set(dags) == {"drill.train", "drill.release", "drill.wait"}
    assert not any(dag.paused for dag in dags.values())
    params = {param.name: param.default for param in lab.airflow.dag(TRAIN).params}
    assert params["epochs"] == 3
    (fault,) = lab.airflow.import_errors()
    assert (fault.file, fault.cause) == ("demo_broken.py", "RuntimeError: no such project")


def test_a_run_its_tasks_what_they_handed_on_and_what_it_set_off(lab: Lab, run_id: str):
    launch = lab.airflow.trigger(TRAIN, run_id, {"epochs": 7}, note="a note")
    assert launch.created
    since = launch.run.run_after
    assert ended(lab, TRAIN, run_id) == "success"
    tasks = {(t.task_id, t.map_index): t for t in lab.airflow.task_instances(TRAIN, run_id)}
    assert {key: task.state for key, task in tasks.items()} == {
        ("pull", -1): "success",
        ("fit", 0): "success",
        ("fit", 1): "success",
        ("register", -1): "success",
    }
    assert lab.airflow.task_instance(TRAIN, run_id, "fit", 1) == tasks["fit", 1]
    handed = lab.airflow.xcom(TRAIN, run_id, "fit", map_index=1)
    assert handed == {"run_ids": ["run-1"], "loss": 0.25}
    assert lab.airflow.xcom(TRAIN, run_id, "register") is None
    said = [line.text for line in lab.airflow.log(TRAIN, run_id, "fit", 1, map_index=0).lines]
    assert "part 0 for 7 epochs" in said

    told = eventually(lambda: not (all_ := lab.airflow.asset_events(since)).untold and all_)
    (event,) = (e for e in told.events if e.run_id == run_id)
    assert (event.task_id, event.uri) == ("register", "model://drill/classifier")
    ((dag_id, set_off),) = event.started
    assert dag_id == "drill.release"
    assert ended(lab, dag_id, set_off) == "success"
    changed = {(run.dag_id, run.run_id) for run in lab.airflow.dag_runs_since(since)}
    assert {(TRAIN, run_id), (dag_id, set_off)} <= changed


def test_a_double_click_launches_once(lab: Lab, run_id: str):
    launches: list[Launch] = []

    def click() -> None:
        launches.append(lab.airflow.trigger(TRAIN, run_id, {"epochs": 1}))

    both = [threading.Thread(target=click) for _ in range(4)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert sorted(launch.created for launch in launches) == [False, False, False, True]
    assert {launch.run.run_id for launch in launches} == {run_id}
    assert ended(lab, TRAIN, run_id) == "success"


def test_a_failed_task_says_why_and_is_done_again(lab: Lab, run_id: str):
    lab.airflow.trigger(TRAIN, run_id, {"fail": True})
    assert ended(lab, TRAIN, run_id) == "failed"
    page = lab.airflow.log(TRAIN, run_id, "fit", 1, map_index=0)
    errors = [line.error for line in page.lines if line.error]
    assert errors[0].endswith("ValueError: the loss is not a number")
    assert lab.airflow.task_instance(TRAIN, run_id, "register").state == "upstream_failed"
    would = lab.airflow.clear(TRAIN, run_id, only_failed=True, dry_run=True)
    assert lab.airflow.dag_run(TRAIN, run_id).state == "failed"
    assert set(lab.airflow.clear(TRAIN, run_id, only_failed=True)) == set(would)
    assert ("fit", 0) in would
    assert ended(lab, TRAIN, run_id) == "failed"
    tries = lab.airflow.tries(TRAIN, run_id, "fit", 0)
    assert [one.tries for one in tries] == [1, 2]


def test_a_running_tasks_log_is_read_on_and_the_run_is_cancelled(lab: Lab, run_id: str):
    lab.airflow.trigger(TRAIN, run_id, {"wait_s": 300})

    def running() -> bool:
        tasks = lab.airflow.task_instances(TRAIN, run_id, states=["running"])
        return {(t.task_id, t.map_index) for t in tasks} == {("fit", 0), ("fit", 1)}

    eventually(running)

    def page() -> LogPage | None:
        found = lab.airflow.log(TRAIN, run_id, "fit", 1, map_index=0)
        return found if any("epochs" in line.text for line in found.lines) else None

    first = eventually(page)
    assert first.next_page
    again = lab.airflow.log(TRAIN, run_id, "fit", 1, map_index=0, page=first.next_page)
    assert not any("epochs" in line.text for line in again.lines)
    lab.airflow.set_run_state(TRAIN, run_id, "failed")
    eventually(lambda: not list(lab.airflow.task_instances(TRAIN, run_id, states=["running"])))
    assert lab.airflow.dag_run(TRAIN, run_id).state == "failed"


def test_people_say_how_a_task_ended(lab: Lab, run_id: str):
    lab.airflow.trigger(TRAIN, run_id, {"wait_s": 300})

    def running() -> bool:
        tasks = lab.airflow.task_instances(TRAIN, run_id, states=["running"])
        return [task.task_id for task in tasks] == ["fit", "fit"]

    eventually(running)
    for index in (0, 1):
        lab.airflow.set_task_state(TRAIN, run_id, "fit", "success", index)
    assert ended(lab, TRAIN, run_id) == "success"
    assert lab.airflow.set_run_note(TRAIN, run_id, "by hand").note == "by hand"


def test_a_task_that_waits_takes_no_slot(lab: Lab, run_id: str):
    lab.airflow.trigger("drill.wait", run_id)

    def state() -> str:
        return lab.airflow.task_instance("drill.wait", run_id, "later").state

    eventually(lambda: state() == "deferred")
    pool = lab.airflow.pool("default_pool")
    assert (pool.deferred, pool.counts_deferred) == (1, False)
    assert pool.open == pool.slots - pool.occupied
    lab.airflow.set_run_state("drill.wait", run_id, "failed")
    eventually(lambda: state() == "failed")


def test_pools_are_made_changed_and_closed(lab: Lab):
    name = "mlops_gpu@mac.local/1"
    assert lab.airflow.set_pool(name, 4, "GPU slots").open == 4
    assert lab.airflow.set_pool(name, 0).slots == 0
    assert lab.airflow.pool(name).open == 0
    assert name in {pool.name for pool in lab.airflow.pools()}
    with pytest.raises(EngineRefusedError, match="greater than or equal to -1"):
        lab.airflow.set_pool(name, -3)


def test_pausing(lab: Lab):
    assert lab.airflow.set_paused("drill.release", paused=True).paused
    assert lab.airflow.dag("drill.release").dag.paused
    assert not lab.airflow.set_paused("drill.release", paused=False).paused


def test_bad_input_is_a_sentence(lab: Lab, run_id: str):
    with pytest.raises(EngineRefusedError, match=r"epochs: 500 is greater than .* 100$"):
        lab.airflow.trigger(TRAIN, run_id, {"epochs": 500})
    with pytest.raises(EngineRefusedError, match=r"drill\.none.* not found"):
        lab.airflow.trigger("drill.none", run_id)
    with pytest.raises(EngineRefusedError, match="run_id provided 'a/b' does not match"):
        lab.airflow.trigger(TRAIN, "a/b")
    runs = {run.run_id for run in lab.airflow.dag_runs(TRAIN).runs}
    assert run_id not in runs


def test_a_password_that_was_changed_counts_at_once(lab: Lab):
    path = lab.home.secrets / "airflow-passwords.json"
    before = path.read_text()
    try:
        write_json(path, {"admin": "a", "platform": "another one"})
        fresh = build_airflow(lab.home, lab.settings)
        assert fresh.pools()
        fresh._client.close()
    finally:
        path.write_text(before)


def test_an_airflow_that_runs_already_is_spoken_to_by_its_address(lab: Lab):
    login = {"airflow_username": "admin", "airflow_password": airflow_password(lab.home, "admin")}
    url = f"http://127.0.0.1:{lab.settings.airflow_port}/"
    theirs = build_airflow(Home(lab.home.root / "none"), Settings(airflow_url=url, **login))
    assert {dag.dag_id for dag in theirs.dags()} == {dag.dag_id for dag in lab.airflow.dags()}
    theirs._client.close()


def test_plain_airflow_commands_show_the_same(lab: Lab, run_id: str):
    lab.airflow.trigger(TRAIN, run_id)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS", "PYTHON"))}
    command = [environment() / "bin" / "airflow", "dags", "list-runs", TRAIN, "--output", "json"]
    done = subprocess.run(
        command, env=kept | variables(lab.home), capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert run_id in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]
    ended(lab, TRAIN, run_id)


def test_from_a_trigger_to_a_running_task_takes_seconds(lab: Lab, run_id: str):
    began = time.time()
    lab.airflow.trigger(TRAIN, run_id)

    def first() -> object:
        tasks = lab.airflow.task_instances(TRAIN, run_id)
        return next((t.started_at for t in tasks if t.task_id == "pull"), None)

    started = eventually(first)
    assert started.timestamp() - began < 15.0
    ended(lab, TRAIN, run_id)

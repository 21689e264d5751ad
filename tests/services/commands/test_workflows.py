"""``mlops run``, ``mlops workflows`` and ``mlops queue``, without a controller."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from services.cli import mlops
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.mirror.workflow_models import WorkflowFault, WorkflowParam
from services.mirror.workflow_store import WorkflowStore
from services.mirror.workflow_tables import QUEUE
from services.settings import Settings
from services.workflows.kept import Overrides
from tests.services.actions.flows import CONTRACT, DAG, EPOCHS, REVISION
from tests.services.actions.small_airflow import SmallAirflow, recorded
from tests.services.mirror.workflow_things import T0, at, dag_run, task, workflow

RUN = f"{DAG}/one"


class Desk:
    """A home with one connected project, and its Airflow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.airflow = SmallAirflow(folder / "airflow.json")
        self.airflow.add_dag(DAG)
        (folder / "lora").mkdir()
        (folder / "lora" / "pyproject.toml").write_text(CONTRACT.format(limit=1, more=""))
        database, _ = schema.prepare(Settings().mirror_url)
        said = {"title": "LoRA", "path": str(folder / "lora")}
        Store(database).write_project("lora", "connected", said)
        self.store = WorkflowStore(database)
        params = tuple(WorkflowParam(n, None, s) for n, s in (EPOCHS | REVISION).items())
        self.store.write_workflows([workflow(params=params)])

    def __call__(self, *words: str, code: int = 0, typed: str = "") -> Result:
        done = CliRunner().invoke(mlops, list(words), input=typed)
        assert done.exit_code == code, (done.output, done.exception)
        return done

    def read(self, *words: str) -> Any:
        return json.loads(self(*words, "--json").stdout)

    def run(self, state: str = "running", run_id: str = "one") -> None:
        """Have a run, which the mirror knows."""
        self.airflow.add_run(DAG, run_id, state)
        self.store.write_runs([("lora", dag_run(run_id=run_id, state=state))], {})

    def task(self, task_id: str, state: str, tries: int = 1, index: int = -1) -> None:
        self.airflow.add_task(DAG, "one", task_id, state, tries, index)
        found = task(task_id, state, tries=tries, map_index=index)
        self.store.write_tasks([("lora", found)])

    def script(self, monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], object]) -> None:
        """Have a step happen whenever somebody waits."""
        left = iter(steps)

        def sleep(_seconds: float) -> None:
            next(left, lambda: None)()

        monkeypatch.setattr("services.commands.following.time.sleep", sleep)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLOPS_PROJECTS_ROOT", str(tmp_path / "root"))
    Home.locate().create()
    made = Desk(tmp_path)
    adapter = made.airflow.adapter()
    monkeypatch.setattr("services.actions.action.late_airflow", lambda _home: adapter)
    yield made
    made.store.engine.dispose()


# Launching


def test_a_run_is_launched_and_named(desk: Desk):
    done = desk("run", "lora", "--param", "epochs=5", "--param", "rate=1e-3", "--note", "try")
    assert "Launch lora.train: run mlops-1-" in done.stdout
    assert "Follow it: mlops workflows logs lora.train/mlops-1-" in done.stderr
    assert "LoRA has no data" in done.stderr
    (run,) = desk.airflow.state["runs"].values()
    assert run["conf"] == {"epochs": 5, "rate": 0.001}
    assert run["note"].endswith(". try")
    told = desk.read("workflows", "trigger", DAG)
    assert set(told) >= {"action", "dag_id", "run_id", "state"}
    assert told["state"] == "queued"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--param", "epochs=99"), "epochs is 99, above the most of 10"),
        (("--param", "epochs=few"), "epochs is 'few', which is no whole number"),
        (("--param", "depth=1"), "it has no parameter 'depth'"),
        (("--param", "epochs"), "'epochs' is no NAME=VALUE"),
        (("--param", "epochs=1", "--param", "epochs=2"), "'epochs' is given twice"),
        (("--param", "data_revision=XYZ"), "data_revision is 'XYZ', which is not of the form"),
    ],
)
def test_wrong_parameters_are_named_and_exit_2(desk: Desk, words: tuple[str, ...], said: str):
    assert said in desk("run", "lora", *words, code=2).stderr
    assert desk.airflow.writes == []


def test_what_is_not_there_exits_1(desk: Desk):
    assert "no project 'other'" in desk("run", "other", code=1).stderr
    assert (
        "no workflow 'lora.nothing'" in desk("run", "lora", "--workflow", "nothing", code=1).stderr
    )
    assert "no workflow 'x'" in desk("workflows", "show", "x", code=1).stderr
    assert "no workflow run 'x'" in desk("workflows", "cancel", "x", "--yes", code=1).stderr


# Staying with a run


def stages(desk: Desk, *, well: bool) -> list[Callable[[], object]]:
    """Return how a run goes on."""
    (key,) = desk.airflow.state["runs"]
    run_id = key.partition("/")[2]

    def put(task_id: str, state: str, *lines: Any) -> None:
        desk.airflow.add_task(DAG, run_id, task_id, state, 1 if state != "none" else 0)
        if lines:
            desk.airflow.add_log(DAG, run_id, task_id, *lines)

    def begin() -> None:
        desk.airflow.add_run(DAG, run_id, "running")
        put("data_pull", "running", "::group::Pre Execute", "hidden", "::endgroup::", "pulling")
        put("train", "none")

    def train() -> None:
        put("data_pull", "success")
        put("train", "running", "epoch 1")

    def silent() -> None:
        desk.airflow.silent = True

    def back() -> None:
        desk.airflow.silent = False
        desk.airflow.add_log(DAG, run_id, "train", "epoch 2")

    def end() -> None:
        failed = recorded("log-failed")["content"][9]
        put("train", "success" if well else "failed", *(() if well else (failed,)))
        desk.airflow.add_run(DAG, run_id, "success" if well else "failed")

    return [begin, train, silent, back, end]


def held(desk: Desk, monkeypatch: pytest.MonkeyPatch, *, well: bool) -> None:
    """Have the next run be looked at five times, something new at each."""
    told: list[Callable[[], object]] = []

    def sleep(_seconds: float) -> None:
        if not told:
            told.extend(stages(desk, well=well))
            told.append(lambda: None)
        told.pop(0)()

    monkeypatch.setattr("services.commands.following.time.sleep", sleep)


def test_waiting_shows_the_log_once_and_ends_with_the_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    held(desk, monkeypatch, well=True)
    done = desk("run", "lora", "--wait")
    assert done.stdout.splitlines()[:3] == ["pulling", "epoch 1", "epoch 2"]
    assert " succeeded after " in done.stdout
    assert "hidden" not in done.stdout
    assert "0 of 2 tasks ended; running: data_pull" in done.stderr
    assert "1 of 2 tasks ended; running: train" in done.stderr
    assert done.stderr.count("The run is not lost; it is asked again.") == 1


def test_a_run_that_fails_exits_1_with_the_task_and_why(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    held(desk, monkeypatch, well=False)
    done = desk("run", "lora", "--wait", code=1)
    assert "train: ValueError: the loss is not a number" in done.stderr
    assert "mlops workflows logs lora.train/mlops-1-" in done.stderr


def test_what_its_runner_wrote_down_is_the_sentence(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    desk.run("failed")
    desk.task("train", "failed")
    place = desk.folder / "home" / "airflow" / "evidence" / DAG / "one"
    place.mkdir(parents=True)
    said = {"outcome": "memory", "sentence": "The system ended it.", "hint": "Take less."}
    (place / "train.1.json").write_text(json.dumps(said))
    done = desk("workflows", "logs", RUN, "--follow", code=1)
    assert "train: The system ended it.\nTake less.\n" in done.stderr


def test_why_it_waits_is_shown_while_it_does(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    desk.run()
    desk.task("data_pull", "success")
    desk.task("train", "deferred")
    file = desk.folder / "home" / "airflow" / "weights.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"held": {f"{RUN}/train": "studio is at thermal level 2."}}))

    def end() -> None:
        desk.task("train", "success")
        desk.run("success")

    desk.script(monkeypatch, lambda: None, end)
    done = desk("workflows", "logs", RUN, "--follow")
    assert done.stderr.count("It waits: studio is at thermal level 2.") == 1


def test_the_mirrors_reason_counts_where_airflow_was_told_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    desk.run()
    desk.task("train", "scheduled")
    decided(desk)

    def end() -> None:
        desk.task("train", "success")
        desk.run("success")

    desk.script(monkeypatch, end)
    assert "It waits: One is before it." in desk("workflows", "logs", RUN, "--follow").stderr


def test_an_interrupt_leaves_the_run_going(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    def interrupt() -> None:
        raise KeyboardInterrupt

    desk.script(monkeypatch, interrupt)
    done = desk("run", "lora", "--wait", code=130)
    assert "goes on without you. Follow it: mlops workflows logs lora.train/mlops-1-" in done.stderr
    assert "end it: mlops workflows cancel lora.train/mlops-1-" in done.stderr
    assert desk.airflow.writes == ["launched"]


def test_waiting_with_json_prints_one_document(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    held(desk, monkeypatch, well=False)
    done = desk("run", "lora", "--wait", "--json", code=1)
    told = json.loads(done.stdout)
    assert (told["state"], told["action"]) == ("failed", 1)


# Reading


def test_workflows_are_listed_in_the_documented_shape(desk: Desk):
    desk.run("success")
    desk.store.write_workflows([workflow("vision", paused=True, schedule="@daily")])
    desk.store.write_faults([WorkflowFault("mlops_dag_x.py", "x", "SpecError: no", "…", T0)])
    first, second = desk.read("workflows", "list")
    assert set(first) >= {"dag_id", "project", "kind", "paused", "last_run", "next_run_at"}
    assert first["last_run"] == {
        "run_id": "one",
        "state": "success",
        "started_at": "2026-03-01T12:00:01Z",
        "ended_at": "2026-03-01T12:01:00Z",
    }
    assert (second["dag_id"], second["paused"], second["last_run"]) == ("vision.train", True, None)
    done = desk("workflows", "list", "--project", "lora")
    assert done.stdout.startswith("lora.train\t\tsuccess\t")
    assert "vision" not in done.stdout
    assert "mlops_dag_x.py makes no workflow: SpecError: no" in desk("workflows", "list").stderr


def test_a_workflow_and_a_run_are_shown(desk: Desk):
    desk.run()
    desk.task("train", "running")
    told = desk.read("workflows", "show", DAG)
    assert [one["name"] for one in told["params"]] == ["epochs", "data_revision"]
    assert told["runs"][0]["params"] == {"epochs": 3}
    assert "data_pull → train" in desk("workflows", "show", DAG).stdout
    told = desk.read("workflows", "show", RUN)
    assert (told["tasks"][0]["label"], told["tasks"][0]["job"]) == ("train", f"{RUN}/train")
    assert desk("workflows", "show", RUN).stdout.splitlines()[1].startswith("train\trunning\t1\t")


def test_logs_are_read_from_airflow(desk: Desk):
    desk.run()
    assert "has not begun" in desk("workflows", "logs", RUN, code=1).stderr
    desk.task("train", "failed", tries=2)
    desk.airflow.add_log(DAG, "one", "train", "first try")
    desk.airflow.add_log(DAG, "one", "train", "second\x1b[31m try", attempt=2)
    assert desk("workflows", "logs", "one", "train").stdout == "second [31m try\n"
    assert desk("workflows", "logs", RUN, "train", "--try", "1").stdout == "first try\n"
    assert (
        "no try 3: the newest is 2"
        in desk("workflows", "logs", RUN, "train", "--try", "3", code=2).stderr
    )
    assert "It has train." in desk("workflows", "logs", RUN, "fit", code=1).stderr
    assert "no run 'two'" in desk("workflows", "logs", f"{DAG}/two", code=1).stderr


# Acting


def test_runs_are_retried_cleared_and_cancelled(desk: Desk):
    desk.run("failed")
    desk.task("train", "failed")
    assert "again: 1 to do again; 1 task is done again." in desk("workflows", "retry", "one").stdout
    desk.run("failed")
    desk.task("train", "failed", tries=2)
    assert "1 task is done again" in desk("workflows", "clear", RUN, "train", "--yes").stdout
    desk.run()
    done = desk("workflows", "cancel", RUN, typed="n\n", code=1)
    assert "The run counts as failed." in done.stdout
    assert desk.airflow.run(DAG, "one")["state"] == "running"
    assert "one is ended" in desk("workflows", "cancel", RUN, "--yes").stdout
    assert "lora.train is paused" in desk("workflows", "pause", DAG).stdout
    assert "lora.train is not paused" in desk("workflows", "resume", DAG).stdout


# The queue


def decided(desk: Desk, state: str = "waiting") -> None:
    row = {
        "id": f"{RUN}/train", "project": "lora", "what": "LoRA: train", "state": state,
        "kind": "order", "said": "One is before it.", "position": 2,
        "expected_at": at(10**9).isoformat(), "expected_late_at": None, "expected_said": "By turn.",
        "priority": 5, "weight": 7, "unblock": "It ends.", "host": None,
        "since": at(0).isoformat(), "ends_at": None,
    }  # fmt: skip
    picture = {"rows": [row], "hosts": [], "shares": [], "pools": []}
    desk.store.write_picture(QUEUE, 1_000, picture)


def test_the_queue_is_shown_with_reasons(desk: Desk):
    assert desk.read("queue") == []
    done = desk("queue")
    assert "Nothing was decided yet." in done.stdout
    assert "decided last never" in done.stderr
    decided(desk)
    (row,) = desk.read("queue")
    keys = {"id", "project", "what", "state", "reason", "position", "eta_s", "priority"}
    assert set(row) >= keys
    assert (row["reason"], row["position"], row["eta_late_s"]) == ("One is before it.", 2, None)
    assert row["eta_s"] > 0
    assert "\tOne is before it. It ends." in desk("queue", "--project", "lora").stdout
    assert "no project 'x'" in desk("queue", "--project", "x", code=1).stderr


def test_jobs_are_moved(desk: Desk):
    decided(desk)
    job = f"{RUN}/train"
    desk("queue", "--move", job, "front", "--priority", job, "9")
    (said,) = Overrides.here().read()
    assert (said.job, said.move, said.priority) == (job, "front", 9)
    for words in (
        ("--move", job, "top"), ("--priority", job, "x"), ("--priority", job, "0"),
        ("--move", job, "front", "--priority", "other", "1"), ("--move", "x", "front"),
    ):  # fmt: skip
        desk("queue", *words, code=2)
    assert "no job" in desk("queue", "--move", f"{DAG}/two/train", "front", code=1).stderr

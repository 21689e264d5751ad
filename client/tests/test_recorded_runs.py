"""Runs on a real server carry the data they saw and the models they left."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient
from recorder import Recorder, lives
from toys import WORKSPACE, Server, ToyProject, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]

DATA, MODELS = "mlops.data.revision", "mlops.models.revision"


@pytest.fixture
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.setenv("MLFLOW_WORKSPACE", WORKSPACE)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    return MlflowClient(server.uri)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "data" / WORKSPACE).mkdir(parents=True)
    return folder


@pytest.fixture
def recorder(tmp_path: Path, project: ToyProject, server: Server, home: Path) -> Recorder:
    """Return what records the data and models of the project, which is connected."""
    made = Recorder(tmp_path / "recorder")
    project.connect(server.uri)
    with (project.path / ".mlops.env").open("a") as file:
        file.write(f"MLOPS_TRACK={made.variable}\nMLOPS_HOME={home}\n")
    (project.path / "pyproject.toml").write_text(
        f'[tool.mlops]\nid = "{WORKSPACE}"\ndata = ["data"]\nmodels = ["models"]\n'
    )
    (project.path / "data").mkdir()
    (project.path / "data" / "train.csv").write_text("a\n")
    (project.path / "models").mkdir()
    return made


def revision(project: ToyProject, kind: str) -> str:
    noted = json.loads((project.path / ".mlops" / "versions" / f"{kind}.json").read_text())
    return str(noted["revision"])


def tags_of(client: MlflowClient, run_id: str) -> dict[str, str]:
    return dict(client.get_run(run_id).data.tags)


def runs_of(client: MlflowClient, who: str) -> list[Any]:
    experiment = client.get_experiment_by_name(WORKSPACE)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], f"tags.who = '{who}'"))


TRAIN = """
import json, os, sys
from pathlib import Path
import mlflow

here = Path(__file__).parent
home = os.environ["MLOPS_HOME"]
def owner():
    file = Path(home, "run", "processes", f"{os.getpid()}.json")
    return json.loads(file.read_text())["owner"] if file.exists() else None

client = mlflow.MlflowClient()
with mlflow.start_run() as outer:
    assert owner() == f"run:{outer.info.run_id}"
    with mlflow.start_run(nested=True) as inner:
        assert owner() == f"run:{inner.info.run_id}"
    assert owner() == f"run:{outer.info.run_id}"
    (here / "models" / "best").write_text(os.environ["TEXT"])
    client.create_registered_model(os.environ["NAME"])
    source = f"{outer.info.artifact_uri}/m"
    client.create_model_version(os.environ["NAME"], source, outer.info.run_id)
assert owner() is None
bare = client.create_run(outer.info.experiment_id, tags={"who": "bare"})
assert owner() == f"run:{bare.info.run_id}"
print(outer.info.run_id, inner.info.run_id, bare.info.run_id)
"""


def test_runs_and_versions_carry_data_and_models(
    project: ToyProject, recorder: Recorder, client: MlflowClient, home: Path
):
    out, err = project.run(TRAIN, TEXT="first", NAME="recorded")
    run_ids = out.split()[-3:]
    assert recorder.verbs() == [("track", "data"), ("track", "models")]
    assert "mlops: " not in err
    data, models = revision(project, "data"), revision(project, "models")
    for run_id in run_ids:
        tags = tags_of(client, run_id)
        assert (tags[DATA], tags[MODELS]) == (data, models)
        assert tags["mlops.host_id"].count("-") >= 1
        assert float(tags["mlops.process_started_at"]) > psutil.boot_time()
        assert not {"mlops.data.reason", "mlops.models.reason"} & tags.keys()
    (version,) = client.search_model_versions("name = 'recorded'")
    assert (version.tags[DATA], version.tags[MODELS]) == (data, models)
    assert list((home / "run" / "processes").iterdir()) == []

    # Again: the data is known, the model is written over although it is in the cache.
    recorder.forget()
    out, _ = project.run(TRAIN, TEXT="second", NAME="recorded-again")
    assert recorder.verbs() == [("release", "models"), ("track", "models")]
    assert revision(project, "models") != models
    assert tags_of(client, out.split()[-3])[DATA] == data
    assert tags_of(client, run_ids[0])[MODELS] == models
    (version,) = client.search_model_versions("name = 'recorded'")
    assert version.tags[MODELS] == models
    kept = {file.read_text() for file in (recorder.folder / "cache").rglob("best")}
    assert kept == {"first", "second"}


EVALUATE = """
import os, sys
import mlflow
with mlflow.start_run(run_id=os.environ["RUN"]):
    mlflow.log_metric("test_accuracy", 0.5)
with mlflow.start_run(tags={"who": "evaluates", "mlops.role": "evaluation"}):
    mlflow.log_metric("test_accuracy", 0.5)
"""


def test_an_evaluation_names_what_it_evaluated_and_leaves_the_training_as_it_was(
    project: ToyProject, recorder: Recorder, client: MlflowClient
):
    out, _ = project.run(TRAIN, TEXT="first", NAME="evaluated")
    trained = out.split()[-3]
    before = tags_of(client, trained)
    (project.path / "data" / "new.csv").write_text("b\n")
    recorder.forget()
    project.run(EVALUATE, RUN=trained)
    after = tags_of(client, trained)
    assert (after[DATA], after[MODELS]) == (before[DATA], before[MODELS])
    (run,) = runs_of(client, "evaluates")
    assert run.data.tags[MODELS] == before[MODELS]
    assert run.data.tags[DATA] == revision(project, "data") != before[DATA]
    assert ("track", "data") in recorder.verbs()
    assert ("track", "models") not in recorder.verbs()


OFFLINE = """
import json, os
from pathlib import Path
import mlflow

with mlflow.start_run(tags={"who": "away"}) as run:
    mlflow.log_metric("loss", 1.0)
    file = Path(os.environ["MLOPS_HOME"], "run", "processes", f"{os.getpid()}.json")
    assert json.loads(file.read_text())["owner"] == f"run:{run.info.run_id}"
    from mlops_client import artifacts, registering
    store = artifacts.active_store()
    assert store.register(registering.registration(run.info.run_id, "away", "m", {})) is None
    (Path(__file__).parent / "models" / "best").write_text("away")
"""


def test_while_the_server_is_away_the_tags_wait_like_everything(
    server: Server, project: ToyProject, recorder: Recorder, client: MlflowClient, home: Path
):
    server.kill()
    project.run(OFFLINE)
    assert recorder.verbs() == [("track", "data"), ("track", "models")]
    assert list((home / "run" / "processes").iterdir()) == []
    server.start()
    project.run("import mlops_client; mlops_client.flush()")
    (run,) = runs_of(client, "away")
    expected = (revision(project, "data"), revision(project, "models"))
    assert (run.data.tags[DATA], run.data.tags[MODELS]) == expected
    (version,) = client.search_model_versions("name = 'away'")
    assert (version.tags[DATA], version.tags[MODELS]) == expected
    assert list(project.spool.glob("*.jsonl")) == []


PLAIN = """
import mlflow
with mlflow.start_run(tags={"who": WHO}) as run:
    mlflow.log_metric("loss", 1.0)
print(run.info.run_id)
"""


def test_a_training_goes_on_when_nothing_can_be_recorded(
    project: ToyProject, recorder: Recorder, client: MlflowClient
):
    recorder.order(say='{"reason": "The disk is full.", "hint": "Make room."}', code=1)
    (project.path / "models" / "best").write_text("x")
    out, err = project.run(PLAIN.replace("WHO", "'fails'"))
    run_id = out.split()[-1]
    tags = tags_of(client, run_id)
    assert (
        tags["mlops.data.reason"] == tags["mlops.models.reason"] == "The disk is full. Make room."
    )
    assert DATA not in tags
    assert client.get_run(run_id).info.status == "FINISHED"
    for what in ("data of this project is", "models of this project are"):
        assert f"mlops: {what} not recorded: The disk is full." in err
    assert "Traceback" not in err


CHILDREN = """
import multiprocessing, os, sys
import mlflow

def work(number):
    with mlflow.start_run(tags={"who": "children"}):
        mlflow.log_metric("loss", number)

def forked():
    child = os.fork()
    if child == 0:
        work(1)
        sys.exit()
    os.waitpid(child, 0)

if __name__ == "__main__":
    if os.environ["HOW"] == "fork":
        with mlflow.start_run(tags={"who": "parent"}):
            mlflow.log_metric("loss", 0.0)
        forked()
    else:
        child = multiprocessing.get_context("spawn").Process(target=work, args=(1,))
        child.start()
        child.join()
        assert child.exitcode == 0
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_the_runs_of_child_processes_carry_them_too(
    project: ToyProject, recorder: Recorder, client: MlflowClient, home: Path, how: str
):
    before = {run.info.run_id for run in runs_of(client, "children")}
    (project.path / "models" / "best").write_text(how)
    project.run(CHILDREN, HOW=how)
    (run,) = [run for run in runs_of(client, "children") if run.info.run_id not in before]
    assert run.data.tags[DATA] == revision(project, "data")
    assert run.data.tags[MODELS] == revision(project, "models")
    assert list((home / "run" / "processes").iterdir()) == []


BESIDE = """
import sys
import mlflow
with mlflow.start_run(tags={"who": "beside"}) as run:
    print(run.info.run_id, flush=True)
    sys.stdin.readline()
"""


def test_of_two_processes_the_last_one_records_the_models_of_both(
    project: ToyProject, recorder: Recorder, client: MlflowClient
):
    recorder.order(sleep=0.5)
    both = [project.start(BESIDE) for _ in range(2)]
    ids = []
    for process in both:
        assert process.stdout is not None
        ids.append(process.stdout.readline().strip())
    assert recorder.verbs() == [("track", "data")]
    (project.path / "models" / "best").write_text("of both")
    _, err = both[0].communicate("\n", timeout=100)
    assert both[0].returncode == 0, err
    assert recorder.verbs() == [("track", "data")]
    assert "still going on" in tags_of(client, ids[0])["mlops.models.reason"]
    _, err = both[1].communicate("\n", timeout=100)
    assert both[1].returncode == 0, err
    expected = revision(project, "models")
    for run_id in ids:
        tags = tags_of(client, run_id)
        assert tags[MODELS] == expected
        assert "mlops.models.reason" not in tags


def test_a_killed_training_leaves_a_file_that_holds_nobody_up(
    project: ToyProject, recorder: Recorder, client: MlflowClient, home: Path
):
    killed = project.start(BESIDE)
    assert killed.stdout is not None
    killed.stdout.readline()
    killed.kill()
    killed.wait()
    assert (home / "run" / "processes" / f"{killed.pid}.json").exists()
    (project.path / "models" / "best").write_text("after")
    out, _ = project.run(PLAIN.replace("WHO", "'after'"))
    assert tags_of(client, out.split()[-1])[MODELS] == revision(project, "models")


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """What a shell starts in the background ignores SIGINT, and so would all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_an_interruption_at_the_end_is_a_sentence_and_leaves_no_program(
    project: ToyProject, recorder: Recorder, client: MlflowClient
):
    process = project.start(BESIDE)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    (project.path / "models" / "best").write_text("large")
    recorder.order(sleep=90)
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    wait_for(lambda: ("track", "models") in recorder.verbs(), 60, "the recording of models")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "models are not recorded: it was interrupted." in err
    assert "Traceback" not in err
    assert not lives(recorder.asked()[-1]["pid"])
    assert client.get_run(run_id).info.status == "FINISHED"


AUTOLOG = """
import mlflow
import numpy as np
from sklearn.linear_model import LinearRegression
mlflow.sklearn.autolog(log_models=False)
LinearRegression().fit(np.eye(3), np.arange(3.0))
print(mlflow.last_active_run().info.run_id)
"""


def test_a_run_that_autologging_began_is_like_the_others(
    project: ToyProject, recorder: Recorder, client: MlflowClient
):
    pytest.importorskip("sklearn")
    out, _ = project.run(AUTOLOG)
    tags = tags_of(client, out.split()[-1])
    assert tags[DATA] == revision(project, "data")
    assert recorder.verbs()[0] == ("track", "data")


ELSEWHERE = """
import mlflow
mlflow.set_tracking_uri("sqlite:///" + PATH)
with mlflow.start_run() as run:
    mlflow.log_metric("a", 1)
print(mlflow.get_run(run.info.run_id).data.tags["mlops.data.revision"])
"""


def test_a_run_in_a_store_of_the_persons_own_knows_its_data(
    project: ToyProject, recorder: Recorder, tmp_path: Path
):
    out, _ = project.run(ELSEWHERE.replace("PATH", repr(str(tmp_path / "own.db"))))
    assert out.split()[-1] == revision(project, "data")

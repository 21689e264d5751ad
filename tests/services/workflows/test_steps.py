"""The platform's steps, on a real adapter before recorded shapes of answers, and on real DVC."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.data.remote import Remote
from services.data.service import DataService
from services.engines.mlflow.adapter import MLflow
from services.errors import (
    ConflictError,
    EngineUnreachableError,
    InputError,
    NotFoundError,
    PlatformError,
)
from services.home import Home
from services.monitoring import checking
from services.monitoring.checking import Asked, Round
from services.projects import environment
from services.projects.contract import look
from services.workflows import steps
from services.workflows.specs import Specs
from services.workflows.steps import Desk, desk
from tests.services.projects.test_projects import GOOD, make
from tests.workflows.small_mlflow import SmallMLflow

TRAINED = {"train": {"run_ids": ["r1", "r2"]}}


@pytest.fixture
def tracked() -> SmallMLflow:
    known = SmallMLflow()
    known.add("r1", val_accuracy=0.91)
    known.add("r2", val_accuracy=0.95)
    return known


def at(tmp_path: Path, tracked: SmallMLflow, text: str = GOOD) -> Desk:
    return Desk(look(make(tmp_path, "a", text)), Home(tmp_path / "home"), tracked.adapter())


def test_register_finds_what_the_training_registered_itself(tmp_path: Path, tracked: SmallMLflow):
    tracked.register("r2", 4)
    tracked.register("somebody-elses", 9)
    found = steps.register(at(tmp_path, tracked), TRAINED)
    assert found["versions"] == [{"model": "net", "version": 4, "run_id": "r2"}]
    assert "skip" not in found
    assert found["said"] == "Registered: net version 4."


def test_register_says_when_there_is_nothing(tmp_path: Path, tracked: SmallMLflow):
    place = at(tmp_path, tracked)
    assert "None of its 2 runs registered a model" in steps.register(place, TRAINED)["skip"]
    assert "logged no run" in steps.register(place, {"train": {"run_ids": []}})["skip"]
    assert "logged no run" in steps.register(place, {"train": None})["skip"]


def test_the_runs_of_a_federated_server_count_too(tmp_path: Path, tracked: SmallMLflow):
    tracked.register("r1", 2)
    found = steps.register(at(tmp_path, tracked), {"server": {"run_ids": ["r1"]}})
    assert found["versions"][0]["version"] == 2


def test_a_version_passes_its_gates(tmp_path: Path, tracked: SmallMLflow):
    chosen = {"model": "net", "version": 4, "run_id": "r2"}
    found = steps.gate(at(tmp_path, tracked), {"register": {"versions": [chosen]}})
    assert found["passed"] is True
    assert "skip" not in found
    assert found["reasons"] == ["val_accuracy is 0.95, which passes the gate >= 0.9."]
    assert (found["model"], found["version"], found["run_id"]) == ("net", 4, "r2")


@pytest.mark.parametrize(
    ("metrics", "said"),
    [({"val_accuracy": 0.5}, "is 0.5, which fails the gate >= 0.9"), ({}, "was not logged")],
)
def test_a_version_that_fails_a_gate_is_skipped_with_the_reasons(
    tmp_path: Path, tracked: SmallMLflow, metrics: dict[str, float], said: str
):
    tracked.add("r3", **metrics)
    chosen = {"model": "net", "version": 5, "run_id": "r3"}
    found = steps.gate(at(tmp_path, tracked), {"register": {"versions": [chosen]}})
    assert found["passed"] is False
    assert said in found["skip"]
    assert "net version 5 does not pass" in found["skip"]


def test_the_newest_of_several_versions_is_judged(tmp_path: Path, tracked: SmallMLflow):
    tracked.register("r2", 8)
    tracked.register("r1", 7)
    place = at(tmp_path, tracked)
    registered = steps.register(place, TRAINED)
    assert steps.gate(place, {"register": registered})["version"] == 8


def test_nothing_registered_is_nothing_to_judge(tmp_path: Path, tracked: SmallMLflow):
    assert steps.gate(at(tmp_path, tracked), {"register": None})["skip"]


def test_the_check_wants_every_run_ended_and_the_metric_told(tmp_path: Path, tracked: SmallMLflow):
    place = at(tmp_path, tracked)
    assert steps.evaluate_check(place, TRAINED)["values"] == {"r1": 0.91, "r2": 0.95}
    tracked.add("r1", "FAILED")
    with pytest.raises(PlatformError, match="Run r1 is failed"):
        steps.evaluate_check(place, TRAINED)
    tracked.add("r1", val_accuracy=float("nan"))
    tracked.add("r2")
    with pytest.raises(PlatformError, match="None of the 2 runs logged val_accuracy"):
        steps.evaluate_check(place, TRAINED)
    tracked.runs.clear()
    with pytest.raises(PlatformError, match="MLflow has no run r1"):
        steps.evaluate_check(place, TRAINED)


def test_a_broken_contract_and_an_unknown_project_are_sentences(
    tmp_path: Path, tracked: SmallMLflow
):
    with pytest.raises(InputError, match="not a toolkit project"):
        steps.register(at(tmp_path, tracked, GOOD.replace("title", "titel")), TRAINED)
    with pytest.raises(NotFoundError, match="Airflow knows no project 'nobody'"):
        desk(Home(tmp_path), "nobody")


def test_mlflow_away_is_an_engine_error(tmp_path: Path):
    client = httpx.Client(base_url="http://127.0.0.1:1", timeout=0.5)
    place = Desk(look(make(tmp_path, "a")), Home(tmp_path), MLflow(client))
    with pytest.raises(EngineUnreachableError):
        steps.register(place, TRAINED)


def test_a_comparison_is_one_table_best_first_with_the_failed_ones(
    tmp_path: Path, tracked: SmallMLflow
):
    home = Home(tmp_path / "home")
    folder = make(tmp_path / "root", "a")
    Specs(home).write([look(folder)])
    spec = str(home.root / "airflow" / "specs" / "demo-project.json")
    plan = [{"spec": spec, "overrides": {"technique": name}} for name in ("slow", "lora", "bad")]
    trainings: list[dict[str, Any]] = [
        {
            "project": "demo-project",
            "overrides": {"technique": name},
            "run_ids": [run_id],
            "seconds": 2.5,
            "peak_bytes": 1_500_000_000,
        }
        for name, run_id in (("slow", "r1"), ("lora", "r2"))
    ]
    place = Desk(look(folder), home, tracked.adapter())
    found = steps.compare(place, {"plan": plan, "train": trainings})
    assert [(r["technique"], r["state"], r["best"]) for r in found["rows"]] == [
        ("lora", "succeeded", 0.95),
        ("slow", "succeeded", 0.91),
        ("bad", "failed", None),
    ]
    assert found["said"].startswith("3 trainings, 1 of them failed.")
    assert "not measured" in found["said"].splitlines()[-1]
    assert "1.5" in found["said"]


@pytest.fixture
def with_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk whose data is kept by real DVC; that its environment is made is tested elsewhere."""
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(environment, "prepare", lambda *_args: Path(sys.executable))
    home = Home.locate()
    home.create()
    return Desk(look(make(tmp_path, "a")), home, SmallMLflow().adapter())


def write(place: Desk, text: str) -> None:
    file = place.project.path / "data" / "x.csv"
    file.parent.mkdir(exist_ok=True)
    file.unlink(missing_ok=True)
    file.write_text(text)


@pytest.mark.engine
def test_data_is_pulled_when_it_is_gone_and_left_alone_when_it_is_there(with_data: Desk):
    service = DataService(Remote(with_data.home))
    none = steps.data_pull(with_data, {})
    assert none["revision"] is None
    assert "has to make its own" in none["said"]
    write(with_data, "one")
    assert "used as it is (no version yet)" in steps.data_pull(with_data, {})["said"]
    first = service.track(with_data.project.path, "data").revision
    assert steps.data_pull(with_data, {})["revision"] == first
    write(with_data, "two")
    kept = steps.data_pull(with_data, {})
    assert kept["revision"] is None
    assert (with_data.project.path / "data" / "x.csv").read_text() == "two"
    service.track(with_data.project.path, "data")
    asked = steps.data_pull(with_data, {"params": {"data_revision": str(first)[:8]}})
    assert asked["revision"] == first
    assert (with_data.project.path / "data" / "x.csv").read_text() == "one"
    shutil.rmtree(with_data.project.path / "data")
    back = steps.data_pull(with_data, {"params": {"data_revision": None}})
    assert back["revision"] == first
    assert (with_data.project.path / "data" / "x.csv").read_text() == "one"


@pytest.mark.engine
def test_a_pull_that_would_lose_files_and_one_of_nothing_are_refused(with_data: Desk):
    service = DataService(Remote(with_data.home))
    write(with_data, "one")
    steps.data_pull(with_data, {})
    first = service.track(with_data.project.path, "data").revision
    write(with_data, "two, in no version")
    with pytest.raises(ConflictError, match=r"x\.csv"):
        steps.data_pull(with_data, {"params": {"data_revision": first}})
    assert (with_data.project.path / "data" / "x.csv").read_text() == "two, in no version"
    with pytest.raises(NotFoundError):
        steps.data_pull(with_data, {"params": {"data_revision": "abcdef123456"}})


def test_a_project_without_data_has_nothing_to_pull(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(environment, "prepare", lambda *_args: Path(sys.executable))
    place = at(tmp_path, SmallMLflow(), GOOD.replace('data = ["data/"]', "data = []"))
    assert "declares no data" in steps.data_pull(place, {})["said"]
    with pytest.raises(InputError, match="no version abcdef"):
        steps.data_pull(place, {"params": {"data_revision": "abcdef"}})


def ask(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "services.workflows", *words],
        cwd=Path(__file__).parents[3],
        env={"MLOPS_HOME": str(home), "PATH": "/usr/bin:/bin", "MLOPS_ANSWER": str(home / "a")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.engine
def test_the_command_answers_in_a_file_and_fails_in_a_sentence(tmp_path: Path):
    Specs(Home(tmp_path)).write([look(make(tmp_path / "root", "a"))])
    good = ask(tmp_path, "gate", "--project", "demo-project", "--input", '{"register": null}')
    assert good.returncode == 0
    assert json.loads((tmp_path / "a").read_text())["passed"] is False
    assert good.stdout.startswith("No version was registered")
    unknown = ask(tmp_path, "gate", "--project", "nobody")
    assert unknown.returncode == 1
    assert unknown.stdout.startswith("Error: Airflow knows no project 'nobody'.")
    assert unknown.stderr == ""
    for words in (
        ("gate",),
        ("dance", "--project", "x"),
        ("gate", "--project", "x", "--input", "3"),
    ):
        refused = ask(tmp_path, *words)
        assert refused.returncode == 2
        assert "Traceback" not in refused.stderr


def test_a_round_of_checks_fails_when_one_of_them_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    bad = PlatformError("The log cannot be read.", "Mend it.")
    wanted = []

    def run(_home: Home, asked: Asked, *_: object) -> Round:
        wanted.append(asked)
        return Round({("p", "bad", 1): bad}, (("p", "m", 3),))

    monkeypatch.setattr(checking, "run", run)
    place = steps.Desk(look(tmp_path), Home(tmp_path))
    with pytest.raises(PlatformError, match="0 versions were checked, 1 had nothing new, 1 could"):
        steps.monitor(place, {"params": {"deployments": ["p.bad"], "report": True}})
    assert "Version 1 of p.bad could not be checked: The log cannot be read. Mend it." in (
        capsys.readouterr().out
    )
    assert (wanted[0].names, wanted[0].report, wanted[0].by) == (
        ("p.bad",), True, "platform.monitor",
    )  # fmt: skip
    monkeypatch.setattr(checking, "run", lambda *_: Round())
    found = steps.monitor(place, {})
    assert found == {
        "verdicts": [], "said": "Nothing takes requests, so there is nothing to check.",
    }  # fmt: skip

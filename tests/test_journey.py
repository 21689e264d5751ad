"""The whole platform, for real: up, two projects with requirements that conflict, promote, down."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from services.home import Home
from services.predictions import reading
from tests import circle
from tests.browser.conftest import CHROMIUM, FLAGS, idle, sign_in
from tests.circle import MODEL, PROJECT, Asking, Seen, inverted
from tests.live import own_ports

ROOT = Path(__file__).resolve().parent.parent
GATES = {"val_accuracy", "worst_client_accuracy"}
"""Of the project whose circle is gone through."""
PROJECTS = ("03_Quantized_Optimization", "06_Federated_Learning")
pytestmark = [
    pytest.mark.airflow, pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600),
]  # fmt: skip
Mlops = Callable[..., str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journey") / "home"


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("projects")
    for name in PROJECTS:
        left_out = shutil.ignore_patterns(".venv", ".mlops*", "models", "data", "__pycache__")
        shutil.copytree(ROOT / "projects" / name, root / name, ignore=left_out)
    return root


@pytest.fixture(scope="module")
def mlops(home: Path, projects: Path) -> Iterator[Mlops]:
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_"))}
    variables |= {"MLOPS_HOME": str(home), "MLOPS_PROJECTS_ROOT": str(projects), **own_ports()}

    def run(*arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments],
            cwd=ROOT,
            env=variables,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    yield run
    run("down")


@pytest.fixture(scope="module")
def demo(mlops: Mlops) -> str:
    return mlops("up", "--demo")


def shown(mlops: Mlops, *arguments: str) -> Any:
    return json.loads(mlops(*arguments, "--json"))


def eventually(holds: Callable[[], bool], timeout_s: float = 30.0) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.3)


def test_the_demo_prints_the_password_once_and_trains(demo: str):
    assert demo.count("password") >= 1
    assert "The demo is ready" in demo


def test_every_engine_is_live(demo: str, mlops: Mlops):
    engines = shown(mlops, "status")["engines"]
    assert {engine["name"]: engine["state"] for engine in engines} == {
        "dashboard": "live",
        "mlflow": "live",
        "controller": "live",
        "telemetry": "live",
        "airflow": "live",
        "serving": "live",
        "gateway": "live",
        "predictions": "live",
    }


def test_models_of_each_kind_are_in_service_and_were_asked(demo: str, mlops: Mlops, home: Path):
    served = {one["project"]: one for one in shown(mlops, "deployments")}
    champions = {
        model["project"]
        for model in shown(mlops, "models", "list")
        if any("champion" in version["aliases"] for version in model["versions"])
    }
    assert set(served) == champions != set()
    for one in served.values():
        assert (one["state"], one["version"], one["backend"]) == ("live", 1, "mlx")
        assert reading.count(Home(home), one["project"], one["model"]) >= 20
    (judged,) = [one for one in shown(mlops, "drift", "list") if one["model"] == MODEL]
    assert judged["state"] == "steady"


def test_runs_carry_what_the_client_measured(demo: str, mlops: Mlops):
    page = shown(mlops, "runs", "list", "--limit", "100")
    assert page["total"] >= 4
    for row in page["rows"]:
        assert row["status"] == "finished"
        assert row["technique"]
        assert row["metrics"]
        for tag in ("mlops.host", "mlops.backend", "mlops.packages", "mlops.heartbeat"):
            assert row["tags"][tag]
    assert {row["project"] for row in page["rows"]} == {
        "quantized-optimization",
        "federated-learning",
    }


def test_projects_are_connected_with_their_best(demo: str, mlops: Mlops):
    for project in shown(mlops, "projects", "list"):
        assert project["state"] == "connected"
        assert project["best"]["value"] is not None
        assert project["conformance"] > 0.8


def test_models_are_safetensors_with_a_champion_that_can_be_moved(demo: str, mlops: Mlops):
    model = shown(mlops, "models", "list")[0]
    (first,) = model["versions"]
    assert first["format"] == "safetensors"
    assert first["aliases"] == ["champion"]
    mlops("models", "promote", model["name"], str(first["version"]), "--to", "staging", "--yes")
    eventually(
        lambda: "staging" in shown(mlops, "models", "show", model["name"])["versions"][0]["aliases"]
    )


def test_this_machine_was_sampled_all_the_while(demo: str, mlops: Mlops):
    said = shown(mlops, "hardware")
    memory = said["readings"]["memory_total_bytes"]
    assert (memory["value"], memory["quality"]) == (psutil.virtual_memory().total, "measured")
    if not said["apple_silicon"]:
        assert said["readings"]["ane_w"]["reason"] == "not Apple Silicon"
    port = next(e["url"] for e in shown(mlops, "status")["engines"] if e["name"] == "telemetry")
    told = httpx.get(f"{port}/metrics").text
    assert f'mlops_memory_total_bytes{{host="{said["host"]}"' in told
    assert 'owner="engine:mlflow"' in told


def test_every_run_carries_what_it_used(demo: str, mlops: Mlops):
    def details() -> list[dict[str, Any]]:
        rows = shown(mlops, "runs", "list", "--limit", "100")["rows"]
        return [shown(mlops, "runs", "show", row["run_id"]) for row in rows]

    eventually(lambda: all("mlops.energy.quality" in one["tags"] for one in details()), 120.0)
    # The shortest runs lie between two samples: of those nothing can be known, and it is said.
    seen = [one for one in details() if "system/cpu_s" in one["metrics"]]
    assert seen
    for one in seen:
        assert one["metrics"]["system/peak_memory_bytes"] > 1e7
        assert json.loads(one["tags"]["mlops.conditions"])["coverage"] > 0
    if not shown(mlops, "hardware")["apple_silicon"]:
        assert seen[0]["energy_j"] is None
        assert seen[0]["tags"]["mlops.energy.reason"]


def test_plain_mlflow_sees_the_same(demo: str, projects: Path):
    project = projects / "03_Quantized_Optimization"
    script = "import mlflow; print(len(mlflow.search_runs(output_format='list')))"
    python = project / ".venv/bin/python"
    done = subprocess.run(
        [python, "-c", script], cwd=project, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) >= 3


@contextlib.contextmanager
def in_browser(url: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(base_url=url, viewport={"width": 1440, "height": 1200})
        page.set_default_timeout(30_000)
        yield page
        browser.close()


def airflow(home: Path, *arguments: str) -> str:
    """Airflow's own command, as docs/workflows.md says."""
    variables = {
        **os.environ,
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW_CONFIG": str(home / "airflow" / "airflow.cfg"),
        "PYTHONPATH": str(ROOT / "workflows" / "src"),
        "MLOPS_HOME": str(home),
    }
    done = subprocess.run(
        [ROOT / ".venv-airflow" / "bin" / "airflow", *arguments],
        env=variables, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout[done.stdout.index("[{") :]


# Without the mark of browser tests: they come last of all, and the demo would be made once more.
def test_a_launch_in_the_browser_is_followed_to_a_registered_version(
    demo: str, mlops: Mlops, home: Path
):
    """The team lead's way: launch, follow the run, open the version it made."""
    # In a thread of its own: the other browser tests' Playwright holds this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(_launched_and_followed, demo, mlops, home).result()


def _launched_and_followed(demo: str, mlops: Mlops, home: Path) -> None:
    found = re.search(r"^ +password +(\S+)$", demo, re.MULTILINE)
    assert found is not None
    engines = {one["name"]: one for one in shown(mlops, "status")["engines"]}
    with in_browser(engines["dashboard"]["url"]) as page:
        sign_in(page, "/workflows?dag=quantized-optimization.train", password=found[1])
        idle(page, "Quantised optimisation: train")
        page.get_by_role("button", name="Launch").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Launch").click()
        dialog.get_by_role("link", name="To the run").click(timeout=60_000)
        idle(page, "Run of Quantised optimisation: train")
        made = re.search(r"run=([^&]+)", page.url)
        assert made is not None
        expect(page.get_by_text("succeeded").first).to_be_visible(timeout=300_000)
        version = page.get_by_role("link", name=re.compile("version 2$"))
        expect(version.first).to_be_visible(timeout=60_000)
        version.first.click()
        idle(page)
        assert "/model" in page.url
        _released(page, mlops)
    by_airflow = airflow(home, "dags", "list-runs", "quantized-optimization.train", "-o", "json")
    states = {one["run_id"]: one["state"] for one in json.loads(by_airflow)}
    assert states[made[1]] == "success"  # plain Airflow shows the same
    told = shown(mlops, "workflows", "show", f"quantized-optimization.train/{made[1]}")
    assert told["state"] == "success"


def _released(page: Page, mlops: Mlops) -> None:
    """The version passed its gates, and its model is in service: the release puts it there."""
    project = "quantized-optimization"

    def served() -> dict[str, Any]:
        return next(one for one in shown(mlops, "deployments") if one["project"] == project)

    eventually(lambda: (served()["version"], served()["state"]) == (2, "live"), 240)
    page.goto(f"/workflows?dag={project}.release")
    idle(page, "Quantised optimisation: release")
    expect(page.get_by_text("succeeded").first).to_be_visible(timeout=60_000)
    page.goto(f"/deployments?deployment={served()['name']}")
    idle(page)
    expect(page.get_by_text(re.compile("version 2")).first).to_be_visible()


def test_wrong_names_are_sentences(demo: str, mlops: Mlops):
    assert "There is no run" in mlops("runs", "show", "nonsense", code=1)
    assert "no project id" in mlops("projects", "show", "../etc", code=2)
    assert "There is no project" in mlops("projects", "show", "nobody", code=1)
    assert "There is no model" in mlops("models", "show", "nothing", code=1)
    said = mlops("runs", "list", "--filter", "metrics.loss >", code=2)
    assert "metrics.loss >\n              ^" in said


def test_a_killed_mlflow_comes_back_and_nothing_is_lost(demo: str, mlops: Mlops):
    before = shown(mlops, "runs", "list")["total"]
    pid = next(e["pid"] for e in shown(mlops, "status")["engines"] if e["name"] == "mlflow")
    os.kill(pid, 9)

    def back() -> bool:
        engine = next(e for e in shown(mlops, "status")["engines"] if e["name"] == "mlflow")
        return engine["state"] == "live" and engine["pid"] != pid

    eventually(back, 90)
    assert shown(mlops, "runs", "list")["total"] == before


def test_a_mirror_of_garbage_is_set_aside_and_rebuilt(demo: str, mlops: Mlops, home: Path):
    before = shown(mlops, "runs", "list")["total"]
    mirror = home / "db" / "mirror.sqlite"
    mirror.write_bytes(b"garbage" * 5000)
    for suffix in ("-wal", "-shm"):
        Path(f"{mirror}{suffix}").unlink(missing_ok=True)
    mlops("restart", "controller")

    def rebuilt() -> bool:
        return shown(mlops, "runs", "list")["total"] == before

    eventually(rebuilt, 60)
    assert list((home / "db" / "quarantine").iterdir())


@pytest.mark.timeout(1200)
def test_the_circle_closes_from_prediction_to_retraining(demo: str, mlops: Mlops):
    """Served, shifted, seen with its cause, retrained by an approver, promoted, well again."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(_circle, mlops).result()


def _circle(mlops: Mlops) -> None:
    engines = {one["name"]: one for one in shown(mlops, "status")["engines"]}
    key = json.loads(mlops("keys", "add", PROJECT, "circle", "--rate", "1000", "--json"))["key"]
    password = mlops("users", "add", "ann", "--role", "approver").split()[-1]
    judged = ("--percent", "50", "--judge-minutes", "1", "--judge-requests", "20")
    mlops("retrain", "policy", PROJECT, *judged)
    asking, watch = Asking(engines["gateway"]["url"], key), Seen(mlops)
    other = json.loads(mlops("keys", "add", PROJECT, "another", "--rate", "1000", "--json"))["key"]

    asking.ask()
    assert watch.check() == "steady"
    assert watch.alert("data") is None
    assert watch.proposal() is None

    since = circle.next_minute()
    asking.ask(shift=inverted)
    # Another application begins at the same time, and asks as ever: it is no cause.
    Asking(engines["gateway"]["url"], other, seed=7).ask(20, tells=False)
    assert watch.check() == "drifted"
    alert = watch.explained("data")
    assert alert["cause"].startswith("The input image moved (")
    answers = watch.explained("prediction")
    assert answers["cause"].startswith("The input image")  # as a whole, or a figure of it
    proposal = watch.proposed()
    assert proposal["state"] == "open"
    assert proposal["requested_by"] == "policy:retraining"
    assert proposal["thread"] == alert["thread"]

    with in_browser(engines["dashboard"]["url"]) as page:
        circle.accept(page, password, alert, proposal, since)
        with asking.all_the_while(0.2, inverted):
            judging = circle.follow(watch, "judging")
            assert judging["approved_by"] == "ann"
            assert (judging["version"], judging["candidate"]) == (1, 2)
            served = {one["model"]: one for one in shown(mlops, "deployments")}[MODEL]
            assert served["version"] == 1  # the champion stays beside it until the verdict
            made = circle.follow(watch, "promoted")
        assert asking.versions.keys() == {1, 2}
        lines = shown(mlops, "retrain", "show", str(made["id"]))["thread_events"]
        happened = [one["what"] for one in lines]
        wanted = ("alert", "proposed", "accepted", "launched", "trained", "gates", "beside",
                  "verdict", "promoted")  # fmt: skip
        assert [happened.index(one) for one in wanted] == sorted(map(happened.index, wanted))
        told = {one["what"]: one for one in lines}
        assert told["gates"]["numbers"].keys() == GATES
        for name in GATES:
            passed = re.escape(name) + r" is [\d.]+, which passes the gate >= "
            assert re.search(passed, told["gates"]["said"]), told["gates"]
        assert told["beside"]["said"].startswith("Version 2 answers 50 % of the requests")
        assert told["verdict"]["numbers"]["requests"] >= 20
        served = {one["model"]: one for one in shown(mlops, "deployments")}[MODEL]
        assert (served["state"], served["version"]) == ("live", 2)
        versions = {
            one["version"]: one for one in shown(mlops, "models", "show", MODEL)["versions"]
        }
        assert "champion" in versions[2]["aliases"]
        run = shown(mlops, "runs", "show", made["run_id"])
        assert run["tags"]["mlops.thread"] == alert["thread"]

        # The requests are the same as before the retraining: it is what cured it.
        asking.ask(shift=inverted)
        assert watch.check() == "steady"
        eventually(lambda: watch.resolved(alert["id"]) and watch.resolved(answers["id"]), 60)
        for one, what in ((alert, "inputs"), (answers, "outputs")):  # by what a check found
            assert watch.resolution(one["id"]).startswith(f"The {what} are as in ")
        circle.see_it_end(page)
        circle.see_the_thread(page, watch, alert, made, run["tags"]["mlops.data.revision"])

"""The whole way of a heavy job, for real: launched by a command, put in line by the controller,
held by the triggerer of Airflow, started by its scheduler; and what is left when processes die."""

import contextlib
import json
import os
import signal
import threading
import time
import venv
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from services.engines.registry import build_airflow
from services.platform import state
from services.settings import Settings
from tests import live
from tests.live import eventually

if TYPE_CHECKING:
    from services.engines.airflow.adapter import Airflow
    from services.engines.airflow.models import Pool

pytestmark = [
    pytest.mark.airflow, pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600),
]  # fmt: skip

PROJECTS = ("busy", "calm", "small")
CONTRACT = """
[project]
name = "{id}"
version = "1"

[tool.mlops]
id = "{id}"
title = "{id}"
train = "python train.py"
memory_limit_gb = 0.2
dags = ["short.py"]
"""
DAG = """
import os
from datetime import UTC, datetime
from airflow.sdk import DAG
from mlops_workflows.dags import heavy, weight_rule
from mlops_workflows.spec import load
from mlops_workflows.tasks import HeavyTask

path = os.environ["MLOPS_HOME"] + "/airflow/specs/{id}.json"
with DAG("{id}.short", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC),
         is_paused_upon_creation=False, max_active_runs=16,
         default_args={{"retries": 3, "retry_delay": 1.0, "weight_rule": weight_rule()}}) as dag:
    HeavyTask(task_id="train", spec=path, **heavy(load(path)))
"""
TRAIN = """
import json, os, time
def say(what):
    said = {"what": what, "project": os.path.basename(os.getcwd()), "at": time.time(),
            "run": os.environ["MLOPS_TASK"].split("/")[1]}
    with open("../said", "a") as file:
        file.write(json.dumps(said) + "\\n")
say("began")
time.sleep(3)
say("ended")
"""


class Site:
    """A platform whose projects each have a workflow of one heavy task."""

    def __init__(self, platform: live.Platform) -> None:
        self.platform = platform
        with pytest.MonkeyPatch.context() as patch:
            for name, value in platform.variables().items():
                patch.setenv(name, value)
            patch.setenv("MLOPS_AIRFLOW_PORT", platform.engine("airflow")["url"].rpartition(":")[2])
            self.airflow: Airflow = build_airflow(platform.home, Settings())

    def launch(self, project: str) -> str:
        """Launch a run as a person does; return its id."""
        said = self.platform.mlops("run", project, "--workflow", "short", "--json")
        return str(json.JSONDecoder().raw_decode(said)[0]["run_id"])

    def launch_all(self, *projects: str) -> list[str]:
        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(self.launch, projects))

    def said(self) -> list[dict[str, Any]]:
        path = self.platform.projects / "said"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def heard(self, what: str, runs: list[str]) -> list[dict[str, Any]]:
        return [one for one in self.said() if one["what"] == what and one["run"] in runs]

    def states(self, runs: dict[str, str]) -> list[str]:
        return [self.airflow.dag_run(f"{p}.short", run).state for run, p in runs.items()]

    def ended(self, runs: dict[str, str], timeout_s: float = 300) -> list[str]:
        """Return how the runs ended."""
        done = {"success", "failed"}

        def all_done() -> list[str] | None:
            found = self.states(runs)
            return found if set(found) <= done else None

        return list(eventually(all_done, timeout_s))

    def pid(self, name: str) -> int:
        """Return the process of an engine or a part of one, as soon as it has one."""

        def found() -> int | None:
            engine = state.load(self.platform.home.run / "state.json").engine(name)
            return engine.leader.pid if engine and engine.leader else None

        return int(eventually(found))

    def well(self) -> bool:
        return self.platform.engine("airflow")["state"] == "live"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with live.running(tmp_path_factory.mktemp("fair"), airflow=True) as platform:
        for name in PROJECTS:
            folder = platform.projects / name
            folder.mkdir()
            (folder / "train.py").write_text(TRAIN)
            (folder / "short.py").write_text(DAG.format(id=name))
            venv.create(folder / ".venv", symlinks=True)
            (folder / "pyproject.toml").write_text(CONTRACT.format(id=name))
        made = Site(platform)
        wanted = {f"{name}.short" for name in PROJECTS}
        eventually(lambda: wanted <= {dag.dag_id for dag in made.airflow.dags()}, 120)
        eventually(lambda: wanted <= {w["dag_id"] for w in platform.shown("workflows", "list")}, 60)
        yield made
        made.airflow._client.close()


def watched(look: Callable[[], Any]) -> tuple[threading.Event, list[Any], threading.Thread]:
    """Look again and again until the event is set."""
    over, found = threading.Event(), []

    def go() -> None:
        while not over.wait(0.3):
            found.append(look())

    thread = threading.Thread(target=go)
    thread.start()
    return over, found, thread


def test_nobody_starves_and_who_is_held_takes_no_slot(site: Site):
    def look() -> "tuple[Pool, ...]":
        return site.airflow.pools()

    over, looks, thread = watched(look)
    try:
        many = site.launch_all(*["busy"] * 8)
        before = len(site.heard("began", many))
        few = site.launch_all("calm", "small", "calm", "small")
        runs = dict.fromkeys(many, "busy") | dict(
            zip(few, ("calm", "small", "calm", "small"), strict=True)
        )
        assert set(site.ended(runs)) == {"success"}
    finally:
        over.set()
        thread.join()
    began = site.heard("began", list(runs))
    assert sorted(one["run"] for one in began) == sorted(runs), "each ran once"
    # The flood of one project delays another by what already ran, and by one more for each of its
    # own: who had less goes first.
    order = [one["project"] for one in began]
    for name in ("calm", "small"):
        first, second = (n for n, project in enumerate(order) if project == name)
        assert first <= before + 3, order
        assert second <= before + 6, order
    # One at a time, by what the commands themselves say.
    spans = sorted((one["at"], one["what"] == "began") for one in site.said() if one["run"] in runs)
    assert [begins for _, begins in spans] == [True, False] * len(runs)
    pools = [{pool.name: pool for pool in look} for look in looks]
    (gpu,) = {name for look in pools for name in look if name.startswith("mlops_gpu@")}
    heavy = [look[gpu] for look in pools if gpu in look]
    assert max(one.deferred for one in heavy) >= 6
    for one in heavy:
        assert one.occupied <= 1
        assert one.running + one.queued <= 1
        assert not one.counts_deferred


def test_what_is_killed_loses_no_run_and_doubles_none(site: Site):
    names = [*PROJECTS, *PROJECTS]
    ids = site.launch_all(*names)
    runs = dict(zip(ids, names, strict=True))
    parts = ("airflow-triggerer", "airflow-scheduler", "airflow", "controller")
    for number, name in enumerate(parts):
        eventually(lambda: len(site.heard("began", ids)) > number, 120)  # noqa: B023 - at once
        killed = site.pid(name)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: site.pid(name) != killed and site.well(), 120)  # noqa: B023 - at once
    assert site.ended(runs) == ["success"] * len(runs)
    assert sorted(one["run"] for one in site.heard("ended", ids)) == sorted(ids), "each ended once"
    for run, project in runs.items():
        tries = site.airflow.tries(f"{project}.short", run, "train")
        assert sum(one.state == "success" for one in tries) == 1
    spans: dict[str, list[str]] = {}
    for one in site.said():
        if one["run"] in runs:
            spans.setdefault(one["run"], []).append(one["what"])
    assert all(said[-2:] == ["began", "ended"] for said in spans.values()), spans


def test_a_stopped_airflow_is_told_since_when_and_goes_on(site: Site):
    stopped = [psutil.Process(site.pid(name)) for name in ("airflow", "airflow-scheduler")]
    ids = site.launch_all("busy", "calm")
    for one in stopped:
        one.suspend()
    try:
        eventually(lambda: "engine" in {row["kind"] for row in site.platform.shown("queue")}, 90)
        assert not site.well()
        began = time.monotonic()
        said = site.platform.mlops("run", "busy", "--workflow", "short", code=1)
        assert time.monotonic() - began < 15.0
        assert "Airflow" in said
        assert "Traceback" not in said
    finally:
        for one in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):  # who is silent for long is replaced
                one.resume()
    eventually(site.well, 120)
    runs = dict(zip(ids, ("busy", "calm"), strict=True))
    assert site.ended(runs) == ["success"] * 2
    assert sorted(one["run"] for one in site.heard("ended", ids)) == sorted(ids)

"""What the controller says of Airflow, which it knows from the supervisor."""

import os
import time
from pathlib import Path

import pytest

from services.controller.airflow import AirflowWatch
from services.home import Home
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.platform import control
from services.platform.files import write_json
from services.platform.state import EngineState, PlatformState
from services.process_identity import Identity
from services.settings import Settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    found = Home(tmp_path)
    found.create()
    own = Identity.of(os.getpid())
    monkeypatch.setattr(control, "running", lambda home: own)
    return found


@pytest.fixture
def watch(home: Home) -> AirflowWatch:
    engine, _ = schema.prepare(Settings().mirror_url)
    return AirflowWatch(Store(engine), home)


def noted(home: Home, *engines: EngineState, wanted: tuple[str, ...] = ("airflow",)) -> None:
    state = PlatformState(Identity.of(os.getpid()), engines=engines, wanted=wanted)
    write_json(home.run / "state.json", state.document())


def told() -> list[tuple[str, str]]:
    return [
        (e.state, e.reason) for e in Mirror.open(Settings()).freshness() if e.engine == "airflow"
    ]


def events() -> list[str]:
    changes = Mirror.open(Settings()).changes()
    return [change.kind for change in changes if change.subject == "airflow"][::-1]


def test_its_first_start_says_what_is_done_and_is_no_event(watch: AirflowWatch, home: Home):
    noted(home, EngineState("airflow", phase="starting", detail="Installing the packages."))
    watch.turn()
    assert told() == [("stale", "It is being started: Installing the packages.")]
    assert events() == []


def test_a_failed_installation_is_down_with_its_sentence(watch: AirflowWatch, home: Home):
    noted(home, EngineState("airflow", phase="failing", detail="No network."))
    watch.turn()
    assert told() == [("down", "No network.")]
    assert events() == ["engine.down"]


def test_live_then_one_part_silent(watch: AirflowWatch, home: Home):
    now = time.time()
    well = EngineState("airflow", phase="live", since=now - 60, answered_at=now)
    noted(home, well)
    watch.turn()
    assert told() == [("live", "")]
    silent = EngineState(
        "airflow-scheduler", "Airflow scheduler", "unresponsive", since=now, detail="Silent.",
        answered_at=now,
    )  # fmt: skip
    noted(home, well, silent, wanted=("airflow", "airflow-scheduler"))
    watch.turn()
    assert told() == [("stale", "Airflow scheduler: Silent.")]
    assert events() == ["engine.live", "engine.stale"]


def test_one_that_is_no_longer_wanted_is_not_shown(watch: AirflowWatch, home: Home):
    noted(home, EngineState("airflow", phase="live", answered_at=time.time()))
    watch.turn()
    noted(home, wanted=("mlflow",))
    watch.turn()
    assert told() == []

"""The sync against an MLflow played by a few dictionaries that answers like the adapter."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.engines.mlflow.feed import FeedReader, FeedWriter
from services.engines.mlflow.models import (
    ArtifactEntry,
    Experiment,
    Metric,
    Model,
    Point,
    RunBatch,
    TrackedRun,
    Version,
)
from services.errors import EngineUnreachableError
from services.mirror.models import RunQuery
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.mirror.sync import MirrorSync
from tests.services.mirror.conftest import tracked


class Played:
    """Answers like the adapter and counts what was asked."""

    def __init__(self) -> None:
        self.runs: dict[str, TrackedRun] = {}
        self.asked: list[str] = []
        self.found_models: tuple[Model, ...] = ()
        self.down = False

    def _note(self, what: str) -> None:
        if self.down:
            raise EngineUnreachableError("MLflow cannot be reached.")
        self.asked.append(what)

    def workspaces(self) -> tuple[str, ...]:
        self._note("workspaces")
        return ("default", "p")

    def experiments(self, workspace: str) -> tuple[Experiment, ...]:
        self._note("experiments")
        return (Experiment("1", workspace),)

    def all_runs(self, _w: str, _e: tuple[str, ...], query: str = "") -> Iterator[RunBatch]:
        self._note(f"runs {query}")
        runs = tuple(self.runs.values())
        if "run_id IN" in query:
            runs = tuple(run for run in runs if run.run_id in query)
        yield RunBatch(runs, None)

    def history(self, _w: str, _r: str, _k: str) -> tuple[Point, ...]:
        self._note("history")
        return (Point(1.0, 0, 0), Point(0.5, 1, 1))

    def history_since(self, _w: str, _r: str, _k: str, step: int) -> tuple[Point, ...]:
        self._note(f"history since {step}")
        return (Point(0.4, step + 1, 2),)

    def models(self, _w: str) -> tuple[Model, ...]:
        self._note("models")
        return self.found_models

    def versions(self, _w: str) -> tuple[Version, ...]:
        self._note("versions")
        return ()

    def artifacts(self, _w: str, _r: str, path: str = "") -> tuple[ArtifactEntry, ...]:
        if path:
            return (ArtifactEntry(f"{path}/x", is_folder=False, size_bytes=3),)
        return (ArtifactEntry("folder", is_folder=True, size_bytes=None),)


@pytest.fixture
def played() -> Played:
    return Played()


@pytest.fixture
def feed(tmp_path: Path) -> FeedWriter:
    return FeedWriter(tmp_path / "changes")


@pytest.fixture
def sync(store: Store, played: Played, feed: FeedWriter, tmp_path: Path) -> MirrorSync:
    del feed
    reader = FeedReader(tmp_path / "changes")
    return MirrorSync(
        store,
        played,  # type: ignore[arg-type]  # answers like MLflow
        reader,
        lost_after_s=60,
        lost_without_heartbeat_s=1800,
    )


def test_everything_once_then_nothing_is_asked(sync: MirrorSync, played: Played, mirror: Mirror):
    played.runs = {run.run_id: run for run in (tracked(1), tracked(2))}
    assert sync.cycle().full
    assert mirror.runs(RunQuery()).total == 2
    played.asked.clear()
    for _ in range(5):
        sync.cycle()
    assert played.asked == []


def test_a_noted_run_is_read_alone(
    sync: MirrorSync, played: Played, feed: FeedWriter, mirror: Mirror
):
    played.runs = {run.run_id: run for run in (tracked(1), tracked(2))}
    sync.cycle()
    played.asked.clear()
    run = tracked(3, status="running", ended_ms=None, started_ms=int(time.time() * 1000))
    played.runs[run.run_id] = run
    feed.note("p", "run", [run.run_id])
    assert sync.cycle().runs == 1
    assert [what for what in played.asked if what.startswith("runs")] == [
        f"runs attributes.run_id IN ('{run.run_id}')"
    ]
    assert mirror.runs(RunQuery()).rows[0].status == "running"
    (curve,) = mirror.curves([run.run_id], ["loss"])
    assert curve.values == (1.0, 0.5)


def test_a_failed_cycle_is_made_up_by_the_next(
    sync: MirrorSync, played: Played, feed: FeedWriter, mirror: Mirror
):
    sync.cycle()
    played.runs = {tracked(1).run_id: tracked(1)}
    feed.note("p", "run", [tracked(1).run_id])
    played.down = True
    with pytest.raises(EngineUnreachableError):
        sync.cycle()
    played.down = False
    sync.cycle()
    assert mirror.runs(RunQuery()).total == 1


def test_a_restarted_server_is_caught_up_with(
    sync: MirrorSync, played: Played, feed: FeedWriter, mirror: Mirror
):
    sync.cycle()
    played.runs = {tracked(1).run_id: tracked(1)}
    feed.boot(1.0)
    sync.cycle()
    assert mirror.runs(RunQuery()).total == 1
    assert "models" in played.asked


def test_hostile_ids_in_the_feed_ask_nothing(sync: MirrorSync, played: Played, feed: FeedWriter):
    sync.cycle()
    played.asked.clear()
    feed.note("p", "run", ["') OR 1=1 --", "x" * 10_000])
    sync.cycle()
    assert not [what for what in played.asked if "OR" in what]


def test_registry_notes_bring_alias_moves(sync: MirrorSync, played: Played, feed: FeedWriter):
    sync.cycle()
    played.found_models = (Model("m", "", 0, 0, {"champion": 3}, {}),)
    feed.note("p", "registry", [])
    ((workspace, event),) = sync.cycle().alias_events
    assert (workspace, event.subject, event.before, event.after) == ("p", "m@champion", None, "3")


def running(number: int, tags: dict[str, str], age_s: float) -> TrackedRun:
    started = int((time.time() - age_s) * 1000)
    metrics: dict[str, Metric] = {}
    run = tracked(number, status="running", ended_ms=None, started_ms=started, metrics=metrics)
    return replace(run, tags=tags)


@pytest.mark.parametrize(
    ("tags", "age_s", "status", "why"),
    [
        ({}, 60, "running", ""),
        ({}, 4000, "lost", "its last metric is 67 min old"),
        ({"mlops.heartbeat": "now"}, 4000, "running", ""),
        ({"mlops.heartbeat": "old"}, 4000, "lost", "its last heartbeat is 5 min old"),
        ({"mlops.host": "here", "mlops.pid": "gone"}, 10, "lost", "its process has ended"),
        ({"mlops.host": "here", "mlops.pid": "self"}, 10, "running", ""),
        ({"mlops.host": "elsewhere", "mlops.pid": "gone"}, 10, "running", ""),
    ],
)
def test_a_run_that_died_silently_is_lost(
    sync: MirrorSync,
    played: Played,
    mirror: Mirror,
    tags: dict[str, str],
    age_s: float,
    status: str,
    why: str,
):
    words = {
        "now": str(time.time()),
        "old": str(time.time() - 300),
        "here": socket.gethostname(),
        "self": str(os.getpid()),
        "gone": str(2**22 + 1),
    }
    run = running(1, {key: words.get(value, value) for key, value in tags.items()}, age_s)
    played.runs = {run.run_id: run}
    sync.cycle()
    shown = mirror.runs(RunQuery()).rows[0]
    assert shown.status == status
    assert shown.status_reason.startswith(why)


def test_a_run_whose_process_is_paused_is_not_lost_nor_while_it_wakes(
    sync: MirrorSync, played: Played, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
):
    process = subprocess.Popen(["sleep", "60"])
    tags = {
        "mlops.host": socket.gethostname(),
        "mlops.pid": str(process.pid),
        "mlops.heartbeat": str(time.time() - 300),
    }
    run = running(1, tags, 400)
    played.runs = {run.run_id: run}

    def status() -> str:
        sync.cycle()
        return mirror.runs(RunQuery()).rows[0].status

    try:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert status() == "running"
        process.send_signal(signal.SIGCONT)
        os.waitid(os.P_PID, process.pid, os.WCONTINUED)
        assert status() == "running"
        later = int((time.time() + 120) * 1000)
        monkeypatch.setattr("services.mirror.sync.now_ms", lambda: later)
        assert status() == "lost"
    finally:
        process.kill()
        process.wait()


def test_artifacts_are_listed_folders_followed(sync: MirrorSync, mirror: Mirror):
    sync.read_artifacts("p", "a" * 32)
    found = mirror.artifacts("a" * 32)
    assert found is not None
    assert [(a.path, a.is_folder, a.size_bytes) for a in found] == [
        ("folder", True, None),
        ("folder/x", False, 3),
    ]

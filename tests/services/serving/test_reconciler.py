"""The turns of the engine without Ray and without model servers; with them: test_engine."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.actions.journal import Journal
from services.errors import JournalError, PlatformError
from services.home import Home
from services.resources.leases import LeaseBook
from services.resources.models import Capacity
from services.serving import __main__ as main
from services.serving import paths, reconciler, replicas, status, store, tidying
from services.serving.cluster import Cluster, Options
from services.serving.keeping import Keeping
from services.serving.lease_keeping import LeaseKeeping
from services.serving.models import Rollout, Target
from services.serving.reconciler import Reconciler, Watches
from services.serving.tidying import Tidying
from services.serving.versions import Prepared
from services.settings import Settings
from tests.live import eventually
from tests.services.serving.lab import MODEL, NAME, PROJECT, bundle_info
from tests.services.serving.simulated import MB


class NoRay(Cluster):
    def turn(self) -> None:
        self.problem = ""


class Ready:
    def ask(self, project: str, model: str, target: Target, /) -> Prepared | str:
        return Prepared(bundle_info(target.version, model=model), "", "", "")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path / "home")
    found.create()
    return found


@pytest.fixture
def journal(home: Home) -> Iterator[Journal]:
    made = Journal(f"sqlite:///{home.databases / 'journal.sqlite'}")
    yield made
    made.close()


@pytest.fixture
def engine(home: Home, journal: Journal) -> Iterator[Reconciler]:
    made = made_engine(home, journal)
    yield made
    made.stop()


def made_engine(home: Home, journal: Journal, watches: Watches | None = None) -> Reconciler:
    leases = LeaseKeeping(LeaseBook(home.run / "leases.json"), lambda: Capacity("here", 1 << 40))
    ray = NoRay(home, Options(1))
    return Reconciler(home, journal, ray, leases, Ready(), host="here", watches=watches)


def wished(journal: Journal, version: int) -> None:
    wish = Rollout(Target(version, memory_bytes=MB), action_id=version)
    store.put_rollout(journal, PROJECT, MODEL, wish)


def test_a_line_of_the_history_that_cannot_be_written_is_written_later(
    engine, journal, monkeypatch
):
    def refuses(*_: object, **__: object) -> None:
        raise JournalError("The disk is full.")

    monkeypatch.setattr(store, "record_event", refuses)
    engine._record([(NAME, "canary", "It answers 10 %.", 2)])
    assert "The disk is full" in engine.trouble
    engine._record([])
    monkeypatch.undo()
    engine.turn()
    engine.turn()
    (told,) = store.events(journal, NAME)
    assert (told.kind, told.version, told.said) == ("canary", 2, "It answers 10 %.")


def test_a_clock_that_is_set_is_noticed_and_one_that_is_not_is_not(engine, journal, monkeypatch):
    wished(journal, 1)
    engine.turn()
    run = engine._runs[NAME].rollout
    since = run.since
    engine.turn()
    assert run.since - since < 1.0
    now = time.time
    monkeypatch.setattr(reconciler.time, "time", lambda: now() - 3600.0)
    before = run.since
    engine._mind_the_clock(time.time())
    assert run.since == pytest.approx(before - 3600.0, abs=0.5)
    engine._mind_the_clock(time.time())
    assert run.since == pytest.approx(before - 3600.0, abs=0.5)


def test_who_was_evicted_is_remembered_when_the_engine_is_stopped(engine, journal, home):
    for model in ("loud", MODEL):
        wish = Rollout(Target(1, memory_bytes=MB), action_id=1)
        store.put_rollout(journal, PROJECT, model, wish)
        store.finish_rollout(journal, f"{PROJECT}.{model}", 1, live=True, said="")
    engine.turn()
    engine._runs[NAME].evict(time.time())
    engine.turn()
    engine.stop()
    made_engine(home, journal).stop()  # before its first turn
    found = status.read(home)
    assert found is not None
    assert list(found.endpoints) == [NAME]
    (one,) = found.endpoints[NAME].versions
    assert (one.version, one.evicted, one.replicas) == (1, True, ())
    again = made_engine(home, journal)
    again._read_desired(time.time())
    assert again._runs[NAME].live.wanted == 0
    assert again._runs[f"{PROJECT}.loud"].live.wanted == 1
    again.stop()


def test_each_while_it_is_told_what_runs_so_that_the_rest_can_go(home, journal, monkeypatch):
    monkeypatch.setattr(tidying, "SWEPT_S", 0.0)
    told: list[list[tuple[str, int]]] = []
    keep = Watches(keep=lambda followed, now: told.append([(s.name, s.version) for s in followed]))
    engine = made_engine(home, journal, keep)
    wished(journal, 3)
    eventually(lambda: engine.turn() or [(NAME, 3)] in told)
    engine.stop()


def test_the_engine_of_an_installation_lets_go_of_what_nobody_needs(home, monkeypatch):
    monkeypatch.setenv("MLOPS_HOME", str(home.root))
    built = main.build(home, Settings(serving_bundle_days=2.0))
    keeping = built._watches.keep.__self__
    assert (type(keeping), keeping._kept_s) == (Keeping, 2 * 86_400.0)
    with pytest.raises(PlatformError, match="The mirror cannot be read"):  # it was never made
        keeping._model("nobody", "net")
    built.stop()


# Tidying


def stray(home: Home) -> "subprocess.Popen[bytes]":
    """Start what says it is a model server of this home, and does not end when it is asked."""
    variables = {**os.environ, "MLOPS_HOME": str(home.root), replicas.MARK: "gone.m:1:0-x"}
    code = "trap '' TERM; echo there; while :; do sleep 0.1; done"
    made = subprocess.Popen(["sh", "-c", code], env=variables, stdout=subprocess.PIPE)
    assert made.stdout is not None
    assert made.stdout.readline() == b"there\n"
    return made


def test_a_stray_that_does_not_end_when_it_is_asked_is_made_to(home, monkeypatch):
    monkeypatch.setattr(tidying, "SWEPT_S", 0.0)
    with stray(home) as process:
        one = Tidying(home)
        assert one.turn([], time.time())
        time.sleep(0.3)
        assert psutil.Process(process.pid).is_running()
        assert process.poll() is None
        one.turn([], time.time())
        assert process.wait(10) == -9
    eventually(lambda: not replicas.strays(home, set()))


def test_logs_of_long_ended_model_servers_go_each_day(home, monkeypatch):
    monkeypatch.setattr(tidying, "SWEPT_S", 0.0)
    old, new = home.logs / "serving-a-1-0.log", home.logs / "serving-b-1-0.log"
    one = Tidying(home)
    one.turn([], time.time())
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    one.turn([], time.time())
    assert old.exists()  # not yet a day
    monkeypatch.setattr(tidying, "DAY_S", 0.0)
    one.turn([], time.time())
    assert not old.exists()
    assert new.exists()


def test_the_log_of_a_silent_model_server_stays(home):
    path = home.logs / "serving-a-1-0.log"
    path.touch()
    os.utime(path, (0, 0))
    kept = str(paths.run(home) / "x")
    spec = replicas.ReplicaSpec(
        id="a", name="a", project="a", model="a", version=1, memory_bytes=1, backend="auto",
        max_batch=1, bundle="", folder="", python="", socket=kept, events=kept, record=kept,
        log=str(path), home=str(home.root),
    )  # fmt: skip
    Tidying(home).turn([spec], time.time())
    assert path.exists()

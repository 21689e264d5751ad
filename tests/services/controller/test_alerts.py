"""The loop of alerts over a real home: engines by their files, disks, the mirror, the gateway."""

import json
import os
import threading
import time

import psutil
import pytest

from services.actions.journal import Journal
from services.alerting import deciding, store
from services.alerting.looking import Rule
from services.alerting.models import Event
from services.causes import Cause, Explanation
from services.causes.following import Follower
from services.controller import alerts
from services.controller.alerts import AlertWatch, Sources
from services.home import Home
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.platform import room
from services.predictions.log import PredictionLog
from services.process_identity import Identity
from services.serving import figures, status
from services.serving import store as deployments
from services.serving.figures import Figures
from services.serving.models import EndpointStatus, Rollout, Target
from services.serving.status import ServingStatus
from services.settings import Settings
from tests.services.mirror.conftest import tracked
from tests.services.predictions.records import record


@pytest.fixture
def mirror(home: Home) -> Store:
    engine, _ = schema.prepare(Settings().mirror_url)
    return Store(engine)


@pytest.fixture
def sources(home: Home, journal: Journal, mirror: Store) -> Sources:
    return Sources(home, journal, Mirror.open(Settings()))


@pytest.fixture
def watch(home: Home, journal: Journal, sources: Sources, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(alerts, "RULES_INTERVAL_S", 0.0)
    monkeypatch.setattr(alerts, "_LONGEST_REST_S", 0.0)
    monkeypatch.setattr(room, "free_bytes", lambda _home: iter([(home.root, 10**12)]))
    return AlertWatch(home, journal, sources.rules(serves=True))


def supervised(home: Home, **phases: str) -> None:
    me = {"pid": os.getpid(), "created": psutil.Process().create_time()}
    engines = [
        {"name": name, "title": name, "phase": phase, "since": time.time() - 500,
         "answered_at": time.time(), "url": "http://127.0.0.1:8501/"}
        for name, phase in phases.items()
    ]  # fmt: skip
    said = {"supervisor": me, "engines": engines, "wanted": list(phases)}
    (home.run / "state.json").write_text(json.dumps(said))


def seen(journal: Journal) -> dict[str, str]:
    return {one.key: one.state for one in store.alerts(journal, ended=True)}


def test_an_engine_that_is_down_becomes_an_alert_and_ends_when_it_answers(
    home: Home, journal: Journal, watch: AlertWatch, monkeypatch: pytest.MonkeyPatch
):
    me = {"pid": os.getpid(), "created": psutil.Process().create_time()}
    monkeypatch.setattr("services.platform.control.running", lambda _home: Identity.noted(me))
    supervised(home, mlflow="failing", dashboard="live")
    watch.turn()
    assert seen(journal) == {"engine/mlflow": "firing"}
    watch.turn()
    (one,) = store.alerts(journal)
    assert one.count == 1
    monkeypatch.setattr("services.platform.control.running", lambda _home: None)
    watch.turn()
    assert seen(journal) == {"engine/mlflow": "unknown"}
    monkeypatch.setattr("services.platform.control.running", lambda _home: Identity.noted(me))
    supervised(home, mlflow="live", dashboard="live")
    watch.turn()
    assert seen(journal) == {"engine/mlflow": "resolved"}


def test_failed_runs_and_full_disks_are_found(
    home: Home, journal: Journal, mirror: Store, watch: AlertWatch, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(room, "free_bytes", lambda _home: iter([(home.root, 1)]))
    mirror.write_project("p", "connected", {"title": "P"})
    ended = int(time.time() * 1000) - 5000
    times = {"started_ms": ended - 4000, "ended_ms": ended, "tags": {"mlops.technique": "lora"}}
    mirror.write_runs("p", [tracked(1, status="failed", **times)])
    watch.turn()
    assert seen(journal) == {f"disk/{home.root}": "firing", "run/p/lora": "firing"}
    later = times | {"started_ms": ended - 1000, "ended_ms": ended + 1000}
    mirror.write_runs("p", [tracked(2, **later)])
    watch.turn()
    assert seen(journal)["run/p/lora"] == "resolved"


def test_an_endpoint_that_failed_is_found_and_a_silent_engine_ends_nothing(
    home: Home, journal: Journal, watch: AlertWatch
):
    deployments.put_rollout(journal, "lora", "net", Rollout(Target(1), action_id=1))
    deployments.finish_rollout(journal, "lora.net", 1, live=True, said="")
    one = EndpointStatus("lora.net", "failed", "It ended.", since=time.time())
    status.write(home, ServingStatus(time.time(), 1, endpoints={"lora.net": one}))
    figures.write(home, Figures(time.time(), 1))
    watch.turn()
    assert seen(journal) == {"endpoint/lora.net": "firing"}
    well = EndpointStatus("lora.net", "live", since=time.time())
    status.write(home, ServingStatus(time.time() - 60, 1, endpoints={"lora.net": well}))
    watch.turn()
    assert seen(journal) == {"endpoint/lora.net": "unknown"}


def test_failing_requests_fire_from_the_log_and_a_new_controller_knows_them_too(
    home: Home, journal: Journal, sources: Sources, watch: AlertWatch
):
    deployments.put_rollout(journal, "lora", "net", Rollout(Target(1), action_id=1))
    deployments.finish_rollout(journal, "lora.net", 1, live=True, said="")
    now = time.time()
    mine = {"project": "lora", "model": "net", "inputs": None, "outputs": None}
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    for number in range(120):
        log.append(record(now - 3000 + number * 25, status=500 if number > 60 else 200, **mine))
    watch.turn()
    assert seen(journal) == {"errors/lora.net": "firing"}
    anew = AlertWatch(home, journal, Sources(home, journal, sources.mirror).rules(serves=True))
    for number in range(400):
        log.append(record(now - 200 + number / 4, **mine))
    anew.turn()
    (one,) = store.alerts(journal)
    assert one.state == "unknown", "over six hours it burns, and two of them are not known yet"
    for number in range(30_000):
        log.append(record(now - 100 + number / 300, **mine))
    log.close()
    anew._looked_at = None
    anew.turn()
    assert seen(journal) == {"errors/lora.net": "resolved"}


def test_what_others_hand_over_is_read_each_turn_whatever_the_rules_do(
    home: Home, journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    asked = []

    def look(now: float, _keys: frozenset[str]) -> tuple[Event, ...]:
        asked.append(now)
        return ()

    monkeypatch.setattr(alerts, "_LONGEST_REST_S", 0.0)
    watch = AlertWatch(home, journal, (Rule(frozenset({"run"}), look),))
    watch.turn()
    store.post(journal, [Event("posted/x", time.time(), "firing", title="X")])
    assert watch.turn() is False
    assert seen(journal) == {"posted/x": "firing"}
    assert len(asked) == 1, "rules look every few seconds"
    monkeypatch.setattr(deciding, "EVENTS_AT_ONCE", 2)
    store.post(journal, [Event(f"posted/{n}", time.time(), "firing") for n in range(3)])
    assert [watch.turn(), watch.turn()] == [True, False]


def test_a_cause_that_is_found_is_in_the_alert_at_once(
    home: Home, journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    cause = Cause("thermal", "It is hot", "", 0.8, True, ("0 then, 2 now.",), "Cool it.", "/hw")
    found = Explanation("lora", "net", "errors", "worse", 1.0, "", (cause,), (), ())
    go = threading.Event()

    def search(_asked: object) -> Explanation:
        assert go.wait(10)
        return found

    def look(now: float, _keys: frozenset[str]) -> tuple[Event, ...]:
        return (Event("errors/lora.net", now, "firing", labels={"endpoint": "lora.net"}),)

    monkeypatch.setattr(alerts, "_LONGEST_REST_S", 0.0)
    causes = Follower(search, patience_s=0.01)
    watch = AlertWatch(home, journal, (Rule(frozenset({"errors"}), look),), causes=causes)
    watch.turn()
    assert [one.cause for one in store.alerts(journal)] == [""]
    go.set()
    while not causes.has_news:
        time.sleep(0.01)
    watch.turn()  # long before the rules look again by themselves
    (one,) = store.alerts(journal)
    assert one.cause == "It is hot (80 % of the change)."
    assert (one.suggestion, one.evidence) == ("Cool it.", ("0 then, 2 now.",))
    causes.close()


def test_whoever_decides_long_rests_a_while(
    home: Home, journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    times = []

    def decide(*_: object) -> deciding.Turn:
        times.append(time.monotonic())
        time.sleep(0.05)
        return deciding.Turn(0, 0, again=len(times) == 1)

    monkeypatch.setattr(deciding, "decide", decide)
    watch = AlertWatch(home, journal, ())
    while len(times) < 3:
        watch.turn()
    first, second, third = times
    assert second - first < 0.3, "more waits"
    assert 0.4 < third - second < alerts._LONGEST_REST_S


def test_without_serving_nothing_of_it_is_looked_at(sources: Sources):
    kinds = {kind for rule in sources.rules(serves=False) for kind in rule.kinds}
    assert kinds == {"engine", "disk", "run", "workflow", "report", "retraining"}
    more = {kind for rule in sources.rules(serves=True) for kind in rule.kinds}
    assert more - kinds == {
        "endpoint", "errors", "availability", "latency", "accuracy", "load", "predictions",
        "labels", "lineage",
    }  # fmt: skip

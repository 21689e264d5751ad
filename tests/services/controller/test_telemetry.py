"""What the controller says of the sampler, which it knows by its report."""

import json
import time
from pathlib import Path

import pytest

from services.controller.telemetry import TelemetryWatch
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.settings import Settings


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TelemetryWatch:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    (tmp_path / "db").mkdir()
    engine, _ = schema.prepare(Settings().mirror_url)
    return TelemetryWatch(Store(engine), tmp_path)


def report(run: Path, age_s: float = 0.0) -> None:
    document = {"pid": 1, "at": time.time() - age_s, "detail": "all well"}
    (run / "telemetry.json").write_text(json.dumps(document))


def turn(watch: TelemetryWatch) -> tuple[str, str, list[str]]:
    watch.turn()
    mirror = Mirror.open(Settings())
    (now,) = (engine for engine in mirror.freshness() if engine.engine == "telemetry")
    told = [change.kind for change in mirror.changes() if change.subject == "telemetry"]
    return now.state, now.reason, told[::-1]


def test_its_start_is_said_and_is_no_event(watch: TelemetryWatch, tmp_path: Path):
    state, reason, told = turn(watch)
    assert (state, told) == ("stale", [])
    assert reason.startswith("It may still be starting")
    report(tmp_path)
    assert turn(watch) == ("live", "", ["engine.live"])


def test_one_that_does_not_come_up_is_down(watch: TelemetryWatch):
    for _ in range(10):
        assert turn(watch)[0] == "stale"
    assert turn(watch) == ("down", "It has not reported yet.", ["engine.down"])


def test_one_that_was_there_is_down_at_once(watch: TelemetryWatch, tmp_path: Path):
    report(tmp_path)
    turn(watch)
    report(tmp_path, age_s=60)
    state, reason, told = turn(watch)
    assert (state, told) == ("down", ["engine.live", "engine.down"])
    assert "60 s old" in reason

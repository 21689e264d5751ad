"""What the controller writes to ended runs, over a real mirror and a real telemetry store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.controller.run_use import RunUseWatch
from services.engines.mlflow.models import TrackedRun
from services.engines.silicon.models import ProcessUse, Sample
from services.engines.silicon.provider import measured
from services.errors import EngineRefusedError, EngineUnreachableError
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.settings import Settings
from services.telemetry.store import Store as Telemetry
from tests.hardware_seed import RUNNER, STUDIO
from tests.services.mirror.conftest import tracked

BEGAN = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
ENDED = BEGAN + timedelta(seconds=60)
KEY = "0123456789abcdef01234567"


class Tracking:
    """MLflow as the loop sees it."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str, dict[str, float], dict[str, str]]] = []
        self.error: Exception | None = None

    def log_batch(
        self, workspace: str, run_id: str, metrics: dict[str, float], tags: dict[str, str]
    ) -> None:
        if self.error is not None:
            raise self.error
        self.written.append((workspace, run_id, metrics, tags))


class Clock:
    now = ENDED + timedelta(seconds=10)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tracking() -> Tracking:
    return Tracking()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    (tmp_path / "db").mkdir()
    engine, _ = schema.prepare(Settings().mirror_url)
    return Store(engine)


@pytest.fixture
def watch(tmp_path: Path, store: Store, tracking: Tracking, clock: Clock) -> RunUseWatch:
    return RunUseWatch(Mirror.open(Settings()), Telemetry(tmp_path / "telemetry"), tracking, clock)


def run(**changes: Any) -> TrackedRun:
    made = tracked(
        1,
        started_ms=int(BEGAN.timestamp() * 1000),
        ended_ms=int(ENDED.timestamp() * 1000),
        tags={"mlops.host": "studio.local"},
    )
    return replace(made, **changes)


def sampled(tmp_path: Path, *, watts: bool = True, offline_s: int = -100) -> None:
    """Write two minutes of a machine on which the run is alone, offline until ``offline_s``."""
    telemetry = Telemetry(
        tmp_path / "telemetry", merge_in_background=False, now=lambda: ENDED + timedelta(hours=1)
    )
    telemetry.introduce(STUDIO, ())
    own = f"run:{run().run_id}"
    for second in range(-30, 91, 2):
        readings = [measured("cpu_ratio", 0.5, "x", window_s=2.0),
                    measured("gpu_ratio", 0.0, "x", window_s=2.0)]  # fmt: skip
        if watts:
            readings += [measured(m, w, "x", window_s=2.0) for m, w in
                         (("cpu_w", 10.0), ("gpu_w", 0.0), ("ane_w", 0.0))]  # fmt: skip
        owner = own if second > offline_s else f"run:offline-{KEY}"
        use = ProcessUse(
            7, 1.0, "python", owner, "p", cpu_s=16.0, gpu_s=0.0, memory_bytes=3_000_000
        )
        at = BEGAN + timedelta(seconds=second)
        telemetry.append(Sample(STUDIO.host, at, 2.0, tuple(readings), (use,)))
    telemetry.close()


def test_an_ended_run_gets_its_use_and_its_conditions_once(
    watch: RunUseWatch, store: Store, tracking: Tracking, tmp_path: Path
):
    sampled(tmp_path)
    store.write_runs("p", [run()])
    watch.turn()
    watch.turn()
    ((workspace, run_id, metrics, tags),) = tracking.written
    assert (workspace, run_id) == ("p", run().run_id)
    assert metrics["system/energy_j"] == pytest.approx(600)
    assert metrics["system/cpu_s"] == pytest.approx(480)
    assert metrics["system/peak_memory_bytes"] == 3_000_000
    assert tags["mlops.energy.quality"] == "measured"
    assert '"thermal' not in tags["mlops.conditions"]  # not told is left out, not 0
    store.write_runs("p", [run(tags=run().tags | tags)])
    watch.turn()
    assert len(tracking.written) == 1


def test_what_a_run_used_before_mlflow_gave_it_an_id_is_its_own_too(
    watch: RunUseWatch, store: Store, tracking: Tracking, tmp_path: Path
):
    sampled(tmp_path, offline_s=30)
    store.write_runs("p", [run(tags=run().tags | {"mlops.local_id": KEY})])
    watch.turn()
    ((_, _, metrics, tags),) = tracking.written
    assert metrics["system/energy_j"] == pytest.approx(600)
    assert metrics["system/cpu_s"] == pytest.approx(480)
    assert "offline" not in tags["mlops.conditions"]  # it is no neighbour of itself


def test_of_two_machines_of_one_name_the_one_of_its_id_is_asked(
    watch: RunUseWatch, store: Store, tracking: Tracking, tmp_path: Path
):
    sampled(tmp_path)
    twin = replace(STUDIO, host="studio-99999999")
    Telemetry(tmp_path / "telemetry").introduce(twin, ())
    store.write_runs("p", [run(tags=run().tags | {"mlops.host_id": STUDIO.host})])
    watch.turn()
    ((_, _, metrics, _),) = tracking.written
    assert metrics["system/cpu_s"] == pytest.approx(480)


def test_what_cannot_be_measured_is_said_with_its_reason(
    watch: RunUseWatch, store: Store, tracking: Tracking, tmp_path: Path
):
    sampled(tmp_path, watts=False)
    store.write_runs("p", [run()])
    watch.turn()
    ((_, _, metrics, tags),) = tracking.written
    assert "system/energy_j" not in metrics
    assert tags["mlops.energy.quality"] == "unavailable"
    assert tags["mlops.energy.reason"]
    assert metrics["system/cpu_s"] == pytest.approx(480)


def test_a_run_is_looked_at_when_its_last_sample_is_there(
    watch: RunUseWatch, store: Store, tracking: Tracking, tmp_path: Path, clock: Clock
):
    sampled(tmp_path)
    store.write_runs("p", [run(status="running", ended_ms=None)])
    watch.turn()
    clock.now = ENDED + timedelta(seconds=1)
    store.write_runs("p", [run()])
    watch.turn()
    assert tracking.written == []
    clock.now = ENDED + timedelta(seconds=7)
    watch.turn()
    assert len(tracking.written) == 1


def test_samples_of_an_agent_are_waited_for_and_then_said_to_be_missing(
    watch: RunUseWatch, store: Store, tracking: Tracking, tmp_path: Path, clock: Clock
):
    Telemetry(tmp_path / "telemetry").introduce(STUDIO, ())
    store.write_runs("p", [run()])
    watch.turn()
    assert tracking.written == []
    clock.now = ENDED + timedelta(minutes=11)
    watch.turn()
    ((_, _, metrics, tags),) = tracking.written
    assert metrics == {}
    assert tags["mlops.energy.quality"] == "unavailable"
    assert "mlops.conditions" not in tags


def test_of_a_machine_that_sends_nothing_nothing_is_claimed(
    watch: RunUseWatch, store: Store, tracking: Tracking, tmp_path: Path, clock: Clock
):
    Telemetry(tmp_path / "telemetry").introduce(RUNNER, ())
    store.write_runs("p", [run()])
    watch.turn()
    clock.now = ENDED + timedelta(minutes=11)
    watch.turn()
    assert tracking.written == []
    assert watch._waiting == {}


def test_while_mlflow_is_away_it_waits_and_what_mlflow_refuses_is_left(
    watch: RunUseWatch, store: Store, tracking: Tracking, tmp_path: Path
):
    sampled(tmp_path)
    store.write_runs("p", [run()])
    tracking.error = EngineUnreachableError("MLflow is away.")
    with pytest.raises(EngineUnreachableError):
        watch.turn()
    tracking.error = None
    watch.turn()
    assert len(tracking.written) == 1
    store.write_runs("p", [run(run_id="b" * 32)])
    tracking.error = EngineRefusedError("The run is deleted.")
    watch.turn()
    assert watch._waiting == {}


def test_runs_of_yesterday_are_left_as_they_are(
    watch: RunUseWatch, store: Store, tracking: Tracking, tmp_path: Path, clock: Clock
):
    sampled(tmp_path)
    store.write_runs("p", [run()])
    clock.now = ENDED + timedelta(hours=25)
    watch.turn()
    assert tracking.written == []

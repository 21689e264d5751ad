"""What rules say of engines, disks, runs, workflows and predictions that wait."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from services.alerting.rules import backlog, disk, engines, runs
from services.mirror.models import Run
from services.platform.status import EngineStatus
from tests.services.alerting.things import NONE, NOW, states


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


def engine(
    state: str = "live", phase: str = "live", since: float = -10, **said: str
) -> EngineStatus:
    given = {"name": "airflow", "title": "Airflow", "detail": "It ended.", **said}
    return EngineStatus(
        state=state, phase=phase, since=at(since), age_s=1.0, version=None, url=None, pid=1,
        rss_bytes=None, **given,
    )  # fmt: skip


def of_engine(one: EngineStatus, open_keys: frozenset[str] = frozenset({"engine/airflow"})):
    (found,) = engines.events([one], NOW, open_keys, supervised=True)
    return found


def test_an_engine_that_fails_or_hangs_fires_and_explains_what_comes_of_it():
    down = of_engine(engine("down", "failing"), NONE)
    assert (down.state, down.severity, down.at) == ("firing", "critical", NOW - 10)
    assert down.explains == ("engine:airflow",)
    assert (down.cause, down.title) == ("It ended.", "Airflow is down")
    assert "mlops restart airflow" in down.suggestion
    hangs = of_engine(engine("stale", "unresponsive"), NONE)
    assert (hangs.state, hangs.title) == ("firing", "Airflow does not answer")
    mild = of_engine(engine("down", "failing", name="telemetry", title="Telemetry"), NONE)
    assert mild.severity == "warning"


@pytest.mark.parametrize(
    ("state", "phase", "since", "said"),
    [
        ("live", "live", -1, "ok"), ("down", "starting", -100, "unknown"),
        ("down", "starting", -121, "firing"), ("never", "waiting", -121, "firing"),
        ("stale", "live", -500, "unknown"), ("down", "stopped", -500, "unknown"),
        ("down", "stopping", -1, "unknown"),
    ],
)  # fmt: skip
def test_what_an_engine_does_is_evidence_or_not(state: str, phase: str, since: float, said: str):
    assert of_engine(engine(state, phase, since)).state == said


def test_of_engines_that_are_well_nothing_is_said():
    assert engines.events([engine()], NOW, NONE, supervised=True) == ()
    assert engines.events([engine("down", "starting")], NOW, NONE, supervised=True) == ()


def test_without_a_supervisor_nobody_knows():
    keys = frozenset({"engine/airflow", "engine/gone"})
    found = engines.events([engine("down", "failing")], NOW, keys, supervised=False)
    assert states(found) == {"engine/airflow": "unknown"}
    assert engines.events([engine("down", "failing")], NOW, NONE, supervised=False) == ()


def test_an_engine_that_is_not_run_any_more_is_no_trouble():
    found = engines.events([], NOW, frozenset({"engine/old"}), supervised=True)
    assert states(found) == {"engine/old": "ok"}


def test_a_full_disk_explains_the_engines_and_its_edge_is_wide():
    (full,) = disk.events([("/d", 1)], 100, NOW, NONE)
    assert (full.severity, full.title) == ("critical", "A disk is full")
    assert "engine:mlflow" in full.explains
    (low,) = disk.events([("/d", disk.LOW_BYTES - 1)], 100, NOW, NONE)
    assert (low.severity, low.explains) == ("warning", ())
    assert disk.events([("/d", disk.LOW_BYTES)], 100, NOW, NONE) == ()
    mine = frozenset({"disk//d"})
    assert states(disk.events([("/d", disk.LOW_BYTES)], 100, NOW, mine)) == {"disk//d": "firing"}
    assert states(disk.events([("/d", 7_000_000_000)], 100, NOW, mine)) == {"disk//d": "ok"}
    assert states(disk.events([], 100, NOW, mine)) == {"disk//d": "ok"}


def run(number: int, status: str, ended: float = -60, **said: str) -> Run:
    given = {"technique": "sgd", "host": "studio", "status_reason": "", **said}
    return Run(
        run_id=f"{number:032x}", project="lora", experiment_id="0", name=f"r{number}",
        status=status, baseline=False, started_at=at(ended - 100 + number), ended_at=at(ended),
        user=None, archived=False, metrics={}, params={}, tags={}, **given,
    )  # fmt: skip


def test_a_failed_run_fires_until_one_of_its_kind_finishes():
    (failed,) = runs.run_events([run(1, "failed"), run(0, "finished")], NOW, NONE)
    assert (failed.state, failed.key, failed.project) == ("firing", "run/lora/sgd", "lora")
    assert (failed.at, failed.labels["run"]) == (NOW - 60, f"{1:032x}")
    assert "mlops why" in failed.suggestion
    mine = frozenset({failed.key})
    later = [run(2, "finished"), run(1, "failed")]
    assert states(runs.run_events(later, NOW, mine)) == {"run/lora/sgd": "ok"}
    again = [run(2, "running"), run(1, "failed")]
    assert states(runs.run_events(again, NOW, mine)) == {"run/lora/sgd": "unknown"}
    killed = [run(2, "killed"), run(1, "failed")]
    assert states(runs.run_events(killed, NOW, mine)) == {"run/lora/sgd": "firing"}


def test_a_lost_run_may_be_the_fault_of_who_takes_its_reports():
    (lost,) = runs.run_events([run(1, "lost", status_reason="No heartbeat.")], NOW, NONE)
    assert (lost.cause, lost.labels["engine"]) == ("No heartbeat.", "mlflow")


def test_old_failures_greet_nobody_and_an_open_alert_stays():
    old = run(1, "failed", -runs.RECENT_S)
    assert runs.run_events([old], NOW, NONE) == ()
    assert states(runs.run_events([old], NOW, frozenset({"run/lora/sgd"}))) == {
        "run/lora/sgd": "firing"
    }
    assert runs.run_events([run(1, "finished")], NOW, NONE) == ()


BEGAN, ENDED = at(-90), at(-60)


@dataclass(frozen=True)
class DagRun:
    state: str
    project: str = "lora"
    dag_id: str = "lora.train"
    run_id: str = "manual-1"
    started_at: datetime | None = BEGAN
    ended_at: datetime | None = ENDED


@pytest.mark.parametrize(
    ("state", "said"), [("failed", "firing"), ("success", "ok"), ("running", "unknown")]
)
def test_a_workflow_is_as_its_newest_run(state: str, said: str):
    mine = frozenset({"workflow/lora.train"})
    (found,) = runs.workflow_events({"lora.train": DagRun(state)}, NOW, mine)
    assert found.state == said
    fresh = runs.workflow_events({"lora.train": DagRun(state)}, NOW, NONE)
    assert len(fresh) == (said == "firing")
    if fresh:
        assert fresh[0].labels["engine"] == "airflow"
        platform = DagRun(state, "platform")
        assert runs.workflow_events({"x": platform}, NOW, NONE)[0].project is None


def test_predictions_that_wait_fire():
    assert backlog.events([], NOW)[0].state == "ok"
    assert backlog.events([NOW - backlog.LATE_S], NOW)[0].state == "ok"
    (late,) = backlog.events([NOW - backlog.LATE_S - 1], NOW)
    assert late.state == "firing"
    assert late.cause.startswith("The engine Predictions is away, or ")

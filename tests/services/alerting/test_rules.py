"""What rules say of engines, disks, runs, workflows, endpoints, service levels and verdicts."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from services.alerting import looking
from services.alerting.looking import Rule
from services.alerting.models import Event
from services.alerting.rules import (
    backlog,
    disk,
    drift,
    engines,
    monitoring,
    objectives,
    runs,
    serving,
)
from services.errors import PlatformError
from services.mirror.models import Run
from services.objectives.models import Burn, Kind, Objective, Speed, Standing, State
from services.platform.status import EngineStatus
from services.serving.figures import Figures, VersionFigures
from services.serving.models import EndpointStatus
from tests.services.alerting.things import NOW, alert, event, ok

NONE: frozenset[str] = frozenset()


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


def states(found: tuple[Event, ...] | list[Event]) -> dict[str, str]:
    return {one.key: one.state for one in found}


# Engines


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


# Disks


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


# Runs


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


# Endpoints


@pytest.mark.parametrize(
    ("phase", "since", "said"),
    [
        ("live", -9, "ok"), ("idle", -9, "ok"), ("failed", -9, "firing"),
        ("loading", -999, "unknown"), ("waiting", -299, "unknown"), ("waiting", -301, "firing"),
    ],
)  # fmt: skip
def test_an_endpoint_is_as_the_serving_engine_says(phase: str, since: float, said: str):
    seen = {"lora.net": EndpointStatus("lora.net", phase, "Why.", since=NOW + since)}  # type: ignore[arg-type]  # one of them
    mine = frozenset({"endpoint/lora.net"})
    (found,) = serving.endpoint_events(["lora.net"], seen, NOW, mine)
    assert found.state == said
    if said == "firing":
        assert (found.project, found.cause) == ("lora", "Why.")
        assert found.labels == {"endpoint": "lora.net", "project": "lora", "engine": "serving"}
    assert len(serving.endpoint_events(["lora.net"], seen, NOW, NONE)) == (said == "firing")


def test_a_serving_engine_that_is_silent_ends_nothing_and_an_undeployed_endpoint_does():
    mine = frozenset({"endpoint/lora.net"})
    assert states(serving.endpoint_events(["lora.net"], None, NOW, mine)) == {
        "endpoint/lora.net": "unknown"
    }
    assert states(serving.endpoint_events([], None, NOW, mine)) == {"endpoint/lora.net": "ok"}


def test_requests_turned_away_fire():
    one = VersionFigures(1, requests=100, refused=30, queued=4, in_flight=2)
    mine = frozenset({"load/lora.net"})
    seen = Figures(NOW, 1, 1, {"lora.net": {1: one}})
    (found,) = serving.load_events(["lora.net"], seen, NOW, NONE)
    assert (found.key, found.state) == ("load/lora.net", "firing")
    assert found.cause == "4 requests wait for a model server, 2 are under way."
    well = replace(seen, endpoints={"lora.net": {1: replace(one, refused=1)}})
    assert states(serving.load_events(["lora.net"], well, NOW, mine)) == {"load/lora.net": "ok"}
    assert serving.load_events(["lora.net"], well, NOW, NONE) == ()


def test_a_gateway_that_is_silent_ends_nothing():
    mine = frozenset({"load/lora.net"})
    for silent in (None, Figures(NOW - 60, 1, 1, {})):
        found = serving.load_events(["lora.net"], silent, NOW, mine)
        assert states(found) == {"load/lora.net": "unknown"}
    assert states(serving.load_events([], None, NOW, mine)) == {"load/lora.net": "ok"}


# Objectives


def standing(
    *burns: str, kind: Kind = "availability", state: State = "met", severity: Speed = "critical"
) -> Standing:
    bound_ms = 250.0 if kind == "latency" else None
    pairs = ((3600.0, 300.0), (21_600.0, 1800.0))
    made = tuple(
        Burn(*windows, 14.4, severity, 20.0, 30.0, one, 1000, 200, 25)  # type: ignore[arg-type]
        for windows, one in zip(pairs, burns, strict=False)
    )
    return Standing("lora", "net", Objective(kind, 0.99, 30, bound_ms), state, "It is.", burns=made)


def of_objectives(*said: Standing, keys: frozenset[str] = NONE) -> dict[str, Event]:
    found = objectives.events(said, ["lora.net"], NOW, keys)
    return {one.key: one for one in found}


ERRORS = frozenset({"errors/lora.net"})


def test_a_budget_that_burns_fires_and_says_how_fast():
    (found,) = of_objectives(standing("firing", "quiet")).values()
    assert (found.key, found.state, found.severity) == ("errors/lora.net", "firing", "critical")
    assert found.said == (
        "200 of 1,000 requests to lora.net (20 %) failed in the last 1 h, 25 of them in the last "
        "5 min: 20.0 times what its objective of 99 % allows."
    )
    assert (found.title, found.project) == ("lora.net fails too often", "lora")
    assert found.link == "/monitoring?deployment=lora.net&project=lora"
    assert found.labels == {
        "project": "lora", "model": "net", "endpoint": "lora.net", "objective": "availability",
        "engine": "serving",
    }  # fmt: skip
    mild = of_objectives(standing("unknown", "firing", severity="warning"))
    assert mild["errors/lora.net"].severity == "warning"


def test_slow_answers_are_an_alert_of_their_own():
    (found,) = of_objectives(standing("firing", kind="latency")).values()
    assert (found.key, found.title) == ("latency/lora.net", "lora.net answers too slowly")
    assert "took more than 250 ms" in found.said


def test_a_burn_ends_on_evidence_alone():
    assert of_objectives(standing("quiet", "quiet")) == {}
    for burns, said in (
        (("quiet", "quiet"), "ok"), (("unknown", "quiet"), "unknown"), ((), "unknown"),
    ):  # fmt: skip
        assert of_objectives(standing(*burns), keys=ERRORS)["errors/lora.net"].state == said
    gone = objectives.events([], [], NOW, ERRORS)
    assert (states(gone), gone[0].said) == (
        {"errors/lora.net": "ok"}, "It was taken out of service.",
    )  # fmt: skip
    latency = frozenset({"latency/lora.net"})
    (back,) = of_objectives(standing("quiet"), keys=latency).values()
    assert (back.state, back.said) == ("ok", "The objective was taken back.")


def test_accuracy_fires_when_it_is_surely_below_and_ends_when_it_is_not_below():
    mine = frozenset({"accuracy/lora.net"})
    found = of_objectives(standing(kind="accuracy", state="missed"))["accuracy/lora.net"]
    assert (found.state, found.severity) == ("firing", "warning")
    assert "engine" not in found.labels, "an engine that is down makes no answer wrong"
    for state, said in (("met", "ok"), ("at risk", "unknown"), ("unknown", "unknown")):
        one = standing(kind="accuracy", state=state)  # type: ignore[arg-type]
        assert of_objectives(one) == {}
        assert of_objectives(one, keys=mine)["accuracy/lora.net"].state == said


# Predictions


def test_predictions_that_wait_fire():
    assert backlog.events([], NOW)[0].state == "ok"
    assert backlog.events([NOW - backlog.LATE_S], NOW)[0].state == "ok"
    assert backlog.events([NOW - backlog.LATE_S - 1], NOW)[0].state == "firing"


# Verdicts


@dataclass(frozen=True)
class Column:
    name: str
    state: str = "drifted"
    effect: float | None = 0.5
    threshold: float | None = 0.1
    importance: float | None = None
    n_current: int = 2000
    said: str = "It moved."


@dataclass(frozen=True)
class Verdict:
    state: str
    severity: str = "high"
    columns: tuple[Column, ...] = ()
    computed_at: float = NOW
    kind: str = "data"
    id: str = "v1"
    project: str = "lora"
    model: str = "net"
    version: int = 3
    said: str = "3 of 20 columns drifted."
    report: str | None = "reports/v1.html"


def test_drift_fires_with_the_column_that_weighs_most():
    columns = (
        Column("small", effect=0.2, importance=0.9), Column("big", effect=0.9, importance=0.02),
        Column("calm", "steady"), Column("rare", "too few"),
    )  # fmt: skip
    (found,) = drift.events([Verdict("drifted", columns=columns)])
    assert (found.key, found.severity) == ("drift/lora/net/data", "critical")
    assert found.cause == (
        "The column small is drifted, with 90 % of the model's answer; 1 more column with it."
    )
    assert found.evidence == (
        "It moved. 90 % of the model's answer goes with it.",
        "It moved. 2 % of the model's answer goes with it.",
        "Evidently's full report: /monitoring/report/v1",
    )
    assert found.labels["verdict"] == "v1"
    assert found.link == "/monitoring?deployment=lora.net&verdict=v1"
    assert "mlops drift show lora.net" in found.suggestion
    (mute,) = drift.events([Verdict("drifted", columns=(Column("input.a", "missing", said=""),))])
    assert mute.evidence[0] == "a is missing (2,000 values)."
    assert mute.cause == "The column a is missing."


@pytest.mark.parametrize(
    ("state", "said"), [("steady", "ok"), ("too few", "unknown"), ("unknown", "unknown")]
)
def test_only_a_steady_verdict_is_evidence_of_an_end(state: str, said: str):
    (found,) = drift.events([Verdict(state)])
    assert (found.state, found.at) == (said, NOW)


def test_of_several_verdicts_the_newest_counts():
    old = Verdict("drifted", computed_at=NOW - 1)
    for order in ([old, Verdict("steady")], [Verdict("steady"), old]):
        assert states(drift.events(order)) == {"drift/lora/net/data": "ok"}


def test_a_canary_that_is_well_hides_no_live_version_that_is_not():
    live = Verdict("drifted", "low", version=3, computed_at=NOW - 10)
    canary = Verdict("steady", "none", version=4)
    for order in ([live, canary], [canary, live]):
        (found,) = drift.events(order)
        assert (found.state, found.labels["version"]) == ("firing", "3")
    worse = Verdict("drifted", "high", version=4)
    assert drift.events([live, worse])[0].labels["version"] == "4"
    few = Verdict("too few", version=4)
    assert states(drift.events([Verdict("steady"), few])) == {"drift/lora/net/data": "unknown"}
    over = Verdict("steady", "none", version=3)  # the same version, later
    assert states(drift.events([live, over, canary])) == {"drift/lora/net/data": "ok"}


def test_drift_of_what_left_service_is_over_and_of_what_is_unread_unknown():
    open_keys = ("drift/lora/net/data", "drift/lora/gone/data")
    found = drift.events([], open_keys, ["lora.net"], NOW)
    assert states(found) == {"drift/lora/gone/data": "ok"}
    assert drift.events([], open_keys) == ()


# Checks


@dataclass(frozen=True)
class Looked:
    error: str = ""
    fault: str = ""
    hint: str = ""
    version: int = 3
    at: float = NOW
    project: str = "lora"
    model: str = "net"


ROUNDS = monitoring.Rounds(NOW - 60, None, "", "", NOW - 1e6, paused=False)
NET, ROUND = "monitoring/lora/net", "monitoring/rounds"


def checks(
    rounds: monitoring.Rounds = ROUNDS,
    *looked: Looked,
    deployed: tuple[str, ...] = ("lora.net",),
    open_keys: tuple[str, ...] = (ROUND, NET),
) -> tuple[Event, ...]:
    return monitoring.events(rounds, looked, deployed, NOW, frozenset(open_keys))


def test_a_check_that_fails_fires_and_one_that_lacks_something_says_so_quietly():
    assert states(checks(ROUNDS, Looked())) == {ROUND: "ok", NET: "ok"}
    assert checks(ROUNDS, Looked(), open_keys=()) == ()
    (_, failed) = checks(ROUNDS, Looked("The disk is full.", hint="Free space."))
    assert (failed.state, failed.severity, failed.cause) == (
        "firing", "warning", "The disk is full.",
    )  # fmt: skip
    assert failed.suggestion == "Free space. `mlops drift check lora.net` tries again."
    assert failed.link == "/monitoring?deployment=lora.net"
    (_, lacks) = checks(ROUNDS, Looked(fault="MLflow does not answer."))
    assert (lacks.state, lacks.severity, lacks.cause) == (
        "firing", "info", "MLflow does not answer.",
    )  # fmt: skip
    (_, worst) = checks(
        ROUNDS, Looked("It broke."), Looked(version=4), Looked(fault="x", version=5)
    )
    assert worst.cause == "It broke."


def test_rounds_that_come_to_nothing_or_do_not_come_are_told():
    broken = replace(ROUNDS, failed_at=NOW - 5, error="The disk is full.", hint="Free space.")
    (found,) = checks(broken, open_keys=())
    assert (found.key, found.state, found.cause) == (ROUND, "firing", "The disk is full.")
    late = replace(ROUNDS, ended=NOW - monitoring.LATE_S - 1)
    (found,) = checks(late, open_keys=())
    assert "ended for 3 hours" in found.said
    assert found.cause == ""
    (found,) = checks(replace(late, paused=True), open_keys=())
    assert "platform.monitor, which makes them, is paused" in found.cause
    assert "mlops workflows resume platform.monitor" in found.suggestion
    assert checks(replace(late, watched_since=NOW - 60), open_keys=()) == ()  # it was down
    never = replace(late, ended=None)
    assert "ended yet" in checks(never, open_keys=())[0].said
    fresh = replace(never, watched_since=NOW - 60)
    assert states(checks(fresh)) == {ROUND: "unknown"}


def test_checks_of_what_left_service_are_over():
    found = checks(replace(ROUNDS, ended=None), Looked("It broke."), deployed=())
    assert states(found) == {ROUND: "ok", NET: "ok"}


# All rules


def test_a_rule_that_cannot_look_makes_its_alerts_unknown_and_stops_no_other():
    def breaks(_now: float, _keys: frozenset[str]) -> tuple[Event, ...]:
        raise PlatformError("The disk is away.")

    rules = [
        Rule(frozenset({"run"}), breaks),
        Rule(frozenset({"disk"}), lambda now, _: (event("disk/d", now),)),
    ]
    found = looking.heard(rules, ["run/lora/sgd", "posted/x"], NOW)
    assert states(found) == {"run/lora/sgd": "unknown", "disk/d": "firing"}
    assert found[0].said == "Nobody can tell now: The disk is away."


def test_an_open_alert_of_which_its_rule_says_nothing_is_unknown():
    rule = Rule(frozenset({"run"}), lambda _now, _keys: ())
    assert states(looking.heard([rule], ["run/a"], NOW)) == {"run/a": "unknown"}


def test_what_lasts_is_written_now_and_then():
    one = alert()
    known = {one.key: one}

    def worth(said: Event, now: float) -> bool:
        return bool(looking.news([said], known, now))

    assert not worth(event(), NOW + 9999), "of the same moment"
    assert not worth(event(at=NOW + 5), NOW + 5)
    assert worth(event(at=NOW + 300), NOW + 300)
    assert worth(event(at=NOW + 5, severity="critical"), NOW + 5)
    assert worth(ok(at=NOW + 5), NOW + 5)
    assert worth(event("run/new", NOW), NOW)
    assert not worth(ok("run/new"), NOW + 60)
    unseen = {one.key: replace(one, condition="unknown")}
    assert looking.news([event()], unseen, NOW + 9), "it is seen again"
    over = {one.key: replace(one, condition="ok", resolved_at=NOW + 5, last_at=NOW + 5)}
    assert not looking.news([event(), ok(at=NOW + 9)], over, NOW + 9)
    assert looking.news([event(at=NOW + 8)], over, NOW + 9)

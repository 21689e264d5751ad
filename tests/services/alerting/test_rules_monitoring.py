"""What rules say of verdicts, and of checks that fail or do not come."""

from dataclasses import dataclass, replace

import pytest

from services.alerting.models import Event
from services.alerting.rules import drift, monitoring
from tests.services.alerting.things import NOW, states


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
    assert found.link == "/monitoring?deployment=lora.net&verdict=v1&part=drift&column=small"
    (worse,) = drift.events([Verdict("drifted", kind="accuracy")])
    assert worse.link == "/monitoring?deployment=lora.net&verdict=v1&part=accuracy"
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
